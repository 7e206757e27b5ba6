import Foundation

/// What a network for videos is told of the frame before.
public struct TemporalState: Equatable, Sendable {
    private let specs: [TensorSpec]
    private let links: [String: String]
    private let name: String
    /// The inputs beside the picture; zeros before the first frame.
    public private(set) var inputs: [String: Tensor]

    /// Begin with zeros.
    public init(_ contract: ModelContract) {
        specs = contract.others
        links = contract.state
        name = contract.name
        inputs = Dictionary(uniqueKeysWithValues: specs.map { ($0.name, Tensor(zeros: $0.shape)) })
    }

    /// Forget the frames before.
    public mutating func reset() {
        inputs = inputs.mapValues { Tensor(zeros: $0.shape) }
    }

    /// Note a frame's outputs: the soft-max of the logits, or of one channel the share of all but class 0.
    ///
    /// - Throws: `Failure` where an output is missing, or does not fit the input.
    public mutating func note(_ outputs: [String: Tensor]) throws {
        for (output, input) in links {
            guard let spec = specs.first(where: { $0.name == input }), let logits = outputs[output],
                let from = Planes(shape: logits.shape, layout: spec.layout),
                let into = Planes(shape: spec.shape, layout: spec.layout), from.pixels == into.pixels,
                into.channels == 1 || into.channels == from.channels
            else { throw Failure("\(name): \(output) cannot be fed back to \(input)") }
            let shares = Self.softmax(logits.values, planes: from)
            let values = into.channels == from.channels ? shares : Self.foreground(shares, planes: from)
            inputs[input] = try Tensor(shape: spec.shape, values: values)
        }
    }

    private static func softmax(_ logits: [Float], planes: Planes) -> [Float] {
        let (channelStep, pixelStep) = planes.strides
        var found = logits
        found.withUnsafeMutableBufferPointer { values in
            for pixel in 0..<planes.pixels {
                let start = pixel * pixelStep
                var most = values[start]
                for channel in 1..<max(planes.channels, 1) {
                    most = max(most, values[start + channel * channelStep])
                }
                var sum: Float = 0
                for channel in 0..<planes.channels {
                    let at = start + channel * channelStep
                    values[at] = exp(values[at] - most)
                    sum += values[at]
                }
                for channel in 0..<planes.channels {
                    values[start + channel * channelStep] /= sum
                }
            }
        }
        return found
    }

    private static func foreground(_ shares: [Float], planes: Planes) -> [Float] {
        (0..<planes.pixels).map { 1 - shares[$0 * planes.strides.pixel] }
    }
}
