/// One model on one device, measured once: `schemas/device-report.schema.json`.
public struct DeviceReport: Codable, Equatable, Sendable {
    /// Of the form that is written here.
    public static let version = 1

    /// Of this report's form.
    public var schemaVersion: Int
    /// UUID in small letters.
    public var reportId: String
    /// RFC 3339, UTC.
    public var createdAt: String
    /// What wrote the report.
    public var tool: Tool
    /// System that it ran under.
    public var platform: Platform
    /// Where the times were taken.
    public var measurementKind: MeasurementKind
    /// What it ran on.
    public var device: Device
    /// What ran the model.
    public var runtime: Runtime
    /// Which file ran.
    public var model: Model
    /// How it was measured.
    public var `protocol`: Procedure
    /// How long each part took.
    public var latency: Latency
    /// Of the process.
    public var memory: Memory?
    /// The heat during the timed runs.
    public var thermal: ThermalCourse?
    /// The operators, where they are known.
    public var perOp: [Operator]?
    /// How the outputs compare with the golden vectors.
    public var verification: Check?
    /// What went wrong without ending the measurement.
    public var errors: [String]?

    /// What wrote the report.
    public struct Tool: Codable, Equatable, Sendable {
        /// Its name.
        public var name: String
        /// Its version.
        public var version: String
        /// Commit that it was built of.
        public var gitCommit: String?

        /// Take its parts.
        public init(name: String, version: String, gitCommit: String? = nil) {
            self.name = name
            self.version = version
            self.gitCommit = gitCommit
        }
    }

    /// What it ran on; nil where the system does not say.
    public struct Device: Codable, Equatable, Sendable {
        /// Who makes it.
        public var manufacturer: String
        /// Such as iPhone17,1.
        public var model: String
        /// Chip; empty where the system does not say.
        public var soc: String
        /// Name of the system.
        public var os: String
        /// Version of the system.
        public var osVersion: String
        /// Build of the system.
        public var osBuild: String?
        /// How many.
        public var cpuCores: Int?
        /// In 10⁶ bytes.
        public var ramMb: Double?
        /// Whether it saves power.
        public var lowPowerMode: Bool?
        /// Whether it is plugged in.
        public var charging: Bool?
        /// Share, 0–1.
        public var batteryLevel: Double?

        /// Take what every system says.
        public init(manufacturer: String, model: String, soc: String, os: String, osVersion: String) {
            self.manufacturer = manufacturer
            self.model = model
            self.soc = soc
            self.os = os
            self.osVersion = osVersion
        }
    }

    /// What ran the model, what it was asked to run on, and where it ran.
    public struct Runtime: Codable, Equatable, Sendable {
        /// `coreml` or `litert`.
        public var name: Name
        /// Its version.
        public var version: String
        /// Such as MLModel.
        public var api: String
        /// Units that it may use.
        public var requested: [ComputeUnit]
        /// It would have failed rather than run elsewhere.
        public var strict: Bool
        /// Of the processor.
        public var numThreads: Int?
        /// Of its floats.
        public var precision: String?
        /// Whether nothing ran on the processor.
        public var fullyAccelerated: Bool?
        /// Core ML's plan.
        public var placement: Placement?
        /// LiteRT's delegate.
        public var delegate: Delegate?

        /// Runtimes there are.
        public enum Name: String, Codable, Sendable { case coreml, litert }

        /// Take its parts.
        public init(name: Name, version: String, api: String, requested: [ComputeUnit], strict: Bool) {
            self.name = name
            self.version = version
            self.api = api
            self.requested = requested
            self.strict = strict
        }
    }

    /// Which file ran.
    public struct Model: Codable, Equatable, Sendable {
        /// Of the artifact.
        public var name: String
        /// Such as float16.
        public var variant: String
        /// Its path in the artifact.
        public var file: String
        /// As the artifact's manifest has it.
        public var sha256: String
        /// As the artifact's manifest has it.
        public var sizeBytes: Int
        /// What it takes.
        public var inputs: [End]?
        /// What it gives.
        public var outputs: [End]?

        /// Take its parts.
        public init(
            name: String, variant: String, file: String, sha256: String, sizeBytes: Int,
            inputs: [End]? = nil, outputs: [End]? = nil
        ) {
            self.name = name
            self.variant = variant
            self.file = file
            self.sha256 = sha256
            self.sizeBytes = sizeBytes
            self.inputs = inputs
            self.outputs = outputs
        }
    }

    /// How it was measured.
    public struct Procedure: Codable, Equatable, Sendable {
        /// Runs before those that count.
        public var warmupRuns: Int
        /// Runs that count.
        public var runs: Int
        /// Such as `random:seed=0`.
        public var input: String
        /// Pause between two runs.
        public var interRunDelayMs: Double?
        /// Which clock.
        public var timer: String?
        /// Whether a run's time holds the reading of its outputs.
        public var sync: Sync?

        /// Whether a run's time holds the reading of its outputs.
        public enum Sync: String, Codable, Sendable { case readback, run }

        /// Take its parts.
        public init(warmupRuns: Int, runs: Int, input: String, timer: String? = nil) {
            self.warmupRuns = warmupRuns
            self.runs = runs
            self.input = input
            self.timer = timer
            sync = .readback
        }
    }

    /// Take what every report has.
    public init(
        reportId: String, createdAt: String, tool: Tool, platform: Platform, kind: MeasurementKind,
        device: Device, runtime: Runtime, model: Model, protocol: Procedure, latency: Latency
    ) {
        schemaVersion = Self.version
        self.reportId = reportId
        self.createdAt = createdAt
        self.tool = tool
        self.platform = platform
        measurementKind = kind
        self.device = device
        self.runtime = runtime
        self.model = model
        self.protocol = `protocol`
        self.latency = latency
    }
}
