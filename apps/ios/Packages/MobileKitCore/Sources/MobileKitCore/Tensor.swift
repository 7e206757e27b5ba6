/// Order of an image's axes; `plain` means that no axis is a channel axis.
public enum Layout: String, Codable, Sendable {
    case nchw = "NCHW"
    case nhwc = "NHWC"
    case plain
}

/// Floats in a shape; the last axis lies closest.
public struct Tensor: Equatable, Sendable {
    /// Lengths of the axes.
    public let shape: [Int]
    /// As many as the shape holds.
    public var values: [Float]

    /// Take values in a shape.
    ///
    /// - Throws: `Failure` where the shape holds another number.
    public init(shape: [Int], values: [Float]) throws {
        let count = shape.reduce(1, *)
        guard values.count == count else {
            throw Failure("expected \(count) values for the shape \(shape), found \(values.count)")
        }
        self.shape = shape
        self.values = values
    }

    /// Make one of zeros.
    public init(zeros shape: [Int]) {
        self.shape = shape
        values = [Float](repeating: 0, count: shape.reduce(1, *))
    }
}

/// Channels, height and width of one image.
public struct Planes: Equatable, Sendable {
    /// How many.
    public let channels: Int
    /// In pixels.
    public let height: Int
    /// In pixels.
    public let width: Int
    /// Order of the axes.
    public let layout: Layout

    /// Read a shape `[1, …]` of an image; nil where it is none.
    public init?(shape: [Int], layout: Layout) {
        guard shape.count == 4, shape[0] == 1, shape.allSatisfy({ $0 > 0 }), layout != .plain else {
            return nil
        }
        self.layout = layout
        (channels, height, width) =
            layout == .nchw ? (shape[1], shape[2], shape[3]) : (shape[3], shape[1], shape[2])
    }

    /// How many pixels.
    public var pixels: Int { height * width }

    /// How far two values of one pixel lie apart, and the same value of two pixels.
    var strides: (channel: Int, pixel: Int) {
        layout == .nchw ? (pixels, 1) : (1, channels)
    }
}
