import Foundation

/// How the outputs of a file compare with the golden vectors, by the desk's own bound for that file.
public struct ParityVerdict: Equatable, Identifiable, Sendable {
    /// Of inputs.
    public let set: String
    /// Of the file.
    public let output: String
    /// Greatest distance of a value.
    public let maxAbs: Double
    /// Ratio of signal to error, in decibels; infinite where they are equal.
    public let sqnrDb: Double
    /// The least that passes.
    public let leastSqnrDb: Double
    /// Share of positions at which both name the same class; nil where there are no classes.
    public let argmaxAgreement: Double?

    /// Both names.
    public var id: String { "\(set).\(output)" }
    /// The verdict.
    public var passed: Bool { sqnrDb >= leastSqnrDb }
}

/// Compares a file's outputs with the golden vectors.
public enum Parity {
    /// Run the golden inputs, and judge each output.
    ///
    /// - Parameters:
    ///   - engine: that runs the file.
    ///   - file: whose bounds count.
    ///   - golden: vectors of its artifact.
    /// - Throws: `Failure` where an output or a bound is missing; what the engine throws.
    public static func verdicts(
        engine: any InferenceEngine, file: ModelFile, golden: GoldenVectors
    ) async throws -> [ParityVerdict] {
        var found: [ParityVerdict] = []
        for sample in golden.samples {
            guard let bounds = (file.parity.sets ?? []).first(where: { $0.inputs == sample.name }) else {
                continue  // files with ranges of activations from images are not judged on noise
            }
            try Task.checkCancellation()
            let outputs = try await engine.predict(sample.inputs)
            for bound in bounds.outputs {
                guard let reference = sample.outputs[bound.output], let actual = outputs[bound.output] else {
                    throw Failure("\(file.path): gives no \(bound.output), which the golden vectors have")
                }
                found.append(
                    try compare(actual, with: reference, set: sample.name, bound: bound))
            }
        }
        guard !found.isEmpty else {
            throw Failure("\(file.path): the manifest has no bounds for its outputs")
        }
        return found
    }

    /// Return what a report says of verdicts; nil where there are none.
    public static func check(_ verdicts: [ParityVerdict], manifest: Manifest) -> Check? {
        guard let digest = manifest.goldenSha256[Manifest.goldenOutputs],
            let most = verdicts.map(\.maxAbs).max()
        else { return nil }
        return Check(
            referenceSha256: digest, maxAbs: min(most, .greatestFiniteMagnitude),
            passed: verdicts.allSatisfy(\.passed),
            argmaxAgreement: verdicts.compactMap(\.argmaxAgreement).min())
    }

    static func compare(
        _ actual: Tensor, with reference: Tensor, set: String, bound: ModelFile.Parity.Output
    ) throws -> ParityVerdict {
        guard actual.shape == reference.shape else {
            throw Failure("\(bound.output): expected the shape \(reference.shape), found \(actual.shape)")
        }
        var most = 0.0
        var signal = 0.0
        var error = 0.0
        for (one, other) in zip(reference.values, actual.values) {
            let distance = Double(other) - Double(one)
            most = max(most, distance.isFinite ? abs(distance) : .infinity)
            signal += Double(one) * Double(one)
            error += distance * distance
        }
        return ParityVerdict(
            set: set, output: bound.output, maxAbs: most, sqnrDb: decibels(signal: signal, error: error),
            leastSqnrDb: bound.leastSqnrDb, argmaxAgreement: agreement(actual, reference))
    }

    private static func decibels(signal: Double, error: Double) -> Double {
        guard error.isFinite else { return -.infinity }
        if error == 0 { return .infinity }
        return signal == 0 ? -.infinity : 10 * log10(signal / error)
    }

    /// Classes lie along the second axis in the network's layout.
    private static func agreement(_ actual: Tensor, _ reference: Tensor) -> Double? {
        let shape = reference.shape
        guard shape.count >= 2, shape[0] == 1, (2...Mask.mostClasses).contains(shape[1]) else { return nil }
        let rest = shape.dropFirst(2).reduce(1, *)
        guard let planes = Planes(shape: [1, shape[1], 1, rest], layout: .nchw),
            let own = try? Mask.classes(of: actual.values, planes: planes),
            let right = try? Mask.classes(of: reference.values, planes: planes)
        else { return nil }
        return Double(zip(own, right).reduce(0) { $0 + ($1.0 == $1.1 ? 1 : 0) }) / Double(rest)
    }
}
