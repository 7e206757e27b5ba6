import CoreGraphics
import CoreVideo
import MobileKitCore

/// Pixels that can be shown.
protocol Showable: PixelSource {
    var size: (width: Int, height: Int) { get }
    func image() -> CGImage?
}

/// One frame of the camera. Nobody writes to its pixels once the camera has given it away.
struct CameraFrame: Showable, @unchecked Sendable {
    let buffer: CVPixelBuffer

    var size: (width: Int, height: Int) {
        (CVPixelBufferGetWidth(buffer), CVPixelBufferGetHeight(buffer))
    }

    func withPixels<Result>(_ look: (PixelView) throws -> Result) throws -> Result {
        guard CVPixelBufferLockBaseAddress(buffer, .readOnly) == kCVReturnSuccess else {
            throw Failure("a frame of the camera cannot be read")
        }
        defer { _ = CVPixelBufferUnlockBaseAddress(buffer, .readOnly) }
        guard let start = CVPixelBufferGetBaseAddress(buffer) else {
            throw Failure("a frame of the camera has no pixels")
        }
        return try look(
            PixelView(
                start: start, width: size.width, height: size.height,
                bytesPerRow: CVPixelBufferGetBytesPerRow(buffer), order: .bgra))
    }

    /// Copy the pixels into a picture that can be shown.
    func image() -> CGImage? {
        guard CVPixelBufferLockBaseAddress(buffer, .readOnly) == kCVReturnSuccess else { return nil }
        defer { _ = CVPixelBufferUnlockBaseAddress(buffer, .readOnly) }
        let order = CGBitmapInfo.byteOrder32Little.rawValue | CGImageAlphaInfo.noneSkipFirst.rawValue
        return CGContext(
            data: CVPixelBufferGetBaseAddress(buffer), width: size.width, height: size.height,
            bitsPerComponent: 8, bytesPerRow: CVPixelBufferGetBytesPerRow(buffer),
            space: CGColorSpaceCreateDeviceRGB(), bitmapInfo: order
        )?.makeImage()
    }
}

extension Picture: Showable {
    var size: (width: Int, height: Int) { (width, height) }

    func image() -> CGImage? { opaque.image() }
}

extension FrameAdapter.Overlay {
    /// Make a picture of straight RGBA.
    func image() -> CGImage? {
        guard let data = CFDataCreate(nil, rgba, rgba.count), let provider = CGDataProvider(data: data) else {
            return nil
        }
        return CGImage(
            width: width, height: height, bitsPerComponent: 8, bitsPerPixel: 32, bytesPerRow: 4 * width,
            space: CGColorSpaceCreateDeviceRGB(),
            bitmapInfo: CGBitmapInfo(rawValue: CGImageAlphaInfo.last.rawValue), provider: provider,
            decode: nil, shouldInterpolate: true, intent: .defaultIntent)
    }
}
