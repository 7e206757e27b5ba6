/// What a benchmark runs a model on.
public protocol Workload: Sendable {
    /// As a report names it.
    var input: String { get }
    /// Whether preparing and finishing are stages worth timing.
    var hasStages: Bool { get }
    /// Make the inputs.
    func prepare() throws -> [String: Tensor]
    /// Make of the outputs what is shown.
    func finish(_ outputs: [String: Tensor]) throws
}

/// A picture that becomes the inputs anew in each run, and outputs that become what is shown.
public struct PictureWorkload: Workload {
    /// As a report names it.
    public let input: String
    /// All stages are timed.
    public let hasStages = true
    private let picture: Picture
    private let frames: FrameAdapter
    private let state: TemporalState

    /// Take a picture.
    ///
    /// - Throws: `Failure` where the colours do not fit the classes.
    public init(_ picture: Picture, name: String, contract: ModelContract) throws {
        input = "bundled:\(name)"
        self.picture = picture
        frames = try FrameAdapter(contract)
        state = TemporalState(contract)
    }

    /// Take the first golden input that is a picture of camera pixels.
    ///
    /// - Throws: `Failure` where there is none.
    public init(golden: GoldenVectors, contract: ModelContract) throws {
        let (name, picture) = try golden.picture(for: contract)
        try self.init(picture, name: "golden.\(name)", contract: contract)
    }

    /// Cut, resize, lay out.
    public func prepare() throws -> [String: Tensor] {
        try picture.withPixels { try frames.inputs(of: $0, box: nil, state: state) }
    }

    /// Colour the mask, or score.
    public func finish(_ outputs: [String: Tensor]) throws {
        _ = try frames.answer(outputs)
    }
}

/// Seeded random pixels, for a model of which nothing is known but its inputs.
public struct RandomWorkload: Workload {
    /// As a report names it.
    public let input: String
    /// The inputs are made once.
    public let hasStages = false
    private let inputs: [String: Tensor]

    /// Draw values 0–255 for floats, and zeros for whole numbers.
    public init(_ ends: [End], seed: UInt64 = 0) {
        input = "random:seed=\(seed)"
        var generator = SplitMix(state: seed)
        inputs = ends.reduce(into: [:]) { found, end in
            var tensor = Tensor(zeros: end.shape)
            if end.dtype.hasPrefix("float") || end.dtype == "uint8" {
                for place in tensor.values.indices {
                    tensor.values[place] = Float(generator.next() >> 56)
                }
            }
            found[end.name] = tensor
        }
    }

    /// Return the same inputs each time.
    public func prepare() -> [String: Tensor] { inputs }

    /// Leave the outputs alone.
    public func finish(_ outputs: [String: Tensor]) {}
}

/// Steele, Lea and Flood's generator, which gives the same numbers on every system.
struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}

extension GoldenVectors {
    /// Return the first input that is a picture of camera pixels, and the name of its set.
    ///
    /// - Throws: `Failure` where there is none.
    public func picture(for contract: ModelContract) throws -> (set: String, picture: Picture) {
        for sample in samples {
            if let tensor = sample.inputs[contract.image.name],
                let picture = Picture(tensor, layout: contract.image.layout)
            {
                return (sample.name, picture)
            }
        }
        throw Failure("\(contract.name): its golden vectors hold no picture")
    }
}

extension Picture {
    /// Read a tensor of values 0–255; nil where it is no picture of three channels.
    init?(_ tensor: Tensor, layout: Layout) {
        guard let planes = Planes(shape: tensor.shape, layout: layout), planes.channels == 3,
            tensor.values.allSatisfy({ (0...255).contains($0) })
        else { return nil }
        let (channelStep, pixelStep) = planes.strides
        var rgb = [UInt8](repeating: 0, count: 3 * planes.pixels)
        for pixel in 0..<planes.pixels {
            for channel in 0..<3 {
                let value = tensor.values[pixel * pixelStep + channel * channelStep]
                rgb[3 * pixel + channel] = UInt8((value + 0.5).rounded(.down).clamped(to: 0...255))
            }
        }
        try? self.init(width: planes.width, height: planes.height, rgb: rgb)
    }
}

extension Float {
    fileprivate func clamped(to range: ClosedRange<Float>) -> Float {
        Swift.min(Swift.max(self, range.lowerBound), range.upperBound)
    }
}
