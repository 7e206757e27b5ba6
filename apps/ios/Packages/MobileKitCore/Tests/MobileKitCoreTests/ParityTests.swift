import Foundation
import Testing

@testable import MobileKitCore

@Suite struct ParityTests {
    let manifest: Manifest
    let golden: GoldenVectors

    init() throws {
        manifest = try Models.manifest(Models.forgery)
        let inputs = safetensors([
            ("images.image", "F32", [1, 3, 2, 2], bytes([Float](repeating: 9, count: 12))),
            ("noise.image", "F32", [1, 3, 2, 2], bytes([Float](repeating: 3, count: 12))),
        ])
        let outputs = safetensors([
            ("images.logits", "F32", [1, 2], bytes([3, 4])), ("noise.logits", "F32", [1, 2], bytes([1, 0])),
        ])
        golden = try GoldenVectors(
            inputs: Safetensors(inputs, at: "inputs"), outputs: Safetensors(outputs, at: "outputs"))
    }

    private func verdicts(_ values: [Float], shape: [Int] = [1, 2]) async throws -> [ParityVerdict] {
        let engine = FakeEngine { inputs in
            #expect(inputs["image"]?.values.first == 9)  // there is no bound for noise
            return ["logits": try Tensor(shape: shape, values: values)]
        }
        return try await Parity.verdicts(engine: engine, file: manifest.files[1], golden: golden)
    }

    @Test func equalOutputsPass() async throws {
        let found = try await verdicts([3, 4])
        #expect(found.map(\.id) == ["images.logits"])
        #expect(found[0].sqnrDb == .infinity)
        #expect(found[0].passed)
        let check = try #require(Parity.check(found, manifest: manifest))
        #expect(check == Check(referenceSha256: Models.digest, maxAbs: 0, passed: true, argmaxAgreement: 1))
    }

    /// 10 log₁₀(25 / 0.0025) = 40 dB, the bound; one hundredth more of error is below it.
    @Test func theDesksBoundDecides() async throws {
        let near = try await verdicts([3, 3.951])
        #expect(near[0].sqnrDb > 40 && near[0].passed)
        let far = try await verdicts([3, 3.949])
        #expect(far[0].sqnrDb < 40 && !far[0].passed)
        #expect(close(far[0].maxAbs, 0.051))
    }

    @Test func anotherClassIsSeen() async throws {
        let found = try await verdicts([5, 4])
        #expect(found[0].argmaxAgreement == 0)
        #expect(!found[0].passed)
    }

    @Test func whatIsNotFiniteFails() async throws {
        let found = try await verdicts([.nan, 4])
        #expect(found[0].maxAbs == .infinity && found[0].sqnrDb == -.infinity && !found[0].passed)
        let check = try #require(Parity.check(found, manifest: manifest))
        #expect(check.maxAbs == .greatestFiniteMagnitude)  // JSON holds no infinity
    }

    @Test func anotherShapeIsRefused() async throws {
        await #expect(throws: Failure("logits: expected the shape [1, 2], found [2, 1]")) {
            try await verdicts([3, 4], shape: [2, 1])
        }
    }

    @Test func missingOutputsAndBoundsAreRefused() async throws {
        let silent = FakeEngine { _ in [:] }
        await #expect(throws: Failure.self) {
            try await Parity.verdicts(engine: silent, file: manifest.files[1], golden: golden)
        }
        await #expect(throws: Failure("model.tflite: the manifest has no bounds for its outputs")) {
            try await Parity.verdicts(engine: silent, file: manifest.files[0], golden: golden)
        }
        #expect(Parity.check([], manifest: manifest) == nil)
    }

    @Test func whatHasNoClassesHasNoAgreement() throws {
        let bound = try JSON.decode(
            ModelFile.Parity.Output.self, from: Data(#"{"output": "x", "least_sqnr_db": 1}"#.utf8), at: "x")
        let heat = Tensor(zeros: [1, 1, 2, 2])
        let found = try Parity.compare(heat, with: heat, set: "images", bound: bound)
        #expect(found.argmaxAgreement == nil && found.passed)
        var other = heat
        other.values[0] = 1
        #expect(try Parity.compare(other, with: heat, set: "images", bound: bound).sqnrDb == -.infinity)
    }
}
