import Foundation

/// Statistics of samples: nearest-rank percentiles; `stddevNs` divides by n.
public struct Summary: Codable, Equatable, Sendable {
    /// How many samples.
    public var n: Int
    /// Mean, in nanoseconds.
    public var meanNs: Double
    /// Square root of the mean squared distance from the mean.
    public var stddevNs: Double
    /// The least sample.
    public var minNs: Int
    /// The median by nearest rank.
    public var p50Ns: Int
    /// 90th percentile.
    public var p90Ns: Int?
    /// 95th percentile.
    public var p95Ns: Int
    /// 99th percentile.
    public var p99Ns: Int?
    /// The greatest sample.
    public var maxNs: Int

    /// Derive the statistics of samples; nil where there are none.
    public init?(samplesNs: [Int]) {
        let sorted = samplesNs.sorted()
        guard let least = sorted.first, let greatest = sorted.last else { return nil }
        n = sorted.count
        // distances from the least sample: sums of these stay exact where those of large samples would not
        let distances = sorted.map { Double($0 - least) }
        let mean = distances.reduce(0, +) / Double(n)
        let squares = distances.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
        meanNs = Double(least) + mean
        stddevNs = (squares / Double(n)).squareRoot()
        minNs = least
        maxNs = greatest
        p50Ns = nearestRank(50, of: sorted)
        p90Ns = nearestRank(90, of: sorted)
        p95Ns = nearestRank(95, of: sorted)
        p99Ns = nearestRank(99, of: sorted)
    }
}

/// Return the sample at index `max(ceil(p · n / 100), 1) - 1`.
///
/// - Parameters:
///   - percent: p, from 0 to 100.
///   - sorted: samples by size, at least one.
func nearestRank(_ percent: Int, of sorted: [Int]) -> Int {
    sorted[max((percent * sorted.count + 99) / 100, 1) - 1]
}
