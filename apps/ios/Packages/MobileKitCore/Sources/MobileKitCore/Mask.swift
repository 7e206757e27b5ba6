/// The class of each pixel.
public enum Mask {
    /// Most classes that a byte can name.
    public static let mostClasses = 256

    /// Return the class with the largest value at each pixel; of equal ones the first.
    ///
    /// - Parameters:
    ///   - logits: of a shape that `planes` describes.
    ///   - planes: their channels are the classes.
    /// - Throws: `Failure` for another number of values, or more classes than a byte can name.
    public static func classes(of logits: [Float], planes: Planes) throws -> [UInt8] {
        guard logits.count == planes.pixels * planes.channels, planes.channels <= mostClasses else {
            throw Failure(
                "expected \(planes.pixels) × at most \(mostClasses) values for a mask, found \(logits.count)")
        }
        return [UInt8](unsafeUninitializedCapacity: planes.pixels) { out, count in
            logits.withUnsafeBufferPointer { values in
                guard let from = values.baseAddress, let to = out.baseAddress else { return }
                if planes.layout == .nchw {
                    planar(from, into: to, pixels: planes.pixels, classes: planes.channels)
                } else {
                    interleaved(from, into: to, pixels: planes.pixels, classes: planes.channels)
                }
            }
            count = planes.pixels
        }
    }

    /// Sixteen pixels at once, class by class: each plane is read in its order.
    private static func planar(
        _ from: UnsafePointer<Float>, into to: UnsafeMutablePointer<UInt8>, pixels: Int, classes: Int
    ) {
        typealias Floats = SIMD16<Float>
        let wide = pixels - pixels % Floats.scalarCount
        let raw = UnsafeRawPointer(from)
        for pixel in stride(from: 0, to: wide, by: Floats.scalarCount) {
            var best = raw.loadUnaligned(fromByteOffset: 4 * pixel, as: Floats.self)
            var found = SIMD16<Int32>()
            for number in 1..<max(classes, 1) {
                let at = 4 * (number * pixels + pixel)
                let values = raw.loadUnaligned(fromByteOffset: at, as: Floats.self)
                let larger = values .> best
                best.replace(with: values, where: larger)
                found.replace(with: Int32(truncatingIfNeeded: number), where: larger)
            }
            let bytes = SIMD16<UInt8>(truncatingIfNeeded: found)
            UnsafeMutableRawPointer(to).storeBytes(of: bytes, toByteOffset: pixel, as: SIMD16<UInt8>.self)
        }
        for pixel in wide..<pixels {
            to[pixel] = largest(from + pixel, step: pixels, classes: classes)
        }
    }

    private static func interleaved(
        _ from: UnsafePointer<Float>, into to: UnsafeMutablePointer<UInt8>, pixels: Int, classes: Int
    ) {
        for pixel in 0..<pixels {
            to[pixel] = largest(from + pixel * classes, step: 1, classes: classes)
        }
    }

    private static func largest(_ from: UnsafePointer<Float>, step: Int, classes: Int) -> UInt8 {
        var best = from[0]
        var found = 0
        for number in 1..<max(classes, 1) where from[number * step] > best {
            best = from[number * step]
            found = number
        }
        return UInt8(truncatingIfNeeded: found)
    }
}
