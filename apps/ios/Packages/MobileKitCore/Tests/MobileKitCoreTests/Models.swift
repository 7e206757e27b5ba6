import Foundation

@testable import MobileKitCore

/// Manifests of small artifacts, as the desk writes them.
enum Models {
    static let digest = String(repeating: "a", count: 64)

    static let segmentation = text(
        inputs: #"{"name": "image", "shape": [1, 3, 2, 2], "layout": "NCHW"}"#,
        outputs: #"{"name": "logits", "shape": [1, 3, 2, 2], "layout": "NCHW"}"#,
        extra: ##""labels": ["none", "skin", "hair"], "colours": ["#000000", "#010203", "#ff8000"]"##)

    static let video = text(
        inputs: #"""
            {"name": "image", "shape": [1, 3, 2, 2], "layout": "NCHW"},
            {"name": "previous_mask", "shape": [1, 1, 2, 2], "layout": "NCHW"}
            """#,
        outputs: #"{"name": "next_logits", "shape": [1, 2, 2, 2], "layout": "NCHW"}"#,
        extra: #""state": {"next_logits": "previous_mask"}"#)

    static let forgery = text(
        inputs: #"{"name": "image", "shape": [1, 3, 2, 2], "layout": "NCHW"}"#,
        outputs: #"""
            {"name": "logits", "shape": [1, 2]},
            {"name": "attention", "shape": [1, 1, 1, 2], "layout": "NCHW"}
            """#,
        extra: #""labels": ["real", "fake"]"#)

    /// Its Core ML file gives the scores as a dictionary by class.
    static let classifier = text(
        inputs: #"{"name": "image", "shape": [1, 3, 2, 2], "layout": "NCHW"}"#,
        outputs: #"{"name": "logits", "shape": [1, 2]}"#, extra: #""labels": ["real", "fake"]"#
    ).replacingOccurrences(
        of: #""outputs": [{"name": "logits", "shape": [1, 2]}],"# + "\n   \"parity\"",
        with: #"""
            "outputs": [{"name": "classLabel", "shape": [], "dtype": "string"},
                {"name": "classLabel_probs", "shape": [], "dtype": "dictionary"}], "parity"
            """#)

    static func text(inputs: String, outputs: String, extra: String, target: String = "") -> String {
        """
        {"schema_version": 1, "name": "net", "weights": "shipped", "source": "of no interest",
         "golden_sha256": {"golden/outputs.safetensors": "\(digest)"},
         "normalization": {"mean": [0.5], "std": [0.5], "scale": 0.004}, \(extra), "outputs": [\(outputs)],
         "files": [
          {"path": "model.tflite", "target": {"kind": "tflite", "precision": "float32"}, "sha256": "b",
           "size_bytes": 1, "inputs": [], "outputs": [], "parity": {}},
          {"path": "model.mlpackage", "sha256": "\(digest)", "size_bytes": 12,
           "target": {"kind": "coreml", "precision": "float16"\(target)},
           "inputs": [\(inputs)], "outputs": [\(outputs)],
           "parity": {"sets": [{"inputs": "images", "outputs": [{"output": "logits", "least_sqnr_db": 40.0}]}]}}]}
        """
    }

    static func manifest(_ text: String) throws -> Manifest {
        try Manifest.read(Data(text.utf8), at: "net")
    }

    static func contract(_ text: String) throws -> ModelContract {
        let manifest = try manifest(text)
        return try ModelContract(manifest, file: manifest.files[1])
    }
}

/// A file of tensors, written here.
func safetensors(_ tensors: [(String, String, [Int], [UInt8])]) -> Data {
    var body: [UInt8] = []
    var entries = [#""__metadata__": {"format": "pt"}"#]
    for (name, dtype, shape, bytes) in tensors {
        let ends = "[\(body.count), \(body.count + bytes.count)]"
        entries.append(#""\#(name)": {"dtype": "\#(dtype)", "shape": \#(shape), "data_offsets": \#(ends)}"#)
        body += bytes
    }
    let header = [UInt8]("{\(entries.joined(separator: ", "))}".utf8)
    return Data(withUnsafeBytes(of: UInt64(header.count).littleEndian) { [UInt8]($0) } + header + body)
}

/// The bytes of floats.
func bytes(_ values: [Float]) -> [UInt8] {
    values.flatMap { value in withUnsafeBytes(of: value.bitPattern.littleEndian) { [UInt8]($0) } }
}

/// Answers as it is told.
struct FakeEngine: InferenceEngine {
    let answer: @Sendable ([String: Tensor]) throws -> [String: Tensor]

    func predict(_ inputs: [String: Tensor]) async throws -> [String: Tensor] {
        try answer(inputs)
    }
}

/// Goes on by 10 ns at each look.
final class TickingClock: NanosecondClock, @unchecked Sendable {
    private let lock = NSLock()
    private var time = 0

    func now() -> Int {
        lock.withLock {
            time += 10
            return time
        }
    }
}

/// Grows hotter and larger at each look.
final class GrowingProbe: SystemProbe, @unchecked Sendable {
    private let lock = NSLock()
    private var looks = 0
    private var heat = 0

    func memoryMb() -> Double? {
        lock.withLock {
            looks += 1
            return Double(looks)
        }
    }

    func thermal() -> Thermal {
        lock.withLock {
            heat += 1
            return heat < 3 ? .none : .light
        }
    }
}
