import Foundation
import Testing

@testable import MobileKitCore

private struct FakeLoader: ModelLoading {
    let output: String
    let values: [Float]

    func load(_ location: URL, labels: [String], units: ComputeUnits) async throws -> LoadedModel {
        let (output, values) = (output, values)
        return LoadedModel(
            engine: FakeEngine { _ in [output: try Tensor(shape: [1, 2], values: values)] }, loadNs: 1,
            compileNs: nil, inputs: [End(name: "image", shape: [1, 3, 2, 2], dtype: "float32")],
            outputs: [End(name: output, shape: [1, 2], dtype: "float32")], operators: [])
    }
}

/// An artifact on the disk, measured from its folder to the report.
@Suite struct MeasuringTests {
    private let folder: URL
    private let setting = DeviceReport.Setting(
        reportId: "00000000-0000-4000-8000-00000000000a", createdAt: "2026-11-21T12:00:00Z",
        tool: DeviceReport.Tool(name: "test", version: "0"), kind: .device,
        device: DeviceReport.Device(
            manufacturer: "Apple", model: "iPhone0,0", soc: "", os: "iOS", osVersion: "0.0"))

    init() throws {
        folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
        let place = folder.appendingPathComponent("net")
        for name in ["golden", "model.mlpackage"] {
            try FileManager.default.createDirectory(
                at: place.appendingPathComponent(name), withIntermediateDirectories: true)
        }
        try Data(Models.classifier.utf8).write(to: place.appendingPathComponent("manifest.json"))
        try safetensors([("images.image", "F32", [1, 3, 2, 2], bytes([Float](repeating: 9, count: 12)))])
            .write(to: place.appendingPathComponent(Manifest.goldenInputs))
        try safetensors([("images.logits", "F32", [1, 2], bytes([3, 4]))])
            .write(to: place.appendingPathComponent(Manifest.goldenOutputs))
    }

    private func measuring(_ loader: FakeLoader) -> Measuring {
        Measuring(loader: loader, loop: BenchmarkLoop(clock: TickingClock(), probe: GrowingProbe()))
    }

    private func order(sha256: String) throws -> LaunchOrder {
        let told = [
            "--benchmark", "Documents/models/1.mlpackage", "--name", "other", "--variant", "float32",
            "--file",
            "model.mlpackage", "--sha256", sha256, "--size-bytes", "3", "--runs", "3", "--warmup", "1",
            "--compute-units", "cpuOnly", "--report", "Documents/reports/1.json",
        ]
        return try #require(try LaunchOrder.parse(told))
    }

    @Test func aFileOfNoArtifactHasNoVariant() throws {
        let told = [
            "--benchmark", "Documents/models/1.mlpackage", "--name", "other", "--variant", "", "--file",
            "model.mlpackage", "--sha256", "0", "--size-bytes", "3", "--runs", "3", "--warmup", "1",
            "--compute-units", "cpuOnly", "--report", "Documents/reports/1.json",
        ]
        #expect(try LaunchOrder.parse(told)?.model.variant == "")
    }

    @Test func aBundledFileIsMeasuredAndChecked() async throws {
        defer { try? FileManager.default.removeItem(at: folder) }
        let model = Catalog(folder: folder).models[0]
        let measuring = measuring(FakeLoader(output: "classLabel_probs", values: [3, 4.01]))
        let report = try await measuring.report(
            model.files[0], of: model, plan: BenchmarkPlan(runs: 2, warmup: 0), units: .all, setting: setting)
        #expect(report.model.sha256 == Models.digest && report.model.name == "net")
        #expect(report.verification?.passed == true)
        #expect(close(try #require(report.verification?.maxAbs), 0.01))
        #expect(report.verification?.argmaxAgreement == 1)
        #expect(report.errors == nil)
        #expect(try DeviceReport.read(report.written(), at: "again") == report)
    }

    @Test func aCheckThatCannotBeMadeIsSaid() async throws {
        defer { try? FileManager.default.removeItem(at: folder) }
        let place = folder.appendingPathComponent("net").appendingPathComponent("manifest.json")
        let text = Models.classifier.replacingOccurrences(
            of: #""inputs": "images""#, with: #""inputs": "noise""#)
        try Data(text.utf8).write(to: place)
        let model = Catalog(folder: folder).models[0]
        let measuring = measuring(FakeLoader(output: "classLabel_probs", values: [3, 4]))
        let report = try await measuring.report(
            model.files[0], of: model, plan: BenchmarkPlan(runs: 2, warmup: 0), units: .all, setting: setting)
        #expect(report.verification == nil)
        #expect(report.errors == ["model.mlpackage: the manifest has no bounds for its outputs"])
    }

    @Test func theDesksPackageRunsOnRandomPixels() async throws {
        defer { try? FileManager.default.removeItem(at: folder) }
        let order = try order(sha256: String(repeating: "c", count: 64))
        let report = try await measuring(FakeLoader(output: "y", values: [0, 0])).report(
            order, package: folder, catalog: Catalog(folder: folder), setting: setting)
        #expect(report.model.name == "other" && report.model.sizeBytes == 3)
        #expect(report.protocol.input == "random:seed=0")
        #expect(report.verification == nil && report.latency.preprocess == nil)
        #expect(try DeviceReport.read(report.written(), at: "again") == report)
    }

    @Test func theDesksPackageThatIsBundledHasAllStages() async throws {
        defer { try? FileManager.default.removeItem(at: folder) }
        let loader = FakeLoader(output: "classLabel_probs", values: [3, 4])
        let report = try await measuring(loader).report(
            order(sha256: Models.digest), package: folder, catalog: Catalog(folder: folder), setting: setting)
        #expect(report.model.name == "net" && report.runtime.requested == [.cpu])
        #expect(report.protocol.input == "bundled:golden.images")
        #expect(report.latency.endToEnd?.samplesNs?.count == 3)
    }
}
