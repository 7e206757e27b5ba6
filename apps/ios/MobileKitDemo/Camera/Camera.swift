import AVFoundation
import MobileKitCore

/// The front camera: upright, mirrored frames, of which only the newest waits.
///
/// All that changes is touched on `queue` alone.
final class Camera: NSObject, AVCaptureVideoDataOutputSampleBufferDelegate, @unchecked Sendable {
    private let session = AVCaptureSession()
    private let queue = DispatchQueue(label: "org.mobilekit.demo.camera")
    private var continuation: AsyncStream<CameraFrame>.Continuation?
    private var reader = 0

    /// Start the camera; it stops when nobody reads the frames any more.
    ///
    /// - Throws: `Failure` where there is no camera, or it may not be used.
    func frames() async throws -> AsyncStream<CameraFrame> {
        guard await AVCaptureDevice.requestAccess(for: .video) else {
            throw Failure("The camera may not be used: allow it in Settings, MobileKit.")
        }
        let (stream, continuation) = AsyncStream.makeStream(
            of: CameraFrame.self, bufferingPolicy: .bufferingNewest(1))
        try await withCheckedThrowingContinuation { (done: CheckedContinuation<Void, any Error>) in
            queue.async { [self] in
                done.resume(with: Result { try start(giving: continuation) })
            }
        }
        return stream
    }

    private func start(giving continuation: AsyncStream<CameraFrame>.Continuation) throws {
        if session.outputs.isEmpty {
            try configure()
        }
        reader += 1
        let own = reader
        continuation.onTermination = { [weak self] _ in self?.stop(for: own) }
        self.continuation?.finish()
        self.continuation = continuation
        session.startRunning()
    }

    /// Stop, unless somebody else reads by now.
    private func stop(for former: Int) {
        queue.async { [self] in
            guard former == reader else { return }
            session.stopRunning()
        }
    }

    private func configure() throws {
        guard let device = AVCaptureDevice.default(.builtInWideAngleCamera, for: .video, position: .front)
        else {
            throw Failure("This device has no front camera.")
        }
        let input = try AVCaptureDeviceInput(device: device)
        let output = AVCaptureVideoDataOutput()
        output.videoSettings = [kCVPixelBufferPixelFormatTypeKey as String: kCVPixelFormatType_32BGRA]
        output.alwaysDiscardsLateVideoFrames = true
        output.setSampleBufferDelegate(self, queue: queue)
        session.beginConfiguration()
        defer { session.commitConfiguration() }
        session.sessionPreset = .vga640x480
        guard session.canAddInput(input), session.canAddOutput(output) else {
            throw Failure("The front camera cannot be used now.")
        }
        session.addInput(input)
        session.addOutput(output)
        guard let connection = output.connection(with: .video) else { return }
        if connection.isVideoRotationAngleSupported(90) {
            connection.videoRotationAngle = 90
        }
        if connection.isVideoMirroringSupported {
            connection.automaticallyAdjustsVideoMirroring = false
            connection.isVideoMirrored = true
        }
    }

    func captureOutput(
        _ output: AVCaptureOutput, didOutput sampleBuffer: CMSampleBuffer,
        from connection: AVCaptureConnection
    ) {
        guard let buffer = CMSampleBufferGetImageBuffer(sampleBuffer) else { return }
        continuation?.yield(CameraFrame(buffer: buffer))
    }
}
