/// The parts that a frame goes through.
public enum Stage: String, CaseIterable, Sendable {
    case detection, preprocess, inference, colouring, total

    /// Its name on the screen.
    public var words: String { self == .preprocess ? "pre-processing" : rawValue }
}

/// Marks the beginning and the end of a stage, for a profiler.
public protocol StageMarking: Sendable {
    /// Begin a stage; what is returned ends it.
    func begin(_ stage: Stage) -> () -> Void
}

/// Marks nothing.
public struct NoMarks: StageMarking {
    /// There is nothing to take.
    public init() {}

    /// Begin nothing; what is returned ends nothing.
    public func begin(_ stage: Stage) -> () -> Void { {} }
}

/// Finds faces in frames.
public protocol FaceFinding: Sendable {
    /// What frames are to it.
    associatedtype Source: PixelSource
    /// Return the boxes of faces, the largest first.
    func faces(in source: Source) async throws -> [Box]
}

/// Takes a picture of one face for that face.
public struct WholePicture: FaceFinding {
    /// There is nothing to take.
    public init() {}

    /// Return all of the picture.
    public func faces(in source: Picture) -> [Box] {
        [Box(left: 0, top: 0, width: source.width, height: source.height)]
    }
}

/// What became of a frame.
public struct FrameResult: Equatable, Sendable {
    /// What the model was shown; nil where there was no face.
    public let box: Box?
    /// What it answered; nil where there was no face.
    public let answer: FrameAdapter.Answer?
    /// Mean over the last faces; nil for a model that does not tell forged ones.
    public let forgery: Double?
    /// How long each stage took.
    public let timesNs: [Stage: Int]
}

/// Takes frames one after the other through a model, and times each stage.
public actor LivePipeline<Finder: FaceFinding> {
    /// How much larger than the face the box is.
    static var margin: Double { 0.3 }
    /// A face that has less in common with the one before is another one.
    static var leastOverlap: Double { 0.3 }

    private let engine: any InferenceEngine
    private let frames: FrameAdapter
    private let finder: Finder
    private let clock: any NanosecondClock
    private let marks: any StageMarking
    private var state: TemporalState
    private var meter = ForgeryMeter()
    private var faceBefore: Box?
    private var times: [Stage: Int] = [:]

    /// Take the parts.
    ///
    /// - Throws: `Failure` where the contract's colours are none.
    public init(
        engine: any InferenceEngine, contract: ModelContract, finder: Finder,
        marks: any StageMarking = NoMarks(), clock: any NanosecondClock = SteadyClock()
    ) throws {
        self.engine = engine
        self.finder = finder
        self.clock = clock
        self.marks = marks
        frames = try FrameAdapter(contract)
        state = TemporalState(contract)
    }

    /// Take one frame through all stages; without a face, or with another one, the frames before it are
    /// forgotten.
    ///
    /// - Throws: what finding faces or running the model throws.
    public func process(_ source: Finder.Source) async throws -> FrameResult {
        times = [:]
        let all = open(.total)
        let detection = open(.detection)
        let faces = try await finder.faces(in: source)
        close(detection)
        follow(faces.first)
        guard let face = faces.first else {
            close(all)
            return FrameResult(box: nil, answer: nil, forgery: nil, timesNs: times)
        }
        let (box, inputs) = try prepared(source, face: face)
        let inference = open(.inference)
        let outputs = try await engine.predict(inputs)
        close(inference)
        let colouring = open(.colouring)
        let answer = try frames.answer(outputs)
        try state.note(outputs)
        close(colouring)
        close(all)
        let forgery = answer.forgery.map { meter.note($0) }
        return FrameResult(box: box, answer: answer, forgery: forgery, timesNs: times)
    }

    private func follow(_ face: Box?) {
        if (faceBefore?.overlap(with: face ?? .nothing) ?? 1) < Self.leastOverlap {
            state.reset()
            meter = ForgeryMeter()
        }
        faceBefore = face
    }

    private func prepared(_ source: Finder.Source, face: Box) throws -> (Box, [String: Tensor]) {
        let preprocess = open(.preprocess)
        defer { close(preprocess) }
        return try source.withPixels { view in
            let target = (frames.contract.planes.width, frames.contract.planes.height)
            let box = face.widened(by: Self.margin, in: (view.width, view.height), like: target)
            return (box, try frames.inputs(of: view, box: box, state: state))
        }
    }

    private struct Opened {
        let stage: Stage
        let startedNs: Int
        let end: () -> Void
    }

    private func open(_ stage: Stage) -> Opened {
        let end = marks.begin(stage)
        return Opened(stage: stage, startedNs: clock.now(), end: end)
    }

    private func close(_ opened: Opened) {
        times[opened.stage] = clock.now() - opened.startedNs
        opened.end()
    }
}
