/// The times of the last frames, stage by stage.
public struct StageTable: Equatable, Sendable {
    /// One line.
    public struct Row: Equatable, Identifiable, Sendable {
        /// Which stage.
        public let stage: Stage
        /// Its statistics; nil where it did not run yet.
        public let summary: Summary?

        /// The stage.
        public var id: Stage { stage }
    }

    private let most: Int
    private var samplesNs: [Stage: [Int]] = [:]

    /// Remember so many frames.
    public init(most: Int = 100) {
        self.most = max(most, 1)
    }

    /// Note a frame in which a face was found; others would make the stages look faster than they are.
    public mutating func note(_ result: FrameResult) {
        guard result.box != nil else { return }
        for (stage, time) in result.timesNs {
            samplesNs[stage] = ((samplesNs[stage] ?? []) + [time]).suffix(most)
        }
    }

    /// A line for each stage, in their order.
    public var rows: [Row] {
        Stage.allCases.map { Row(stage: $0, summary: Summary(samplesNs: samplesNs[$0] ?? [])) }
    }
}
