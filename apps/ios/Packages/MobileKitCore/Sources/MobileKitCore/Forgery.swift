import Foundation

/// How likely faces are forged.
public enum Forgery {
    /// Bounds of a score: no answer is certain.
    public static let bounds = 0.001...0.999

    /// Return the probability of a class: the soft-max of its logits.
    ///
    /// - Throws: `Failure` where there is no such class.
    public static func probability(of place: Int, logits: [Float]) throws -> Double {
        guard logits.indices.contains(place), let most = logits.max() else {
            throw Failure("expected scores with a class \(place), found \(logits.count)")
        }
        let powers = logits.map { exp(Double($0 - most)) }
        return powers[place] / powers.reduce(0, +)
    }

    /// Return the mean of faces' scores, within the bounds; nil where there are none.
    public static func mean(of scores: some Collection<Double>) -> Double? {
        guard !scores.isEmpty else { return nil }
        let mean = scores.reduce(0, +) / Double(scores.count)
        return min(max(mean, bounds.lowerBound), bounds.upperBound)
    }
}

/// The mean score of the last faces that were seen.
public struct ForgeryMeter: Equatable, Sendable {
    private let most: Int
    private var scores: [Double] = []

    /// Remember so many faces.
    public init(most: Int = 30) {
        self.most = max(most, 1)
    }

    /// Note a face's score; return the mean.
    public mutating func note(_ score: Double) -> Double {
        scores.append(score)
        scores.removeFirst(max(scores.count - most, 0))
        return Forgery.mean(of: scores) ?? score
    }
}

/// Where a network looks, in colours: straight RGBA, clear and dark where it does not look.
public enum HeatMap {
    /// Return four bytes a value.
    ///
    /// - Parameter values: 0–1; others are cut.
    public static func rgba(of values: [Float]) -> [UInt8] {
        var found = [UInt8](repeating: 0, count: 4 * values.count)
        for (place, value) in values.enumerated() {
            let heat = value.isNaN ? 0 : max(0, min(1, value))
            found[4 * place] = byte(min(1, 2 * heat))
            found[4 * place + 1] = byte(max(0, 2 * heat - 1))
            found[4 * place + 3] = byte(heat)
        }
        return found
    }

    private static func byte(_ share: Float) -> UInt8 {
        UInt8((255 * share).rounded())
    }
}
