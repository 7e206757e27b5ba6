/// Whatever runs a model: tensors in, tensors out, by name.
public protocol InferenceEngine: Sendable {
    /// Run the model once, and read its outputs.
    func predict(_ inputs: [String: Tensor]) async throws -> [String: Tensor]
}

/// A model that is ready to run, and how it became so.
public struct LoadedModel: Sendable {
    /// That runs it.
    public let engine: any InferenceEngine
    /// Until it could run.
    public let loadNs: Int
    /// Compilation on the device; nil where it was compiled already.
    public let compileNs: Int?
    /// Inputs.
    public let inputs: [End]
    /// Outputs.
    public let outputs: [End]
    /// Where its operators are to run; empty where the system does not say.
    public let operators: [Operator]

    /// Take its parts.
    public init(
        engine: any InferenceEngine, loadNs: Int, compileNs: Int?, inputs: [End], outputs: [End],
        operators: [Operator]
    ) {
        self.engine = engine
        self.loadNs = loadNs
        self.compileNs = compileNs
        self.inputs = inputs
        self.outputs = outputs
        self.operators = operators
    }
}

/// A clock that never goes back.
public protocol NanosecondClock: Sendable {
    /// Now, in nanoseconds since some moment.
    func now() -> Int
}

/// The system's steady clock, which goes on while the device sleeps.
public struct SteadyClock: NanosecondClock {
    /// As a report names it.
    public static let name = "ContinuousClock"
    private let start = ContinuousClock.now

    /// Start at 0.
    public init() {}

    /// Now, in nanoseconds since this value was made.
    public func now() -> Int {
        let (seconds, attoseconds) = (ContinuousClock.now - start).components
        return Int(seconds) * 1_000_000_000 + Int(attoseconds / 1_000_000_000)
    }
}

/// What the system says of the process and the device.
public protocol SystemProbe: Sendable {
    /// Memory of the process, in 10⁶ bytes; nil where the system does not say.
    func memoryMb() -> Double?
    /// How hot the device is.
    func thermal() -> Thermal
}
