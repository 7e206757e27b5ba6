@_exported import CoreVideo

public class VNRequest {
    init() {}
}
public class VNFaceObservation {
    public var boundingBox: CGRect { .zero }
}
public class VNDetectFaceRectanglesRequest: VNRequest {
    public override init() {}
    public var results: [VNFaceObservation]? { nil }
}
public struct VNImageOption: Hashable, Sendable {}
public class VNImageRequestHandler {
    public init(cvPixelBuffer: CVPixelBuffer, options: [VNImageOption: Any]) {}
    public func perform(_ requests: [VNRequest]) throws {}
}
