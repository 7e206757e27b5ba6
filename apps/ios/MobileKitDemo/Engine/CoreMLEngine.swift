@preconcurrency import CoreML
import CoreVideo
import MobileKitCore

/// Runs a Core ML model, and reads its outputs.
actor CoreMLEngine: InferenceEngine {
    private let model: MLModel
    private let labels: [String]
    private let compiled: CompiledHere?

    /// Take a model.
    ///
    /// - Parameters:
    ///   - model: that was loaded.
    ///   - labels: of the classes, for outputs that are a dictionary by class.
    ///   - compiled: what it was loaded of, where that was made for it.
    init(model: MLModel, labels: [String], compiled: CompiledHere?) {
        self.model = model
        self.labels = labels
        self.compiled = compiled
    }

    func predict(_ inputs: [String: Tensor]) async throws -> [String: Tensor] {
        let known = model.modelDescription.inputDescriptionsByName
        let values = try inputs.map { name, tensor in
            guard let description = known[name] else { throw Failure("the model has no input \(name)") }
            return (name, try FeatureCoding.value(of: tensor, for: description))
        }
        let features = try MLDictionaryFeatureProvider(dictionary: Dictionary(uniqueKeysWithValues: values))
        let answer = try await model.prediction(from: features)
        var outputs: [String: Tensor] = [:]
        for name in answer.featureNames {
            outputs[name] = try answer.featureValue(for: name).flatMap {
                try FeatureCoding.tensor(of: $0, labels: labels)
            }
        }
        return outputs
    }
}

/// Between tensors and Core ML's values.
enum FeatureCoding {
    static func value(of tensor: Tensor, for description: MLFeatureDescription) throws -> MLFeatureValue {
        if description.type == .image {
            return MLFeatureValue(pixelBuffer: try pixels(of: tensor))
        }
        let shape = tensor.shape
        switch description.multiArrayConstraint?.dataType {
        case .float32:
            return MLFeatureValue(shapedArray: MLShapedArray<Float>(scalars: tensor.values, shape: shape))
        case .float16:
            let halves = tensor.values.map { Float16($0) }
            return MLFeatureValue(shapedArray: MLShapedArray<Float16>(scalars: halves, shape: shape))
        case .int32:
            let numbers = tensor.values.map { Int32($0) }
            return MLFeatureValue(shapedArray: MLShapedArray<Int32>(scalars: numbers, shape: shape))
        case .double:
            let doubles = tensor.values.map { Double($0) }
            return MLFeatureValue(shapedArray: MLShapedArray<Double>(scalars: doubles, shape: shape))
        default:
            throw Failure("\(description.name): an input of a type that this app does not know")
        }
    }

    /// Return an output as floats; nil for the name of a class, which its scores say too.
    static func tensor(of value: MLFeatureValue, labels: [String]) throws -> Tensor? {
        if let array = value.multiArrayValue {
            let floats = MLShapedArray<Float>(converting: array)
            return try Tensor(shape: floats.shape, values: floats.scalars)
        }
        guard value.type == .dictionary else { return nil }
        let scores = labels.map { value.dictionaryValue[$0]?.floatValue ?? .nan }
        return try Tensor(shape: [1, scores.count], values: scores)
    }

    private static func pixels(of tensor: Tensor) throws -> CVPixelBuffer {
        guard let picture = Picture(tensor) else {
            throw Failure("expected a picture of values from 0 to 255")
        }
        var made: CVPixelBuffer?
        let result = CVPixelBufferCreate(
            nil, picture.width, picture.height, kCVPixelFormatType_32BGRA, nil, &made)
        guard result == kCVReturnSuccess, let buffer = made,
            CVPixelBufferLockBaseAddress(buffer, []) == kCVReturnSuccess
        else { throw Failure("no memory for a picture") }
        defer { _ = CVPixelBufferUnlockBaseAddress(buffer, []) }
        guard let start = CVPixelBufferGetBaseAddress(buffer) else {
            throw Failure("no memory for a picture")
        }
        let bytesPerRow = CVPixelBufferGetBytesPerRow(buffer)
        for row in 0..<picture.height {
            for column in 0..<picture.width {
                let from = 3 * (row * picture.width + column)
                let to = row * bytesPerRow + 4 * column
                for (place, channel) in [2, 1, 0].enumerated() {
                    start.storeBytes(
                        of: picture.rgb[from + channel], toByteOffset: to + place, as: UInt8.self)
                }
                start.storeBytes(of: 255, toByteOffset: to + 3, as: UInt8.self)
            }
        }
        return buffer
    }
}
