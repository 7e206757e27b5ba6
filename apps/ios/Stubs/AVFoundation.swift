@_exported import CoreMedia
@_exported import Dispatch

public struct AVMediaType: Hashable, Sendable { public static let video = AVMediaType() }
public class AVCaptureDevice {
    public struct DeviceType: Sendable { public static let builtInWideAngleCamera = DeviceType() }
    public enum Position: Int, Sendable { case unspecified, back, front }
    public class func requestAccess(for type: AVMediaType) async -> Bool { false }
    public class func `default`(_ type: DeviceType, for media: AVMediaType?, position: Position) -> AVCaptureDevice? { nil }
}
public class AVCaptureInput {}
public class AVCaptureDeviceInput: AVCaptureInput {
    public init(device: AVCaptureDevice) throws {}
}
public class AVCaptureConnection {
    public func isVideoRotationAngleSupported(_ angle: CGFloat) -> Bool { false }
    public var videoRotationAngle: CGFloat = 0
    public var isVideoMirroringSupported: Bool { false }
    public var automaticallyAdjustsVideoMirroring = true
    public var isVideoMirrored = false
}
public class AVCaptureOutput {
    init() {}
    public func connection(with media: AVMediaType) -> AVCaptureConnection? { nil }
}
public protocol AVCaptureVideoDataOutputSampleBufferDelegate: NSObjectProtocol {
    func captureOutput(
        _ output: AVCaptureOutput, didOutput sampleBuffer: CMSampleBuffer, from connection: AVCaptureConnection)
}
public class AVCaptureVideoDataOutput: AVCaptureOutput {
    public override init() {}
    public var videoSettings: [String: Any]?
    public var alwaysDiscardsLateVideoFrames = true
    public func setSampleBufferDelegate(
        _ delegate: (any AVCaptureVideoDataOutputSampleBufferDelegate)?, queue: DispatchQueue?) {}
}
public class AVCaptureSession {
    public struct Preset: Sendable { public static let vga640x480 = Preset() }
    public init() {}
    public var sessionPreset = Preset()
    public var outputs: [AVCaptureOutput] { [] }
    public func beginConfiguration() {}
    public func commitConfiguration() {}
    public func canAddInput(_ input: AVCaptureInput) -> Bool { false }
    public func addInput(_ input: AVCaptureInput) {}
    public func canAddOutput(_ output: AVCaptureOutput) -> Bool { false }
    public func addOutput(_ output: AVCaptureOutput) {}
    public func startRunning() {}
    public func stopRunning() {}
}
