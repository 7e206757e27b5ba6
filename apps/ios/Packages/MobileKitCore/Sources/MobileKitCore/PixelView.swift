/// A part of a picture, in whole pixels.
public struct Box: Codable, Equatable, Sendable {
    /// First column.
    public var left: Int
    /// First row.
    public var top: Int
    /// How many columns.
    public var width: Int
    /// How many rows.
    public var height: Int

    /// Take its parts.
    public init(left: Int, top: Int, width: Int, height: Int) {
        self.left = left
        self.top = top
        self.width = width
        self.height = height
    }

    /// Return the largest centred box of a target's shape, rounded to whole pixels, half up.
    public static func centred(in size: (width: Int, height: Int), like target: (width: Int, height: Int))
        -> Box
    {
        let scale = min(
            Double(size.width) / Double(target.width), Double(size.height) / Double(target.height))
        let width = Int((Double(target.width) * scale + 0.5).rounded(.down))
        let height = Int((Double(target.height) * scale + 0.5).rounded(.down))
        return Box(
            left: (size.width - width) / 2, top: (size.height - height) / 2, width: width, height: height)
    }

    /// Return a box of a target's shape around this one, within a picture as far as that goes.
    ///
    /// - Parameters:
    ///   - margin: how much larger it is, 0.3 for 30 %.
    ///   - size: of the picture.
    ///   - target: whose shape it has.
    public func widened(
        by margin: Double, in size: (width: Int, height: Int), like target: (width: Int, height: Int)
    ) -> Box {
        let largest = Box.centred(in: size, like: target)
        let across = Double(width) / Double(target.width)
        let down = Double(height) / Double(target.height)
        let unit = max(across, down) * (1 + margin)
        let wide = min(max(Int((Double(target.width) * unit).rounded()), 1), largest.width)
        let high = min(max(Int((Double(target.height) * unit).rounded()), 1), largest.height)
        return Box(
            left: min(max(left + (width - wide) / 2, 0), size.width - wide),
            top: min(max(top + (height - high) / 2, 0), size.height - high), width: wide, height: high)
    }

    /// Read a box in shares of a picture that are counted from below, as Vision gives them; nil outside of it.
    ///
    /// - Parameters:
    ///   - share: left, bottom, width and height, 0–1.
    ///   - size: of the picture.
    public init?(
        bottomUp share: (left: Double, bottom: Double, width: Double, height: Double),
        in size: (width: Int, height: Int)
    ) {
        let across = Double(size.width)
        let down = Double(size.height)
        let left = max(share.left, 0) * across
        let top = max(1 - share.bottom - share.height, 0) * down
        let right = min(share.left + share.width, 1) * across
        let bottom = min(1 - share.bottom, 1) * down
        self.init(
            left: Int(left.rounded()), top: Int(top.rounded()),
            width: Int(right.rounded()) - Int(left.rounded()),
            height: Int(bottom.rounded()) - Int(top.rounded()))
        guard lies(in: size) else { return nil }
    }

    /// A box without pixels.
    static let nothing = Box(left: 0, top: 0, width: 0, height: 0)

    /// How many pixels it has.
    public var area: Int { width * height }

    /// Return the share of two boxes' pixels that both have, 0–1.
    func overlap(with other: Box) -> Double {
        let across = min(left + width, other.left + other.width) - max(left, other.left)
        let down = min(top + height, other.top + other.height) - max(top, other.top)
        let both = max(across, 0) * max(down, 0)
        return Double(both) / Double(max(area + other.area - both, 1))
    }

    /// Say whether it has pixels, and all of them lie in a picture.
    func lies(in size: (width: Int, height: Int)) -> Bool {
        left >= 0 && top >= 0 && width > 0 && height > 0 && left + width <= size.width
            && top + height <= size.height
    }
}

/// Pixels somewhere in memory.
public struct PixelView {
    /// Order of a pixel's bytes.
    public enum Order: Sendable {
        case rgb, rgba, bgra

        var bytes: Int { self == .rgb ? 3 : 4 }
        var places: (red: Int, green: Int, blue: Int) { self == .bgra ? (2, 1, 0) : (0, 1, 2) }
    }

    let start: UnsafeRawPointer
    let order: Order
    let bytesPerRow: Int
    /// Columns.
    public let width: Int
    /// Rows.
    public let height: Int

    /// Look at pixels, which must outlive this.
    public init(start: UnsafeRawPointer, width: Int, height: Int, bytesPerRow: Int, order: Order) {
        self.start = start
        self.order = order
        self.bytesPerRow = bytesPerRow
        self.width = width
        self.height = height
    }
}

/// Whatever has pixels that can be looked at for a while: a frame of the camera, a picture.
public protocol PixelSource: Sendable {
    /// Lend the pixels.
    func withPixels<Result>(_ look: (PixelView) throws -> Result) throws -> Result
}

/// A picture of its own.
public struct Picture: PixelSource, Equatable {
    /// Columns.
    public let width: Int
    /// Rows.
    public let height: Int
    /// Red, green and blue of each pixel.
    public let rgb: [UInt8]

    /// Take pixels.
    ///
    /// - Throws: `Failure` for another number of bytes.
    public init(width: Int, height: Int, rgb: [UInt8]) throws {
        guard width > 0, height > 0, rgb.count == 3 * width * height else {
            throw Failure("expected \(width) × \(height) × 3 bytes for a picture, found \(rgb.count)")
        }
        self.width = width
        self.height = height
        self.rgb = rgb
    }

    /// Read a picture of the camera's range, whichever way its channels lie; nil where it is none.
    public init?(_ tensor: Tensor) {
        self.init(tensor, layout: tensor.shape.count == 4 && tensor.shape[1] == 3 ? .nchw : .nhwc)
    }

    /// The same pixels, as what can be shown.
    public var opaque: FrameAdapter.Overlay {
        var rgba = [UInt8](repeating: 255, count: 4 * width * height)
        for pixel in 0..<width * height {
            for channel in 0..<3 {
                rgba[4 * pixel + channel] = rgb[3 * pixel + channel]
            }
        }
        return FrameAdapter.Overlay(width: width, height: height, rgba: rgba)
    }

    /// Lend the pixels.
    public func withPixels<Result>(_ look: (PixelView) throws -> Result) throws -> Result {
        try rgb.withUnsafeBytes { bytes in
            guard let start = bytes.baseAddress else { throw Failure("a picture without pixels") }
            return try look(
                PixelView(start: start, width: width, height: height, bytesPerRow: 3 * width, order: .rgb))
        }
    }
}
