import Foundation

/// Makes models ready to run.
public protocol ModelLoading: Sendable {
    /// Load a model.
    ///
    /// - Parameters:
    ///   - location: a package, which is compiled first, or what was compiled before.
    ///   - labels: of the classes, for outputs that are a dictionary by class.
    ///   - units: that it may use.
    func load(_ location: URL, labels: [String], units: ComputeUnits) async throws -> LoadedModel
}

extension ModelLoading {
    /// Load a file of a bundled model; its outputs are called as the network calls them.
    ///
    /// - Throws: `Failure` where the file is missing; what loading throws.
    public func load(
        _ file: ModelFile, of model: BundledModel, units: ComputeUnits
    ) async throws -> LoadedModel {
        let contract = try ModelContract(model.manifest, file: file)
        let loaded = try await load(model.location(of: file), labels: contract.labels, units: units)
        guard !contract.renames.isEmpty else { return loaded }
        return loaded.running(RenamingEngine(engine: loaded.engine, names: contract.renames))
    }
}

extension LoadedModel {
    fileprivate func running(_ engine: any InferenceEngine) -> LoadedModel {
        LoadedModel(
            engine: engine, loadNs: loadNs, compileNs: compileNs, inputs: inputs, outputs: outputs,
            operators: operators)
    }
}

private struct RenamingEngine: InferenceEngine {
    let engine: any InferenceEngine
    let names: [String: String]

    func predict(_ inputs: [String: Tensor]) async throws -> [String: Tensor] {
        let outputs = try await engine.predict(inputs)
        return Dictionary(uniqueKeysWithValues: outputs.map { (names[$0.key] ?? $0.key, $0.value) })
    }
}

/// Measures models and checks them, and says so in a report.
public struct Measuring: Sendable {
    private let loader: any ModelLoading
    private let loop: BenchmarkLoop

    /// Take what loads, and what measures.
    public init(loader: any ModelLoading, loop: BenchmarkLoop) {
        self.loader = loader
        self.loop = loop
    }

    /// Measure a file of a bundled model on its golden picture, and check it against its golden outputs.
    ///
    /// - Throws: what loading or running throws; `CancellationError` when the task is cancelled.
    public func report(
        _ file: ModelFile, of model: BundledModel, plan: BenchmarkPlan, units: ComputeUnits,
        setting: DeviceReport.Setting, progress: @Sendable (Double) -> Void = { _ in }
    ) async throws -> DeviceReport {
        let contract = try ModelContract(model.manifest, file: file)
        let golden = try model.golden()
        let measured = try await loop.run(
            plan, load: { try await loader.load(file, of: model, units: units) },
            workload: { _ in try PictureWorkload(golden: golden, contract: contract) }, progress: progress)
        let said = DeviceReport.Model(
            name: model.manifest.name, variant: file.variant, file: file.path, sha256: file.sha256,
            sizeBytes: file.sizeBytes)
        var report = DeviceReport(of: measured, model: said, units: units, setting: setting)
        do {
            let verdicts = try await Parity.verdicts(
                engine: measured.loaded.engine, file: file, golden: golden)
            report.verification = Parity.check(verdicts, manifest: model.manifest)
        } catch let failure as Failure {
            report.errors = [failure.description]
        }
        return report
    }

    /// Measure a package that the desk has sent, of which nothing but its digest is known.
    ///
    /// - Parameters:
    ///   - order: the desk's.
    ///   - package: where it lies.
    ///   - catalog: a bundled model with the digest is measured in its stead, with all stages.
    ///   - setting: what it runs on.
    /// - Throws: what loading or running throws.
    public func report(
        _ order: LaunchOrder, package: URL, catalog: Catalog, setting: DeviceReport.Setting
    ) async throws -> DeviceReport {
        if let (model, file) = try? catalog.find(sha256: order.model.sha256) {
            return try await report(file, of: model, plan: order.plan, units: order.units, setting: setting)
        }
        let measured = try await loop.run(
            order.plan, load: { try await loader.load(package, labels: [], units: order.units) },
            workload: { RandomWorkload($0.inputs) })
        return DeviceReport(of: measured, model: order.model, units: order.units, setting: setting)
    }
}
