@_exported import CoreVideo

public enum MLComputeUnits: Int, Sendable { case cpuOnly, cpuAndGPU, all, cpuAndNeuralEngine }
public class MLModelConfiguration {
    public init() {}
    public var computeUnits = MLComputeUnits.all
}
public class MLModel {
    public class func compileModel(at url: URL) async throws -> URL { url }
    public class func load(contentsOf url: URL, configuration: MLModelConfiguration) async throws -> MLModel { MLModel() }
    public var modelDescription: MLModelDescription { MLModelDescription() }
    public func prediction(from input: any MLFeatureProvider) throws -> any MLFeatureProvider { input }
    public func prediction(from input: any MLFeatureProvider) async throws -> any MLFeatureProvider { input }
}
public class MLModelDescription {
    public var inputDescriptionsByName: [String: MLFeatureDescription] { [:] }
    public var outputDescriptionsByName: [String: MLFeatureDescription] { [:] }
}
public enum MLFeatureType: Int, Sendable { case invalid, int64, double, string, image, multiArray, dictionary, sequence }
public class MLFeatureDescription {
    public var name: String { "" }
    public var type: MLFeatureType { .invalid }
    public var multiArrayConstraint: MLMultiArrayConstraint? { nil }
    public var imageConstraint: MLImageConstraint? { nil }
}
public enum MLMultiArrayDataType: Int, Sendable { case double, float32, float16, int32 }
public class MLMultiArrayConstraint {
    public var shape: [NSNumber] { [] }
    public var dataType: MLMultiArrayDataType { .float32 }
}
public class MLImageConstraint {
    public var pixelsHigh: Int { 0 }
    public var pixelsWide: Int { 0 }
}
public class MLMultiArray {}
public protocol MLShapedArrayScalar {}
extension Float: MLShapedArrayScalar {}
extension Double: MLShapedArrayScalar {}
extension Int32: MLShapedArrayScalar {}
extension Float16: MLShapedArrayScalar {}
public struct MLShapedArray<Scalar: MLShapedArrayScalar> {
    public init<S: Sequence>(scalars: S, shape: [Int]) where S.Element == Scalar { self.shape = shape }
    public init(converting array: MLMultiArray) { shape = [] }
    public let shape: [Int]
    public var scalars: [Scalar] { [] }
}
public class MLFeatureValue {
    public init(pixelBuffer: CVPixelBuffer) {}
    public init<Scalar: MLShapedArrayScalar>(shapedArray: MLShapedArray<Scalar>) {}
    public var type: MLFeatureType { .invalid }
    public var multiArrayValue: MLMultiArray? { nil }
    public var dictionaryValue: [AnyHashable: NSNumber] { [:] }
}
public protocol MLFeatureProvider {
    var featureNames: Set<String> { get }
    func featureValue(for name: String) -> MLFeatureValue?
}
public class MLDictionaryFeatureProvider: MLFeatureProvider {
    public init(dictionary: [String: Any]) throws {}
    public var featureNames: Set<String> { [] }
    public func featureValue(for name: String) -> MLFeatureValue? { nil }
}
public class MLCPUComputeDevice {}
public class MLGPUComputeDevice {}
public class MLNeuralEngineComputeDevice {}
public enum MLComputeDevice {
    case cpu(MLCPUComputeDevice)
    case gpu(MLGPUComputeDevice)
    case neuralEngine(MLNeuralEngineComputeDevice)
}
public enum MLModelStructure {
    case program(Program)
    case unsupported
    public struct Program {
        public var functions: [String: Function]
        public struct Function { public var block: Block }
        public struct Block { public var operations: [Operation] }
        public struct NamedValueType { public var name: String }
        public struct Operation {
            public var operatorName: String
            public var outputs: [NamedValueType]
            public var blocks: [Block]
        }
    }
}
public class MLComputePlan {
    public struct DeviceUsage { public var preferred: MLComputeDevice }
    public struct Cost { public var weight: Double }
    public class func load(contentsOf url: URL, configuration: MLModelConfiguration) async throws -> MLComputePlan {
        MLComputePlan()
    }
    public var modelStructure: MLModelStructure { .unsupported }
    public func deviceUsage(for operation: MLModelStructure.Program.Operation) -> DeviceUsage? { nil }
    public func estimatedCost(of operation: MLModelStructure.Program.Operation) -> Cost? { nil }
}
