/// How long each part took; nil where there was no such part, or nobody looked.
public struct Latency: Codable, Equatable, Sendable {
    /// The model itself, with the reading of its outputs.
    public var inference: Distribution
    /// Until the model could run.
    public var loadNs: Int
    /// The first run, before the warm-up.
    public var firstNs: Int
    /// Compilation on the device.
    public var compileNs: Int?
    /// Mean of the warm-up.
    public var warmupMeanNs: Double?
    /// From the picture to the inputs.
    public var preprocess: Distribution?
    /// From the outputs to what is shown.
    public var postprocess: Distribution?
    /// All of it.
    public var endToEnd: Distribution?

    /// Take what every report has.
    public init(inference: Distribution, loadNs: Int, firstNs: Int) {
        self.inference = inference
        self.loadNs = loadNs
        self.firstNs = firstNs
    }
}

/// The times of one stage, one per run.
public struct Distribution: Codable, Equatable, Sendable {
    /// In their order.
    public var samplesNs: [Int]?
    /// What they come to.
    public var summary: Summary?

    /// Take samples, and derive their statistics.
    public init(samplesNs: [Int]) {
        self.samplesNs = samplesNs
        summary = Summary(samplesNs: samplesNs)
    }
}

/// Memory of the process, in 10⁶ bytes.
public struct Memory: Codable, Equatable, Sendable {
    /// Before the model was loaded.
    public var beforeLoadMb: Double?
    /// When it had been loaded.
    public var afterLoadMb: Double?
    /// The most that was seen.
    public var peakMb: Double?

    /// Take its parts.
    public init(beforeLoadMb: Double? = nil, afterLoadMb: Double? = nil, peakMb: Double? = nil) {
        self.beforeLoadMb = beforeLoadMb
        self.afterLoadMb = afterLoadMb
        self.peakMb = peakMb
    }
}

/// One operator of the model.
public struct Operator: Codable, Equatable, Sendable {
    /// Its place in the program.
    public var index: Int
    /// Of what it gives.
    public var name: String
    /// Such as ios17.conv.
    public var type: String
    /// Unit that is preferred for it.
    public var device: Place
    /// Core ML's own estimate of its share, 0–1.
    public var costWeight: Double?
    /// Its time, where it was measured.
    public var meanNs: Double?

    /// Say whether operators of a type only hold numbers, and so run nowhere.
    public static func isConstant(_ type: String) -> Bool {
        type == "const" || type.hasSuffix(".const") || type.contains("constexpr")
    }

    /// Units, and what has none.
    public enum Place: String, Codable, Sendable { case ane, cpu, gpu, npu, unassigned }

    /// Take its parts.
    public init(index: Int, name: String, type: String, device: Place, costWeight: Double? = nil) {
        self.index = index
        self.name = name
        self.type = type
        self.device = device
        self.costWeight = costWeight
    }
}

/// Core ML's plan: operators by the unit that it prefers for them.
public struct Placement: Codable, Equatable, Sendable {
    /// On the Neural Engine.
    public var ane: Int
    /// On the GPU.
    public var gpu: Int
    /// On the processor.
    public var cpu: Int
    /// Without a unit, such as constants.
    public var unassigned: Int?

    /// Count the places of operators.
    public init(of operators: [Operator]) {
        func count(_ place: Operator.Place) -> Int {
            operators.reduce(0) { $0 + ($1.device == place ? 1 : 0) }
        }
        ane = count(.ane)
        gpu = count(.gpu)
        cpu = count(.cpu)
        unassigned = count(.unassigned)
    }
}

/// LiteRT's delegate: how much of the graph it took.
public struct Delegate: Codable, Equatable, Sendable {
    /// Of the graph.
    public var nodes: Int
    /// Of these, taken.
    public var delegated: Int
    /// In how many pieces.
    public var partitions: Int
}

/// One input or output.
public struct End: Codable, Equatable, Sendable {
    /// Its name.
    public var name: String
    /// Its shape.
    public var shape: [Int]
    /// Its type.
    public var dtype: String

    /// Take its parts.
    public init(name: String, shape: [Int], dtype: String) {
        self.name = name
        self.shape = shape
        self.dtype = dtype
    }
}

/// How the outputs compare with the golden vectors of the artifact.
public struct Check: Codable, Equatable, Sendable {
    /// Digest of the file of golden outputs.
    public var referenceSha256: String
    /// Greatest distance of a value.
    public var maxAbs: Double
    /// The verdict.
    public var passed: Bool
    /// Share of positions at which both name the same class, 0–1.
    public var argmaxAgreement: Double?

    /// Take its parts.
    public init(referenceSha256: String, maxAbs: Double, passed: Bool, argmaxAgreement: Double? = nil) {
        self.referenceSha256 = referenceSha256
        self.maxAbs = maxAbs
        self.passed = passed
        self.argmaxAgreement = argmaxAgreement
    }
}
