import Foundation

/// A file of named tensors: a length, a header in JSON, then the values.
public struct Safetensors: Sendable {
    private let data: Data
    private let entries: [String: Entry]
    private let start: Int
    private let place: String

    private struct Entry: Decodable {
        let dtype: String
        let shape: [Int]
        let dataOffsets: [Int]

        enum CodingKeys: String, CodingKey {
            case dtype, shape
            case dataOffsets = "data_offsets"
        }
    }

    /// The header's entries; `__metadata__`, which is none, is left out.
    private struct Header: Decodable {
        var entries: [String: Entry] = [:]

        init(from decoder: any Decoder) throws {
            let all = try decoder.container(keyedBy: Name.self)
            for key in all.allKeys where key.stringValue != "__metadata__" {
                entries[key.stringValue] = try all.decode(Entry.self, forKey: key)
            }
        }

        struct Name: CodingKey {
            let stringValue: String
            var intValue: Int? { nil }
            init(stringValue: String) { self.stringValue = stringValue }
            init?(intValue: Int) { nil }
        }
    }

    /// Read a file.
    ///
    /// - Throws: `Failure` where it cannot be read, or is of another form.
    public init(contentsOf url: URL) throws {
        guard let data = FileManager.default.contents(atPath: url.path) else {
            throw Failure("\(url.lastPathComponent): cannot be read")
        }
        try self.init(data, at: url.lastPathComponent)
    }

    /// Read a file's content.
    ///
    /// - Parameters:
    ///   - data: all of it.
    ///   - place: that errors name.
    /// - Throws: `Failure` where it is of another form, or ends too early.
    public init(_ data: Data, at place: String) throws {
        let data = Data(data)  // from index 0
        guard data.count >= 8 else { throw Failure("\(place): is no file of tensors") }
        let length = data.prefix(8).reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        guard length <= UInt64(data.count - 8) else { throw Failure("\(place): ends within its header") }
        start = 8 + Int(length)
        entries = try JSON.decode(
            Header.self, from: data[8..<start], at: place, keys: .useDefaultKeys
        ).entries
        self.data = data
        self.place = place
    }

    /// Names of the tensors, sorted.
    public var names: [String] { entries.keys.sorted() }

    /// Return a tensor, as floats.
    ///
    /// - Throws: `Failure` where there is none, its type is not known, or the file ends too early.
    public func tensor(_ name: String) throws -> Tensor {
        guard let entry = entries[name] else { throw Failure("\(place): holds no \(name)") }
        let count = entry.shape.reduce(1, *)
        guard let size = Self.sizes[entry.dtype] else {
            throw Failure("\(place): \(name) is of type \(entry.dtype), which is not known")
        }
        guard entry.dataOffsets.count == 2, entry.dataOffsets[0] >= 0,
            entry.dataOffsets[1] - entry.dataOffsets[0] == count * size,
            start + entry.dataOffsets[1] <= data.count
        else { throw Failure("\(place): \(name) does not lie within the file") }
        let values = data.withUnsafeBytes { bytes in
            (0..<count).map { Self.value(bytes, start + entry.dataOffsets[0] + $0 * size, entry.dtype) }
        }
        return try Tensor(shape: entry.shape, values: values)
    }

    private static let sizes = [
        "F64": 8, "F32": 4, "F16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1,
    ]

    private static func value(_ bytes: UnsafeRawBufferPointer, _ at: Int, _ dtype: String) -> Float {
        func bits<T: FixedWidthInteger>(_ type: T.Type) -> T {
            T(littleEndian: bytes.loadUnaligned(fromByteOffset: at, as: type))
        }
        return switch dtype {
        case "F64": Float(Double(bitPattern: bits(UInt64.self)))
        case "F32": Float(bitPattern: bits(UInt32.self))
        case "F16": float(half: bits(UInt16.self))
        case "I64": Float(bits(Int64.self))
        case "I32": Float(bits(Int32.self))
        case "I16": Float(bits(Int16.self))
        case "I8": Float(bits(Int8.self))
        default: Float(bits(UInt8.self))
        }
    }

    /// Widen a half float's bits, for not every Mac's compiler has the type.
    static func float(half: UInt16) -> Float {
        let sign: Float = half >> 15 == 0 ? 1 : -1
        let exponent = Int(half >> 10 & 31)
        let fraction = Float(half & 1023) / 1024
        switch exponent {
        case 0: return sign * fraction * 0x1p-14
        case 31: return half & 1023 == 0 ? sign * .infinity : .nan
        default: return sign * (1 + fraction) * Float(sign: .plus, exponent: exponent - 15, significand: 1)
        }
    }
}

/// The golden vectors of an artifact: sets of inputs, and what the network answers.
public struct GoldenVectors: Sendable {
    /// One set.
    public struct Sample: Sendable {
        /// Such as `images`.
        public let name: String
        /// By name.
        public let inputs: [String: Tensor]
        /// By name, in the network's layout.
        public let outputs: [String: Tensor]
    }

    /// In the order of their names.
    public let samples: [Sample]

    /// Pair inputs with outputs; tensors are called `<set>.<name>`.
    ///
    /// - Throws: `Failure` where a set lacks one side.
    public init(inputs: Safetensors, outputs: Safetensors) throws {
        let given = try Self.grouped(inputs)
        let expected = try Self.grouped(outputs)
        guard !given.isEmpty, Set(given.keys) == Set(expected.keys) else {
            throw Failure("the golden inputs and outputs do not belong together; bundle the model again")
        }
        samples = given.sorted { $0.key < $1.key }.map {
            Sample(name: $0.key, inputs: $0.value, outputs: expected[$0.key] ?? [:])
        }
    }

    private static func grouped(_ file: Safetensors) throws -> [String: [String: Tensor]] {
        try file.names.reduce(into: [:]) { groups, name in
            let parts = name.split(separator: ".", maxSplits: 1).map(String.init)
            guard parts.count == 2 else { throw Failure("\(name): expected <set>.<tensor>") }
            groups[parts[0], default: [:]][parts[1]] = try file.tensor(name)
        }
    }
}
