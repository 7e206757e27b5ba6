/// How a model is measured.
public struct BenchmarkPlan: Equatable, Sendable {
    /// Runs that count.
    public var runs: Int
    /// Runs before those.
    public var warmup: Int

    /// Take both numbers.
    ///
    /// - Throws: `Failure` where nothing would be measured.
    public init(runs: Int = 50, warmup: Int = 10) throws {
        guard runs >= 1, warmup >= 0 else {
            throw Failure("expected at least 1 run and no negative warm-up, found \(runs) and \(warmup)")
        }
        self.runs = runs
        self.warmup = warmup
    }
}

/// What was measured.
public struct Measurement: Sendable {
    /// The plan that was followed.
    public let plan: BenchmarkPlan
    /// The model.
    public let loaded: LoadedModel
    /// What it ran on.
    public let input: String
    /// Times of all parts.
    public let latency: Latency
    /// Of the process.
    public let memory: Memory
    /// Of the device.
    public let thermal: ThermalCourse
}

/// Loads a model, runs it once, warms it up, and measures single runs.
public struct BenchmarkLoop: Sendable {
    private let clock: any NanosecondClock
    private let probe: any SystemProbe
    private let marks: any StageMarking

    /// Take what tells time, memory and heat, and what marks the stages for a profiler.
    public init(
        clock: any NanosecondClock = SteadyClock(), probe: any SystemProbe,
        marks: any StageMarking = NoMarks()
    ) {
        self.clock = clock
        self.probe = probe
        self.marks = marks
    }

    /// Measure.
    ///
    /// - Parameters:
    ///   - plan: how often.
    ///   - load: makes the model ready.
    ///   - workload: what it runs on, given the model.
    ///   - progress: is told the share that is done, 0–1.
    /// - Throws: `CancellationError` between two runs when the task is cancelled; what loading or running throws.
    public func run(
        _ plan: BenchmarkPlan, load: @Sendable () async throws -> LoadedModel,
        workload: @Sendable (LoadedModel) throws -> any Workload,
        progress: @Sendable (Double) -> Void = { _ in }
    ) async throws -> Measurement {
        var memory = Memory(beforeLoadMb: probe.memoryMb())
        let loaded = try await load()
        memory.afterLoadMb = probe.memoryMb()
        let work = try workload(loaded)
        var times = Times()
        let first = try await once(loaded.engine, work)
        var warm: [Int] = []
        for _ in 0..<plan.warmup {
            try Task.checkCancellation()
            warm.append(try await once(loaded.engine, work).inference)
        }
        let start = clock.now()
        var thermal = ThermalCourse(start: probe.thermal())
        memory.notePeak(probe.memoryMb())
        for number in 1...plan.runs {
            try Task.checkCancellation()
            times.append(try await once(loaded.engine, work))
            thermal.note(probe.thermal(), atMs: (clock.now() - start) / 1_000_000)
            memory.notePeak(probe.memoryMb())
            progress(Double(number) / Double(plan.runs))
        }
        var latency = Latency(
            inference: Distribution(samplesNs: times.inference), loadNs: loaded.loadNs,
            firstNs: first.inference)
        latency.compileNs = loaded.compileNs
        latency.warmupMeanNs = Summary(samplesNs: warm)?.meanNs
        if work.hasStages {
            latency.preprocess = Distribution(samplesNs: times.preprocess)
            latency.postprocess = Distribution(samplesNs: times.postprocess)
            latency.endToEnd = Distribution(samplesNs: times.total)
        }
        return Measurement(
            plan: plan, loaded: loaded, input: work.input, latency: latency, memory: memory, thermal: thermal)
    }

    private struct Run {
        let preprocess: Int
        let inference: Int
        let postprocess: Int
        var total: Int { preprocess + inference + postprocess }
    }

    private struct Times {
        var preprocess: [Int] = []
        var inference: [Int] = []
        var postprocess: [Int] = []
        var total: [Int] = []

        mutating func append(_ run: Run) {
            preprocess.append(run.preprocess)
            inference.append(run.inference)
            postprocess.append(run.postprocess)
            total.append(run.total)
        }
    }

    private func once(_ engine: any InferenceEngine, _ work: any Workload) async throws -> Run {
        let (inputs, preprocess) = try await timed(.preprocess) { try work.prepare() }
        let (outputs, inference) = try await timed(.inference) { try await engine.predict(inputs) }
        let (_, postprocess) = try await timed(.colouring) { try work.finish(outputs) }
        return Run(preprocess: preprocess, inference: inference, postprocess: postprocess)
    }

    /// Do a part of a run; what marks it is not timed.
    private func timed<Found: Sendable>(
        _ stage: Stage, _ part: () async throws -> Found
    ) async throws -> (Found, Int) {
        let end = marks.begin(stage)
        defer { end() }
        let started = clock.now()
        let found = try await part()
        return (found, clock.now() - started)
    }
}

extension Memory {
    fileprivate mutating func notePeak(_ found: Double?) {
        guard let found else { return }
        peakMb = max(peakMb ?? found, found)
    }
}

extension DeviceReport {
    /// Say what was measured.
    ///
    /// - Parameters:
    ///   - measurement: all figures.
    ///   - model: which file ran; its inputs and outputs are taken from the measurement.
    ///   - units: that were asked for.
    ///   - setting: what it ran on, and when.
    public init(of measurement: Measurement, model: Model, units: ComputeUnits, setting: Setting) {
        var runtime = Runtime(
            name: .coreml, version: setting.device.osVersion, api: "MLModel", requested: units.units,
            strict: false)
        runtime.precision = model.variant
        if !measurement.loaded.operators.isEmpty {
            runtime.placement = Placement(of: measurement.loaded.operators)
        }
        var model = model
        model.inputs = measurement.loaded.inputs
        model.outputs = measurement.loaded.outputs
        self.init(
            reportId: setting.reportId, createdAt: setting.createdAt, tool: setting.tool,
            platform: .ios, kind: setting.kind, device: setting.device, runtime: runtime, model: model,
            protocol: Procedure(
                warmupRuns: measurement.plan.warmup, runs: measurement.plan.runs, input: measurement.input,
                timer: SteadyClock.name),
            latency: measurement.latency)
        memory = measurement.memory
        thermal = measurement.thermal
        perOp = measurement.loaded.operators
    }

    /// What a model ran on, and when.
    public struct Setting: Sendable {
        /// A UUID in small letters.
        public var reportId: String
        /// RFC 3339, UTC.
        public var createdAt: String
        /// What writes the report.
        public var tool: Tool
        /// Where the times are taken.
        public var kind: MeasurementKind
        /// What it runs on.
        public var device: Device

        /// Take its parts.
        public init(reportId: String, createdAt: String, tool: Tool, kind: MeasurementKind, device: Device) {
            self.reportId = reportId
            self.createdAt = createdAt
            self.tool = tool
            self.kind = kind
            self.device = device
        }
    }
}
