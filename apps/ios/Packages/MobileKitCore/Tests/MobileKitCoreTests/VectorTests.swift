import Foundation
import Testing

@testable import MobileKitCore

struct StatisticsVector: Decodable, Sendable {
    let name: String
    let samplesNs: [Int]
    let summary: Summary
}

struct MaskVector: Decodable, Sendable {
    let name: String
    let layout: Layout
    let shape: [Int]
    let logits: [Float]
    let mask: [UInt8]
}

struct ColourVector: Decodable, Sendable {
    let colours: [String]
    let mask: [UInt8]
    let rgba: [UInt8]
}

struct PreprocessVector: Decodable, Sendable {
    let image: String
    let box: Box?
    let usedBox: Box
    let layout: Layout
    let dtype: String
    let shape: [Int]
    let values: [Double]
}

/// Every shared vector: whole numbers equal, floats within 1e-6.
@Suite struct VectorTests {
    @Test(arguments: try TestData.load([StatisticsVector].self, "statistics.json"))
    func statistics(_ vector: StatisticsVector) throws {
        let found = try #require(Summary(samplesNs: vector.samplesNs))
        var rounded = found
        #expect(close(found.meanNs, vector.summary.meanNs))
        #expect(close(found.stddevNs, vector.summary.stddevNs))
        rounded.meanNs = vector.summary.meanNs
        rounded.stddevNs = vector.summary.stddevNs
        #expect(rounded == vector.summary)
    }

    @Test(arguments: try TestData.load([MaskVector].self, "masks.json"))
    func masks(_ vector: MaskVector) throws {
        let planes = try #require(Planes(shape: vector.shape, layout: vector.layout))
        #expect(try Mask.classes(of: vector.logits, planes: planes) == vector.mask)
    }

    @Test(arguments: try TestData.load([ColourVector].self, "colours.json"))
    func colours(_ vector: ColourVector) throws {
        let map = try ColourMap(colours: vector.colours, classes: vector.colours.count)
        #expect(try map.rgba(of: vector.mask) == vector.rgba)
    }

    @Test(arguments: try TestData.load([PreprocessVector].self, "preprocess.json"))
    func preprocess(_ vector: PreprocessVector) throws {
        let picture = try TestData.picture(vector.image)
        let planes = try #require(Planes(shape: vector.shape, layout: vector.layout))
        let centred = Box.centred(
            in: (picture.width, picture.height), like: (planes.width, planes.height))
        #expect(vector.box ?? centred == vector.usedBox)
        let found = try picture.withPixels { try Preprocess.values(of: $0, box: vector.box, planes: planes) }
        #expect(found.count == vector.values.count)
        if vector.dtype == "uint8" {
            #expect(Preprocess.bytes(of: found).map(Double.init) == vector.values)
        } else {
            for (one, other) in zip(found, vector.values) {
                #expect(close(Double(one), other))
            }
        }
    }

    @Test func everyFileHoldsVectors() throws {
        #expect(try TestData.load([StatisticsVector].self, "statistics.json").count >= 9)
        #expect(try TestData.load([MaskVector].self, "masks.json").count >= 8)
        #expect(try TestData.load([ColourVector].self, "colours.json").count >= 2)
        #expect(try TestData.load([PreprocessVector].self, "preprocess.json").count >= 7)
        #expect(try TestData.load([ReportVector].self, "reports/index.json").count >= 17)
    }
}

struct ReportVector: Decodable, Sendable {
    let file: String
    let valid: Bool
    let says: String
}

/// The golden reports: the good ones are read and written again, the bad ones refused with their key path.
@Suite struct ReportVectorTests {
    @Test(arguments: try TestData.load([ReportVector].self, "reports/index.json"))
    func reports(_ vector: ReportVector) throws {
        let data = try TestData.data("reports/\(vector.file)")
        guard vector.valid else {
            let words = refusal { try DeviceReport.read(data, at: vector.file) }
            #expect(words.hasPrefix(vector.file))
            #expect(words.contains(vector.says))
            return
        }
        let report = try DeviceReport.read(data, at: vector.file)
        #expect(try DeviceReport.read(report.written(), at: "again") == report)
    }
}

