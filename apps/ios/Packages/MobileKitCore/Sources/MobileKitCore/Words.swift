import Foundation

/// Return nanoseconds as milliseconds, to be shown.
public func milliseconds(_ nanoseconds: Int?) -> String {
    nanoseconds.map { String(format: "%.2f ms", Double($0) / 1e6) } ?? "–"
}

/// Return 10⁶ bytes, to be shown.
public func megabytes(_ megabytes: Double?) -> String {
    megabytes.map { String(format: "%.1f MB", $0) } ?? "–"
}

extension Memory {
    /// Say how it grew.
    public var words: String {
        "\(megabytes(beforeLoadMb)), loaded \(megabytes(afterLoadMb)), at most \(megabytes(peakMb))"
    }
}

extension ThermalCourse {
    /// Say how it went.
    public var words: String { "\(start.rawValue) to \(end.rawValue), at most \(max.rawValue)" }
}

extension Placement {
    /// Say how many operators each unit has.
    public var words: String {
        "\(ane) ANE, \(gpu) GPU, \(cpu) CPU" + ((unassigned ?? 0) > 0 ? ", \(unassigned ?? 0) none" : "")
    }
}

extension Check {
    /// Say how near the outputs are.
    public var words: String {
        let agreement = argmaxAgreement.map { String(format: ", same class at %.4f", $0) } ?? ""
        return (passed ? "yes" : "NO") + String(format: ", at most %.3g apart", maxAbs) + agreement
    }
}

extension ParityVerdict {
    /// Say how near the outputs are, and how near they must be.
    public var words: String {
        let agreement = argmaxAgreement.map { String(format: ", same class at %.4f", $0) } ?? ""
        return String(format: "%.1f dB of at least %.1f, at most %.3g apart", sqnrDb, leastSqnrDb, maxAbs)
            + agreement
    }
}
