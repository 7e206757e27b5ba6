import Foundation

/// What an app reads of an artifact's manifest: `schemas/manifest.schema.json` has more.
public struct Manifest: Decodable, Equatable, Sendable {
    /// Of the form that is read here.
    public static let version = 1
    /// Where the inputs of the golden vectors lie in an artifact.
    public static let goldenInputs = "golden/inputs.safetensors"
    /// Where the outputs of the golden vectors lie in an artifact.
    public static let goldenOutputs = "golden/outputs.safetensors"

    /// Of this manifest's form.
    public let schemaVersion: Int
    /// Of the artifact.
    public let name: String
    /// Where its weights come from; `seeded` ones are random, and its answers mean nothing.
    public let weights: String
    /// What the network gives, in its own layout.
    public let outputs: [TensorSpec]
    /// Its model files.
    public let files: [ModelFile]
    /// File of golden vectors → digest.
    public let goldenSha256: [String: String]
    /// What the files do to camera pixels first; nil where they do nothing.
    public let normalization: Normalization?
    /// Names of the classes.
    public let labels: [String]
    /// `#rrggbb` per class.
    public let colours: [String]
    /// Output → input that it is fed back to in the next frame.
    public let state: [String: String]

    /// Whether its answers mean nothing.
    public var untrained: Bool { weights == "seeded" }

    /// Read a manifest.
    ///
    /// - Parameters:
    ///   - data: JSON.
    ///   - place: that errors name.
    /// - Throws: `Failure` where it is none, or of another form.
    public static func read(_ data: Data, at place: String) throws -> Manifest {
        let found = try JSON.decode(Manifest.self, from: data, at: place)
        guard found.schemaVersion == version else {
            throw Failure(
                "\(place): schema_version \(found.schemaVersion) is not the \(version) that is read here")
        }
        return found
    }

    /// Read what is there; labels, colours and state may be missing.
    public init(from decoder: any Decoder) throws {
        let entries = try decoder.container(keyedBy: CodingKeys.self)
        schemaVersion = try entries.decode(Int.self, forKey: .schemaVersion)
        name = try entries.decode(String.self, forKey: .name)
        weights = try entries.decode(String.self, forKey: .weights)
        outputs = try entries.decode([TensorSpec].self, forKey: .outputs)
        files = try entries.decode([ModelFile].self, forKey: .files)
        goldenSha256 = try entries.decode([String: String].self, forKey: .goldenSha256)
        normalization = try entries.decodeIfPresent(Normalization.self, forKey: .normalization)
        labels = try entries.decodeIfPresent([String].self, forKey: .labels) ?? []
        colours = try entries.decodeIfPresent([String].self, forKey: .colours) ?? []
        state = try entries.decodeIfPresent([String: String].self, forKey: .state) ?? [:]
    }

    private enum CodingKeys: CodingKey {
        case schemaVersion, name, weights, outputs, files, goldenSha256, normalization, labels, colours, state
    }
}

/// `(pixel * scale - mean) / std`, which the files do themselves.
public struct Normalization: Codable, Equatable, Sendable {
    /// Per channel, or one for all.
    public let mean: [Float]?
    /// Per channel, or one for all.
    public let std: [Float]?
    /// Of camera pixels, 0–255.
    public let scale: Float?
}

/// One model file of an artifact.
public struct ModelFile: Decodable, Equatable, Sendable {
    /// In the artifact.
    public let path: String
    /// What it was made for.
    public let target: Target
    /// Of the file, or of all files of a package.
    public let sha256: String
    /// Of the file, or of all files of a package.
    public let sizeBytes: Int
    /// What it takes: the picture first.
    public let inputs: [TensorSpec]
    /// What it gives.
    public let outputs: [TensorSpec]
    /// How the desk judged it.
    public let parity: Parity

    /// What a file was made for.
    public struct Target: Decodable, Equatable, Sendable {
        /// `coreml`, `tflite`, `onnx` or `source`.
        public let kind: String
        /// Of its floats.
        public let precision: String
        /// Form of its integers; nothing for a file of floats.
        public let quantize: String?
        /// Layers of other forms.
        public let layers: [String: String]?
        /// The first input is a picture, not a tensor.
        public let imageInput: Bool?
    }

    /// How the desk judged a file.
    public struct Parity: Decodable, Equatable, Sendable {
        /// By inputs.
        public let sets: [InputSet]?

        /// One set of inputs.
        public struct InputSet: Decodable, Equatable, Sendable {
            /// Its name, which the golden vectors have too.
            public let inputs: String
            /// Of each output.
            public let outputs: [Output]
        }

        /// One output.
        public struct Output: Decodable, Equatable, Sendable {
            /// Its name.
            public let output: String
            /// The least ratio of signal to error, in decibels, that passes.
            public let leastSqnrDb: Double
        }
    }

    /// What it holds, in one word, as the desk says it.
    public var variant: String {
        let words = target.quantize.flatMap { $0.isEmpty ? nil : $0 } ?? target.precision
        return target.layers?.isEmpty == false ? "\(words) mixed" : words
    }
}

/// One input or output.
public struct TensorSpec: Decodable, Equatable, Sendable {
    /// Its name.
    public let name: String
    /// In the order of the layout.
    public let shape: [Int]
    /// Its type.
    public let dtype: String
    /// Order of its axes.
    public let layout: Layout
    /// Whether it takes only some channels of an image.
    public let isPart: Bool

    /// Read what is there.
    public init(from decoder: any Decoder) throws {
        let entries = try decoder.container(keyedBy: CodingKeys.self)
        name = try entries.decode(String.self, forKey: .name)
        shape = try entries.decode([Int].self, forKey: .shape)
        dtype = try entries.decodeIfPresent(String.self, forKey: .dtype) ?? "float32"
        layout = try entries.decodeIfPresent(Layout.self, forKey: .layout) ?? .plain
        isPart = try entries.contains(.kept) && !entries.decodeNil(forKey: .kept)
    }

    private enum CodingKeys: CodingKey {
        case name, shape, dtype, layout, kept
    }

    /// As a report says it.
    public var end: End { End(name: name, shape: shape, dtype: dtype) }
}