struct ContractVector: Decodable {
    let thermal: [Thermal]
    let iosThermal: [String: Thermal]
    let computeUnits: [String: [ComputeUnit]]
    let kinds: [String: [MeasurementKind]]
    let arguments: [String: [String: String]]
}

/// The words and numbers that desk and app share.
@Suite struct ContractTests {
    let contract: ContractVector

    init() throws {
        contract = try TestData.load(ContractVector.self, "contract.json")
    }

    @Test func heatIsOnOneScale() {
        #expect(contract.thermal == Thermal.allCases)
        #expect(contract.iosThermal.count == Thermal.Apple.allCases.count)
        for (word, state) in contract.iosThermal {
            #expect(Thermal.Apple(rawValue: word).map { Thermal($0) } == state)
        }
    }

    @Test func unitsAreTheDesks() {
        #expect(contract.computeUnits.count == ComputeUnits.allCases.count)
        for (word, units) in contract.computeUnits {
            #expect(ComputeUnits(rawValue: word)?.units == units)
        }
    }

    @Test func kindsAreTheDesks() {
        #expect(contract.kinds.count == Platform.allCases.count)
        for (word, kinds) in contract.kinds {
            #expect(Platform(rawValue: word)?.kinds == kinds)
        }
    }

    @Test func launchArgumentsAreRead() throws {
        let told = try #require(contract.arguments["ios launch"])
        let arguments = ["app"] + told.flatMap { [$0.key, $0.value] }
        let order = try #require(try LaunchOrder.parse(arguments))
        #expect(order.package == told["--benchmark"])
        #expect(order.report == told["--report"])
        #expect(order.model.name == told["--name"])
        #expect(order.model.variant == told["--variant"])
        #expect(order.model.file == told["--file"])
        #expect(order.model.sha256 == told["--sha256"])
        #expect("\(order.model.sizeBytes)" == told["--size-bytes"])
        #expect("\(order.plan.runs)" == told["--runs"])
        #expect("\(order.plan.warmup)" == told["--warmup"])
        #expect(order.units.rawValue == told["--compute-units"])
        #expect(told.count == 10)
        for name in told.keys {
            let fewer = ["app"] + told.filter { $0.key != name }.flatMap { [$0.key, $0.value] }
            if name == "--benchmark" {
                #expect(try LaunchOrder.parse(fewer) == nil)
            } else {
                #expect(throws: Failure("\(name): is missing")) { try LaunchOrder.parse(fewer) }
            }
        }
    }

    @Test func theCameraIsOnlyForPersons() throws {
        let told = try #require(contract.arguments["ios launch"])
        #expect(Purpose(arguments: ["app"] + Array(told.keys), environment: [:]) == .order)
        #expect(Purpose(arguments: ["app"], environment: ["XCTestBundlePath": ""]) == .tests)
        #expect(Purpose(arguments: ["app"], environment: ["HOME": "/"]) == .screens)
    }

    @Test func theTestsEnvironmentIsRead() throws {
        let told = try #require(contract.arguments["ios test environment"])
        let order = try TestOrder.parse(told)
        #expect(order.sha256 == told["MOBILEKIT_SHA256"])
        #expect("\(order.plan.runs)" == told["MOBILEKIT_RUNS"])
        #expect("\(order.plan.warmup)" == told["MOBILEKIT_WARMUP"])
        #expect(order.units.rawValue == told["MOBILEKIT_COMPUTE_UNITS"])
        #expect(told.count == 4)
        let plan = try BenchmarkPlan(runs: 50, warmup: 10)
        #expect(try TestOrder.parse([:]) == TestOrder(sha256: nil, plan: plan, units: .all))
    }

    @Test(arguments: [
        ("--runs", "many", "--runs many: expected a whole number"),
        ("--runs", "0", "expected at least 1 run"),
        ("--compute-units", "tpu", "--compute-units tpu: expected one of cpuOnly"),
        ("--report", "/etc/passwd", "--report /etc/passwd: expected a path within the app's container"),
        ("--benchmark", "Documents/../../x", "expected a path within the app's container"),
    ])
    func wrongArgumentsAreRefused(name: String, value: String, words: String) throws {
        var told = try #require(contract.arguments["ios launch"])
        told[name] = value
        let said = refusal { try LaunchOrder.parse(told.flatMap { [$0.key, $0.value] }) }
        #expect(said.contains(words))
    }
}
