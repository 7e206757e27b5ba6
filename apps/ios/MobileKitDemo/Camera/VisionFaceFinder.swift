import MobileKitCore
import Vision

/// Finds faces with Vision; whatever else does can take its place.
struct VisionFaceFinder: FaceFinding {
    func faces(in source: CameraFrame) async throws -> [Box] {
        let request = VNDetectFaceRectanglesRequest()
        try VNImageRequestHandler(cvPixelBuffer: source.buffer, options: [:]).perform([request])
        let size = source.size
        let boxes = (request.results ?? []).compactMap { face in
            let share = face.boundingBox
            return Box(
                bottomUp: (
                    Double(share.origin.x), Double(share.origin.y), Double(share.size.width),
                    Double(share.size.height)
                ), in: size)
        }
        return boxes.sorted { $0.area > $1.area }
    }
}
