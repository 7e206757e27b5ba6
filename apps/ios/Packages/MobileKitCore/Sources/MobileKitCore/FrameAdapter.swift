/// From a frame to a model's inputs, and from its outputs to what is shown.
public struct FrameAdapter: Sendable {
    /// What is shown of a frame.
    public struct Answer: Equatable, Sendable {
        /// Picture to lay over the box, straight RGBA: a mask, or where the network looks.
        public var overlay: Overlay?
        /// How likely the face is forged, 0–1.
        public var forgery: Double?
        /// The most likely class.
        public var label: String?
    }

    /// Straight RGBA.
    public struct Overlay: Equatable, Sendable {
        /// Columns.
        public let width: Int
        /// Rows.
        public let height: Int
        /// Four bytes a pixel.
        public let rgba: [UInt8]
    }

    /// A class, and its colour in a mask.
    public struct LegendEntry: Equatable, Identifiable, Sendable {
        /// Place of the class.
        public let id: Int
        /// Its name.
        public let name: String
        /// 0–255.
        public let red: UInt8
        /// 0–255.
        public let green: UInt8
        /// 0–255.
        public let blue: UInt8
    }

    /// What the model wants and gives.
    public let contract: ModelContract
    private let colours: ColourMap?

    /// Take a model's contract.
    ///
    /// - Throws: `Failure` where its colours are none.
    public init(_ contract: ModelContract) throws {
        self.contract = contract
        if case .segmentation(_, let planes) = contract.task {
            colours = try ColourMap(colours: contract.colours, classes: planes.channels)
        } else {
            colours = nil
        }
    }

    /// The classes that have a colour, in their order; nothing for a model that gives no mask.
    public var legend: [LegendEntry] {
        guard case .segmentation(_, let planes) = contract.task, let colours else { return [] }
        return contract.names(count: planes.channels).enumerated().dropFirst().map { number, name in
            let (red, green, blue) = colours.components(of: number)
            return LegendEntry(id: number, name: name, red: red, green: green, blue: blue)
        }
    }

    /// Return the inputs for a box of a picture.
    ///
    /// - Parameters:
    ///   - view: the picture.
    ///   - box: what is shown; nil for the largest centred one of the input's shape.
    ///   - state: what is known of the frame before.
    /// - Throws: `Failure` where the box reaches beyond the picture.
    public func inputs(of view: PixelView, box: Box?, state: TemporalState) throws -> [String: Tensor] {
        let planes = contract.planes
        var values = try Preprocess.values(of: view, box: box, planes: planes)
        if contract.image.dtype == "uint8" {
            values = Preprocess.bytes(of: values).map(Float.init)
        }
        var inputs = state.inputs
        inputs[contract.image.name] = try Tensor(
            shape: contract.image.shape, values: contract.pixels.applied(to: values, planes: planes))
        return inputs
    }

    /// Return what is shown of outputs.
    ///
    /// - Throws: `Failure` where an output is missing or of another shape.
    public func answer(_ outputs: [String: Tensor]) throws -> Answer {
        switch contract.task {
        case .segmentation(let name, let planes):
            let mask = try Mask.classes(of: values(name, in: outputs), planes: planes)
            let rgba = try colours?.rgba(of: mask) ?? []
            return Answer(overlay: Overlay(width: planes.width, height: planes.height, rgba: rgba))
        case .forgery(let name, let fake):
            let score = try Forgery.probability(of: fake, logits: values(name, in: outputs))
            return try Answer(overlay: heat(in: outputs), forgery: score)
        case .classification(let name):
            let scores = try values(name, in: outputs)
            guard let most = scores.max(), let place = scores.firstIndex(of: most) else { return Answer() }
            return try Answer(overlay: heat(in: outputs), label: contract.names(count: scores.count)[place])
        }
    }

    private func heat(in outputs: [String: Tensor]) throws -> Overlay? {
        guard let (name, planes) = contract.heat else { return nil }
        let rgba = try HeatMap.rgba(of: values(name, in: outputs))
        return Overlay(width: planes.width, height: planes.height, rgba: rgba)
    }

    private func values(_ name: String, in outputs: [String: Tensor]) throws -> [Float] {
        guard let found = outputs[name] else { throw Failure("\(contract.name): gave no \(name)") }
        return found.values
    }
}
