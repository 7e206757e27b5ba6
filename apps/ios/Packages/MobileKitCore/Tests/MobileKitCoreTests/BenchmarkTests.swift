import Foundation
import Testing

@testable import MobileKitCore

@Suite struct BenchmarkTests {
    private func loaded(_ engine: FakeEngine, operators: [Operator] = []) -> LoadedModel {
        LoadedModel(
            engine: engine, loadNs: 7, compileNs: 5,
            inputs: [End(name: "image", shape: [1, 3, 2, 2], dtype: "float32")],
            outputs: [End(name: "logits", shape: [1, 3, 2, 2], dtype: "float32")], operators: operators)
    }

    private let answering = FakeEngine { _ in ["logits": Tensor(zeros: [1, 3, 2, 2])] }

    private var setting: DeviceReport.Setting {
        var device = DeviceReport.Device(
            manufacturer: "Apple", model: "iPhone0,0", soc: "", os: "iOS", osVersion: "0.0")
        device.cpuCores = 6
        return DeviceReport.Setting(
            reportId: "00000000-0000-4000-8000-00000000000a", createdAt: "2026-11-21T12:00:00Z",
            tool: DeviceReport.Tool(name: "test", version: "0"), kind: .simulator, device: device)
    }

    private let model = DeviceReport.Model(
        name: "net", variant: "float16", file: "model.mlpackage", sha256: Models.digest, sizeBytes: 12)

    @Test func everyRunOfAPictureHasItsStages() async throws {
        let contract = try Models.contract(Models.segmentation)
        let picture = try Picture(width: 4, height: 4, rgb: [UInt8](repeating: 100, count: 48))
        let marks = Marks()
        let loop = BenchmarkLoop(clock: TickingClock(), probe: GrowingProbe(), marks: marks)
        let shares = Shares()
        let operators = [
            Operator(index: 0, name: "a", type: "ios17.conv", device: .ane, costWeight: 1),
            Operator(index: 1, name: "b", type: "const", device: .unassigned),
        ]
        let found = try await loop.run(
            BenchmarkPlan(runs: 4, warmup: 2), load: { loaded(answering, operators: operators) },
            workload: { _ in try PictureWorkload(picture, name: "grey", contract: contract) },
            progress: { shares.add($0) })
        #expect(found.latency.inference.samplesNs == [10, 10, 10, 10])
        #expect(found.latency.preprocess?.samplesNs == [10, 10, 10, 10])
        #expect(found.latency.postprocess?.samplesNs == [10, 10, 10, 10])
        #expect(found.latency.endToEnd?.samplesNs == [30, 30, 30, 30])
        #expect(found.latency.warmupMeanNs == 10)
        #expect((found.latency.loadNs, found.latency.compileNs, found.latency.firstNs) == (7, 5, 10))
        #expect(found.memory == Memory(beforeLoadMb: 1, afterLoadMb: 2, peakMb: 7))
        #expect(found.thermal.max == .light && found.thermal.start == .none)
        #expect(found.thermal.samples?.count == 2)
        #expect(shares.all == [0.25, 0.5, 0.75, 1])
        let once = ["+preprocess", "-preprocess", "+inference", "-inference", "+colouring", "-colouring"]
        #expect(marks.all == Array(repeating: once, count: 7).flatMap { $0 })
        let report = DeviceReport(of: found, model: model, units: .cpuAndNeuralEngine, setting: setting)
        let again = try DeviceReport.read(report.written(), at: "again")
        #expect(again == report)
        #expect(again.runtime.requested == [.cpu, .ane])
        #expect(again.runtime.placement?.ane == 1 && again.runtime.placement?.unassigned == 1)
        #expect(again.protocol.input == "bundled:grey")
        #expect(again.model.inputs?.count == 1)
    }

