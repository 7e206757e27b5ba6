import Foundation
import Testing

@testable import MobileKitCore

@Suite struct SafetensorsTests {
    @Test func eachTypeIsRead() throws {
        let file = try Safetensors(
            safetensors([
                ("a.x", "F32", [1, 2], bytes([1.5, -2])),
                ("a.half", "F16", [5], [0x00, 0x3C, 0x00, 0xC4, 0x01, 0x00, 0x00, 0x7C, 0x00, 0x7E]),
                (
                    "a.double", "F64", [1],
                    withUnsafeBytes(of: Double(0.25).bitPattern.littleEndian) { [UInt8]($0) }
                ),
                ("a.long", "I64", [1], [0xFE, 255, 255, 255, 255, 255, 255, 255]),
                ("a.int", "I32", [1], [7, 1, 0, 0]),
                ("a.short", "I16", [1], [0xFF, 0xFF]),
                ("a.byte", "I8", [1], [0x80]),
                ("a.flag", "BOOL", [2], [0, 1]),
                ("a.scalar", "U8", [], [200]),
            ]), at: "file")
        #expect(file.names.count == 9)
        #expect(try file.tensor("a.x") == Tensor(shape: [1, 2], values: [1.5, -2]))
        let half = try file.tensor("a.half").values
        #expect(half[0...1] == [1, -4])
        #expect(half[2] == Float(sign: .plus, exponent: -24, significand: 1))
        #expect(half[3] == .infinity)
        #expect(half[4].isNaN)
        #expect(try file.tensor("a.double").values == [0.25])
        #expect(try file.tensor("a.long").values == [-2])
        #expect(try file.tensor("a.int").values == [263])
        #expect(try file.tensor("a.short").values == [-1])
        #expect(try file.tensor("a.byte").values == [-128])
        #expect(try file.tensor("a.flag").values == [0, 1])
        #expect(try file.tensor("a.scalar") == Tensor(shape: [], values: [200]))
    }

    @Test func damagedFilesAreRefused() throws {
        let whole = safetensors([("a.x", "F32", [2], bytes([1, 2])), ("a.y", "Q4", [2], [1])])
        #expect(refusal { try Safetensors(Data([1, 2]), at: "f") } == "f: is no file of tensors")
        #expect(refusal { try Safetensors(whole.prefix(20), at: "f") } == "f: ends within its header")
        let short = try Safetensors(whole.dropLast(6), at: "f")
        #expect(refusal { try short.tensor("a.x") } == "f: a.x does not lie within the file")
        #expect(refusal { try short.tensor("a.z") } == "f: holds no a.z")
        #expect(refusal { try short.tensor("a.y") } == "f: a.y is of type Q4, which is not known")
        var broken = whole
        broken[8] = UInt8(ascii: "[")
        #expect(refusal { try Safetensors(broken, at: "f") }.hasPrefix("f: "))
    }

    @Test func goldenVectorsBelongTogether() throws {
        func file(_ name: String) throws -> Safetensors {
            try Safetensors(safetensors([(name, "F32", [1], bytes([1]))]), at: name)
        }
        let golden = try GoldenVectors(
            inputs: file("images.previous_mask"), outputs: file("images.logits.0"))
        #expect(golden.samples.map(\.name) == ["images"])
        #expect(golden.samples[0].inputs.keys.sorted() == ["previous_mask"])
        #expect(golden.samples[0].outputs.keys.sorted() == ["logits.0"])
        #expect(
            refusal { try GoldenVectors(inputs: file("images.x"), outputs: file("noise.x")) }
                .contains("do not belong together"))
        #expect(
            refusal { try GoldenVectors(inputs: file("x"), outputs: file("x")) }.contains("<set>.<tensor>"))
    }

    @Test func shapesHoldTheirValues() {
        #expect(refusal { try Tensor(shape: [2, 2], values: [1]) }.contains("expected 4 values"))
        #expect(Planes(shape: [2, 3, 4, 4], layout: .nchw) == nil)
        #expect(Planes(shape: [1, 3, 4, 4], layout: .plain) == nil)
    }
}
