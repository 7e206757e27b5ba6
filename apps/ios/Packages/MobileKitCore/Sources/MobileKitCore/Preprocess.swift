/// From a picture to a model's input: cut a box, resize it, bring the values into the input's form.
public enum Preprocess {
    /// Return the values of a box of a picture, resized by a triangle filter without rounding, 0–255.
    ///
    /// - Parameters:
    ///   - view: the picture.
    ///   - box: what is shown; nil for the largest centred one of the target's shape.
    ///   - planes: the input's; of three channels, or one for the brightness.
    /// - Throws: `Failure` where the box reaches beyond the picture, or for other channels.
    public static func values(of view: PixelView, box: Box?, planes: Planes) throws -> [Float] {
        let size = (view.width, view.height)
        let box = box ?? Box.centred(in: size, like: (planes.width, planes.height))
        guard box.lies(in: size) else {
            throw Failure("the box \(box) reaches beyond the picture, which has \(size.0) × \(size.1) pixels")
        }
        guard planes.channels == 3 || planes.channels == 1 else {
            throw Failure("expected an input of 3 channels or 1, found \(planes.channels)")
        }
        let across = Filter(from: box.width, to: planes.width)
        let down = Filter(from: box.height, to: planes.height)
        let rows = narrowed(view, box: box, filter: across)
        return stacked(rows, filter: down, planes: planes)
    }

    /// Return bytes, `floor(value + 0.5)`.
    public static func bytes(of values: [Float]) -> [UInt8] {
        values.map { UInt8(max(0, min(255, ($0 + 0.5).rounded(.down)))) }
    }

    /// Resize each row of a box: `[rows, columns, 3]`.
    private static func narrowed(_ view: PixelView, box: Box, filter: Filter) -> [Double] {
        let (red, green, blue) = view.order.places
        let step = view.order.bytes
        let columns = filter.count
        return [Double](unsafeUninitializedCapacity: 3 * box.height * columns) { out, count in
            for row in 0..<box.height {
                let start = view.start + (box.top + row) * view.bytesPerRow + box.left * step
                let bytes = start.assumingMemoryBound(to: UInt8.self)
                filter.each { column, first, weights in
                    var sum = SIMD3<Double>()
                    for (tap, weight) in weights.enumerated() {
                        let pixel = bytes + (first + tap) * step
                        sum += weight * SIMD3(Double(pixel[red]), Double(pixel[green]), Double(pixel[blue]))
                    }
                    let at = 3 * (row * columns + column)
                    (out[at], out[at + 1], out[at + 2]) = (sum.x, sum.y, sum.z)
                }
            }
            count = 3 * box.height * columns
        }
    }

    /// Resize each column of what has been narrowed, and lay it out as the input wants it.
    private static func stacked(_ rows: [Double], filter: Filter, planes: Planes) -> [Float] {
        let (channelStep, pixelStep) = planes.strides
        let columns = planes.width
        return [Float](unsafeUninitializedCapacity: planes.pixels * planes.channels) { out, count in
            rows.withUnsafeBufferPointer { values in
                filter.each { row, first, weights in
                    for column in 0..<columns {
                        var sum = SIMD3<Double>()
                        for (tap, weight) in weights.enumerated() {
                            let at = 3 * ((first + tap) * columns + column)
                            sum += weight * SIMD3(values[at], values[at + 1], values[at + 2])
                        }
                        let at = (row * columns + column) * pixelStep
                        if planes.channels == 1 {
                            out[at] = Float((sum * brightness).sum())
                        } else {
                            out[at] = Float(sum.x)
                            out[at + channelStep] = Float(sum.y)
                            out[at + 2 * channelStep] = Float(sum.z)
                        }
                    }
                }
            }
            count = planes.pixels * planes.channels
        }
    }

    /// Of ITU-R BT.601.
    private static let brightness = SIMD3(0.299, 0.587, 0.114)
}

/// A triangle filter with pixel centres at halves, as wide as the step where it shrinks, cut at the edges.
struct Filter {
    private let firsts: [Int]
    private let starts: [Int]
    private let weights: [Double]

    /// How many values it gives.
    var count: Int { firsts.count }

    init(from source: Int, to target: Int) {
        let step = Double(source) / Double(target)
        let reach = max(step, 1)
        var firsts: [Int] = []
        var starts = [0]
        var weights: [Double] = []
        for place in 0..<target {
            let centre = (Double(place) + 0.5) * step
            let least = max(0, Int((centre - reach - 0.5).rounded(.down)))
            let most = min(source - 1, Int((centre + reach).rounded(.up)))
            let all = (least...most).map { max(0, 1 - abs(Double($0) + 0.5 - centre) / reach) }
            let total = all.reduce(0, +)
            let skipped = all.prefix { $0 == 0 }.count
            let kept = all.dropFirst(skipped)
            firsts.append(least + skipped)
            weights += kept.map { $0 / total }
            starts.append(weights.count)
        }
        (self.firsts, self.starts, self.weights) = (firsts, starts, weights)
    }

    /// Give each value's place, the first place that it comes of, and the weights from there on.
    func each(_ take: (Int, Int, UnsafeBufferPointer<Double>) -> Void) {
        weights.withUnsafeBufferPointer { all in
            for place in firsts.indices {
                take(
                    place, firsts[place],
                    UnsafeBufferPointer(rebasing: all[starts[place]..<starts[place + 1]]))
            }
        }
    }
}