    @Test func anUnknownModelIsRunOnRandomPixels() async throws {
        let loop = BenchmarkLoop(clock: TickingClock(), probe: GrowingProbe())
        let engine = FakeEngine { inputs in
            #expect(inputs["image"]?.values.count == 12)
            return [:]
        }
        let found = try await loop.run(
            BenchmarkPlan(runs: 2, warmup: 0), load: { loaded(engine) },
            workload: { RandomWorkload($0.inputs) })
        #expect(found.input == "random:seed=0")
        #expect(found.latency.preprocess == nil && found.latency.endToEnd == nil)
        #expect(found.latency.warmupMeanNs == nil)
        let report = DeviceReport(of: found, model: model, units: .all, setting: setting)
        #expect(report.runtime.placement == nil)
        #expect(try DeviceReport.read(report.written(), at: "again") == report)
    }

    @Test func randomPixelsAreTheSameAgain() {
        let ends = [
            End(name: "image", shape: [1, 3, 8, 8], dtype: "float32"),
            End(name: "number", shape: [2], dtype: "int32"),
        ]
        let one = RandomWorkload(ends).prepare()
        #expect(one == RandomWorkload(ends).prepare())
        #expect(one != RandomWorkload(ends, seed: 1).prepare())
        #expect(one["number"]?.values == [0, 0])
        let pixels = one["image"]?.values ?? []
        #expect(pixels.allSatisfy { (0...255).contains($0) } && Set(pixels).count > 50)
    }

    @Test func goldenInputsBecomePictures() throws {
        let contract = try Models.contract(Models.segmentation)
        func golden(_ values: [Float]) throws -> GoldenVectors {
            let file = try Safetensors(
                safetensors([("a.image", "F32", [1, 3, 2, 2], bytes(values))]), at: "f")
            return try GoldenVectors(inputs: file, outputs: file)
        }
        let values = (0..<12).map { Float(20 * $0) }
        let workload = try PictureWorkload(golden: golden(values), contract: contract)
        #expect(workload.input == "bundled:golden.a")
        #expect(try workload.prepare()["image"]?.values == values)
        #expect(
            refusal { try PictureWorkload(golden: golden(values.map { -1 - $0 }), contract: contract) }
                .contains("hold no picture"))
    }

    @Test func aCancelledMeasurementEndsBetweenTwoRuns() async throws {
        let loop = BenchmarkLoop(probe: GrowingProbe())
        let count = Shares()
        let engine = FakeEngine { _ in
            count.add(1)
            if count.all.count == 3 { withUnsafeCurrentTask { $0?.cancel() } }
            return [:]
        }
        let task = Task {
            try await loop.run(
                BenchmarkPlan(runs: 1000, warmup: 0), load: { loaded(engine) },
                workload: { RandomWorkload($0.inputs) })
        }
        await #expect(throws: CancellationError.self) { try await task.value }
        #expect(count.all.count == 3)
    }

    @Test func theSteadyClockGoesOn() async throws {
        let clock = SteadyClock()
        let start = clock.now()
        try await Task.sleep(nanoseconds: 2_000_000)
        #expect((2_000_000..<60_000_000_000).contains(clock.now() - start))
    }

    @Test func aReportThatContradictsItselfIsNotWritten() throws {
        var report = try DeviceReport.read(TestData.data("reports/ios.json"), at: "ios")
        report.protocol.runs = 7
        #expect(refusal { try report.written() }.contains("$.latency.inference.samples_ns"))
        report = try DeviceReport.read(TestData.data("reports/ios.json"), at: "ios")
        report.memory = Memory(peakMb: .nan)
        #expect(refusal { try report.written() }.contains("$.memory.peak_mb"))
        report = try DeviceReport.read(TestData.data("reports/no-samples.json"), at: "none")
        report.protocol.runs += 1
        #expect(refusal { try report.written() }.contains("summary.n"))
        #expect(report.latency.inference.samplesNs ?? [] == [])
    }

    @Test func emptySamplesHaveNoSummary() {
        #expect(Summary(samplesNs: []) == nil)
    }
}

/// Numbers that were given, in their order.
final class Shares: @unchecked Sendable {
    private let lock = NSLock()
    private var found: [Double] = []

    var all: [Double] { lock.withLock { found } }

    func add(_ share: Double) {
        lock.withLock { found.append(share) }
    }
}
