@preconcurrency import CoreML
import MobileKitCore

/// Loads Core ML models; packages are compiled first, on the device.
struct CoreMLLoader: ModelLoading {
    func load(_ location: URL, labels: [String], units: ComputeUnits) async throws -> LoadedModel {
        let clock = SteadyClock()
        let isPackage = location.pathExtension == "mlpackage"
        let compiling = clock.now()
        let compiled = isPackage ? try await MLModel.compileModel(at: location) : location
        let compileNs = isPackage ? clock.now() - compiling : nil
        let made = isPackage ? CompiledHere(place: compiled) : nil
        let configuration = MLModelConfiguration()
        configuration.computeUnits = units.coreML
        let loading = clock.now()
        let model = try await MLModel.load(contentsOf: compiled, configuration: configuration)
        let loadNs = clock.now() - loading
        let description = model.modelDescription
        return LoadedModel(
            engine: CoreMLEngine(model: model, labels: labels, compiled: made), loadNs: loadNs,
            compileNs: compileNs, inputs: ends(description.inputDescriptionsByName),
            outputs: ends(description.outputDescriptionsByName),
            operators: await operators(of: compiled, configuration: configuration))
    }

    private func operators(of compiled: URL, configuration: MLModelConfiguration) async -> [Operator] {
        guard #available(iOS 17.4, *) else { return [] }
        return (try? await ComputePlan.operators(of: compiled, configuration: configuration)) ?? []
    }

    private func ends(_ descriptions: [String: MLFeatureDescription]) -> [End] {
        descriptions.sorted { $0.key < $1.key }.map { name, description in
            let constraint = description.multiArrayConstraint
            let image = description.imageConstraint
            let shape =
                constraint?.shape.map(\.intValue) ?? image.map { [1, $0.pixelsHigh, $0.pixelsWide, 3] } ?? []
            return End(name: name, shape: shape, dtype: Self.word(description))
        }
    }

    private static func word(_ description: MLFeatureDescription) -> String {
        switch (description.type, description.multiArrayConstraint?.dataType) {
        case (.image, _): "uint8"
        case (.dictionary, _): "dictionary"
        case (.string, _): "string"
        case (_, .float16): "float16"
        case (_, .float32): "float32"
        case (_, .double): "float64"
        case (_, .int32): "int32"
        default: "unknown"
        }
    }
}

/// A model that was compiled on the device; it is removed with the last engine that runs it, for Core ML may
/// read of it until then.
final class CompiledHere: Sendable {
    private let place: URL

    init(place: URL) {
        self.place = place
    }

    deinit {
        try? FileManager.default.removeItem(at: place)
    }
}

extension ComputeUnits {
    /// Core ML's own value.
    var coreML: MLComputeUnits {
        switch self {
        case .cpuOnly: .cpuOnly
        case .cpuAndGPU: .cpuAndGPU
        case .cpuAndNeuralEngine: .cpuAndNeuralEngine
        case .all: .all
        }
    }
}
