import Foundation

extension DeviceReport {
    /// Read a report, and refuse one that does not fit or contradicts itself.
    ///
    /// - Parameters:
    ///   - data: JSON.
    ///   - place: that errors name.
    /// - Throws: `Failure` with the key path.
    public static func read(_ data: Data, at place: String) throws -> DeviceReport {
        let head = try JSON.decode(Head.self, from: data, at: place)
        guard head.schemaVersion == version else {
            throw Failure(
                "\(place): schema_version \(head.schemaVersion) is not the \(version) that is read here")
        }
        let report = try JSON.decode(DeviceReport.self, from: data, at: place)
        let found = try JSONDecoder().decode(JSONTree.self, from: data)
        let known = try JSONDecoder().decode(JSONTree.self, from: JSON.encode(report))
        if let path = found.firstKey(missingIn: known) {
            throw Failure("\(place): has a key that is not known - at `\(path)`")
        }
        try report.check(at: place)
        return report
    }

    /// Write the report.
    ///
    /// - Throws: `Failure` where it contradicts itself, or holds what JSON cannot.
    public func written() throws -> Data {
        try check(at: model.name)
        return try JSON.encode(self)
    }

    /// Refuse what cannot be.
    func check(at place: String) throws {
        if let (words, path) = problems().first {
            throw Failure("\(place): \(words) - at `$.\(path)`")
        }
    }

    private struct Head: Decodable {
        let schemaVersion: Int
    }

    private func problems() -> [(String, String)] {
        var found: [(String, String)] = []
        func expect(_ holds: Bool, _ words: String, _ path: String) {
            if !holds { found.append((words, path)) }
        }
        expect(matches(createdAt, Self.moment), "is no moment in UTC", "created_at")
        expect(matches(reportId, Self.uuid), "is no UUID in small letters", "report_id")
        expect(matches(model.sha256, Self.digest), "is no SHA-256", "model.sha256")
        expect(model.sizeBytes >= 1, "must be at least 1", "model.size_bytes")
        expect(platform.kinds.contains(measurementKind), "does not fit the platform", "measurement_kind")
        expect(!runtime.requested.isEmpty, "names no unit", "runtime.requested")
        expect(`protocol`.runs >= 1, "must be at least 1", "protocol.runs")
        expect(`protocol`.warmupRuns >= 0, "must not be negative", "protocol.warmup_runs")
        expect(latency.loadNs >= 0, "must not be negative", "latency.load_ns")
        expect(latency.firstNs >= 0, "must not be negative", "latency.first_ns")
        expect((latency.compileNs ?? 0) >= 0, "must not be negative", "latency.compile_ns")
        for (name, stage) in latency.stages {
            found += stage.problems(runs: `protocol`.runs, at: "latency.\(name)")
        }
        if let thermal {
            let hottest = ([thermal.start, thermal.end] + (thermal.samples ?? []).map(\.state)).max()
            expect(hottest ?? .none <= thermal.max, "is cooler than what was seen", "thermal.max")
        }
        return found
    }

    private static let moment = #"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?Z$"#
    private static let uuid = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"
    private static let digest = "^[0-9a-f]{64}$"

    private func matches(_ text: String, _ pattern: String) -> Bool {
        text.range(of: pattern, options: .regularExpression) != nil
    }
}

extension Latency {
    /// The stages that were measured, by their names in a report.
    var stages: [(String, Distribution)] {
        let all = [
            ("inference", inference), ("preprocess", preprocess), ("postprocess", postprocess),
            ("end_to_end", endToEnd),
        ]
        return all.compactMap { name, stage in stage.map { (name, $0) } }
    }
}

extension Distribution {
    /// Say what in a stage cannot be, with its path.
    fileprivate func problems(runs: Int, at path: String) -> [(String, String)] {
        let samples = samplesNs ?? []
        guard let own = Summary(samplesNs: samples) else {
            guard let summary else { return [("has neither samples nor a summary", path)] }
            return summary.n == runs ? [] : [("differs from the runs", "\(path).summary.n")]
        }
        var found: [(String, String)] = []
        if samples.count != runs {
            found.append(("holds another number than the runs", "\(path).samples_ns"))
        }
        if own.minNs < 0 { found.append(("must not be negative", "\(path).samples_ns")) }
        if let summary {
            found += summary.differences(from: own).map {
                ("differs from its samples", "\(path).summary.\($0)")
            }
        }
        return found
    }
}

extension Summary {
    /// Relative: how far the floats of two languages' statistics may be apart.
    private static let close = 1e-6

    /// Name what differs from another summary; what either does not say does not differ.
    fileprivate func differences(from other: Summary) -> [String] {
        let counts: [(String, Int?, Int?)] = [
            ("n", n, other.n), ("min_ns", minNs, other.minNs), ("p50_ns", p50Ns, other.p50Ns),
            ("p90_ns", p90Ns, other.p90Ns), ("p95_ns", p95Ns, other.p95Ns), ("p99_ns", p99Ns, other.p99Ns),
            ("max_ns", maxNs, other.maxNs),
        ]
        let least = Self.close * other.meanNs
        func apart(_ one: Double, _ two: Double) -> Bool {
            abs(one - two) > max(Self.close * max(abs(one), abs(two)), least)
        }
        return counts.filter { $0.1 != nil && $0.2 != nil && $0.1 != $0.2 }.map(\.0)
            + (apart(meanNs, other.meanNs) ? ["mean_ns"] : [])
            + (apart(stddevNs, other.stddevNs) ? ["stddev_ns"] : [])
    }
}
