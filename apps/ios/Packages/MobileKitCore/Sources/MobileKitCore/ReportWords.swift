/// Where the times were taken; figures of different kinds never stand in one table.
public enum MeasurementKind: String, Codable, Sendable { case device, emulated, host, simulator }

/// System that a model ran under.
public enum Platform: String, Codable, CaseIterable, Sendable {
    case android, ios, linux, macos
    case desktopJvm = "desktop-jvm"
    case linuxQemu = "linux-qemu"

    /// What a measurement on it may call itself.
    public var kinds: [MeasurementKind] {
        switch self {
        case .android, .ios: [.device, .simulator]
        case .desktopJvm, .linux, .macos: [.host]
        case .linuxQemu: [.emulated]
        }
    }
}

/// What can compute.
public enum ComputeUnit: String, Codable, Sendable { case ane, cpu, gpu, npu }

/// Core ML's words for what it may use.
public enum ComputeUnits: String, Codable, CaseIterable, Identifiable, Sendable {
    case cpuOnly, cpuAndGPU, cpuAndNeuralEngine, all

    /// Itself.
    public var id: Self { self }

    /// The units that a report names.
    public var units: [ComputeUnit] {
        switch self {
        case .cpuOnly: [.cpu]
        case .cpuAndGPU: [.cpu, .gpu]
        case .cpuAndNeuralEngine: [.cpu, .ane]
        case .all: [.cpu, .gpu, .ane]
        }
    }
}

/// Heat, on one scale for both systems.
public enum Thermal: String, Codable, CaseIterable, Comparable, Sendable {
    case none, light, moderate, severe, critical, emergency, shutdown

    /// Apple's four words.
    public enum Apple: String, CaseIterable, Sendable { case nominal, fair, serious, critical }

    /// Translate Apple's words.
    public init(_ apple: Apple) {
        switch apple {
        case .nominal: self = .none
        case .fair: self = .light
        case .serious: self = .severe
        case .critical: self = .critical
        }
    }

    /// Its place on the scale, which is Android's number.
    public var rank: Int { Self.allCases.firstIndex(of: self) ?? 0 }

    /// Compare by heat.
    public static func < (one: Self, other: Self) -> Bool { one.rank < other.rank }
}

/// The heat during the timed runs.
public struct ThermalCourse: Codable, Equatable, Sendable {
    /// At the first timed run.
    public var start: Thermal
    /// After the last.
    public var end: Thermal
    /// The greatest.
    public var max: Thermal
    /// Whenever it changed.
    public var samples: [Sample]?

    /// The state at one moment.
    public struct Sample: Codable, Equatable, Sendable {
        /// Since the first timed run.
        public var atMs: Int
        /// How hot.
        public var state: Thermal
        /// Where the system says.
        public var celsius: Double?

        /// Take its parts.
        public init(atMs: Int, state: Thermal) {
            self.atMs = atMs
            self.state = state
        }
    }

    /// Begin with a state.
    public init(start: Thermal) {
        self.start = start
        end = start
        max = start
        samples = [Sample(atMs: 0, state: start)]
    }

    /// Note a state; one that has not changed makes no sample.
    public mutating func note(_ state: Thermal, atMs: Int) {
        if state != end {
            samples?.append(Sample(atMs: atMs, state: state))
        }
        end = state
        max = Swift.max(max, state)
    }
}
