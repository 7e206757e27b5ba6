import Foundation
import Testing

@testable import MobileKitCore

private struct FakeFinder: FaceFinding {
    let boxes: [Box]
    func faces(in source: Picture) async throws -> [Box] { boxes }
}

/// Finds what it is told, look by look, and then again from the first.
private final class LeavingFinder: FaceFinding, @unchecked Sendable {
    private let lock = NSLock()
    private let turns: [[Box]]
    private var count = 0

    var looks: Int { lock.withLock { count } }

    init(boxes turns: [Box]...) {
        self.turns = turns
    }

    func faces(in source: Picture) async throws -> [Box] {
        lock.withLock {
            defer { count += 1 }
            return turns[count % turns.count]
        }
    }
}

final class Marks: StageMarking, @unchecked Sendable {
    private let lock = NSLock()
    private var found: [String] = []

    var all: [String] { lock.withLock { found } }

    func begin(_ stage: Stage) -> () -> Void {
        lock.withLock { found.append("+\(stage.rawValue)") }
        return { [self] in lock.withLock { found.append("-\(stage.rawValue)") } }
    }
}

@Suite struct PipelineTests {
    private let face = Box(left: 2, top: 2, width: 4, height: 4)

    private func picture() throws -> Picture {
        try Picture(width: 10, height: 8, rgb: [UInt8](repeating: 50, count: 240))
    }

    private func pipeline(
        _ text: String, boxes: [Box], marks: Marks = Marks(),
        answer: @escaping @Sendable ([String: Tensor]) throws -> [String: Tensor]
    ) throws -> LivePipeline<FakeFinder> {
        try LivePipeline(
            engine: FakeEngine(answer: answer), contract: Models.contract(text),
            finder: FakeFinder(boxes: boxes),
            marks: marks, clock: TickingClock())
    }

    @Test func aFaceIsColoured() async throws {
        let marks = Marks()
        let pipeline = try pipeline(Models.segmentation, boxes: [face], marks: marks) { inputs in
            #expect(inputs["image"]?.values == [Float](repeating: 50, count: 12))
            return ["logits": try Tensor(shape: [1, 3, 2, 2], values: [9, 0, 0, 0, 0, 9, 0, 0, 0, 0, 9, 9])]
        }
        let found = try await pipeline.process(picture())
        #expect(found.box == Box(left: 2, top: 2, width: 5, height: 5))
        #expect(
            found.answer?.overlay?.rgba == [0, 0, 0, 0, 1, 2, 3, 255, 255, 128, 0, 255, 255, 128, 0, 255])
        #expect(found.answer?.overlay?.width == 2 && found.answer?.overlay?.height == 2)
        #expect(found.forgery == nil)
        #expect(Set(found.timesNs.keys) == Set(Stage.allCases))
        #expect(found.timesNs[.inference] == 10)
        #expect((found.timesNs[.total] ?? 0) > 40)
        #expect(
            marks.all == [
                "+total", "+detection", "-detection", "+preprocess", "-preprocess", "+inference",
                "-inference",
                "+colouring", "-colouring", "-total",
            ])
    }

    @Test func withoutAFaceTheModelRests() async throws {
        let pipeline = try pipeline(Models.segmentation, boxes: []) { _ in
            Issue.record("the model ran")
            return [:]
        }
        let found = try await pipeline.process(picture())
        #expect(found.box == nil && found.answer == nil)
        #expect(Set(found.timesNs.keys) == [.detection, .total])
    }

    @Test func scoresAreMeans() async throws {
        let logits = Shares()
        let pipeline = try pipeline(Models.forgery, boxes: [face]) { _ in
            logits.add(0)
            let even: [Float] = logits.all.count == 1 ? [0, 0] : [0, 100]
            return [
                "logits": try Tensor(shape: [1, 2], values: even),
                "attention": try Tensor(shape: [1, 1, 1, 2], values: [0, 1]),
            ]
        }
        let first = try await pipeline.process(picture())
        #expect(first.forgery == 0.5 && first.answer?.forgery == 0.5)
        #expect(first.answer?.overlay?.rgba == [0, 0, 0, 0, 255, 255, 0, 255])
        let second = try await pipeline.process(picture())
        #expect(second.answer?.forgery == 1 && second.forgery == 0.75)
    }

    @Test func theFrameBeforeIsFedBack() async throws {
        let fed = Shares()
        let pipeline = try pipeline(Models.video, boxes: [face]) { inputs in
            fed.add(Double(inputs["previous_mask"]?.values[0] ?? -1))
            return ["next_logits": try Tensor(shape: [1, 2, 2, 2], values: [0, 0, 0, 0, 0, 0, 0, 0])]
        }
        _ = try await pipeline.process(picture())
        _ = try await pipeline.process(picture())
        #expect(fed.all == [0, 0.5])
    }

    @Test func anotherPersonsScoresAreForgotten() async throws {
        let finder = LeavingFinder(boxes: [face], [])
        let pipeline = try LivePipeline(
            engine: FakeEngine { _ in
                [
                    "logits": try Tensor(shape: [1, 2], values: [0, 0]),
                    "attention": Tensor(zeros: [1, 1, 1, 2]),
                ]
            }, contract: Models.contract(Models.forgery), finder: finder)
        let picture = try picture()
        #expect(try await pipeline.process(picture).forgery == 0.5)
        #expect(try await pipeline.process(picture).forgery == nil)
        #expect(try await pipeline.process(picture).forgery == 0.5)
        #expect(finder.looks == 3)
    }

    @Test func anotherFaceBeginsAnew() async throws {
        let fed = Shares()
        let near = Box(left: 3, top: 2, width: 4, height: 4)
        let far = Box(left: 6, top: 4, width: 4, height: 4)
        let finder = LeavingFinder(boxes: [face], [near], [far], [])
        let pipeline = try LivePipeline(
            engine: FakeEngine { inputs in
                fed.add(Double(inputs["previous_mask"]?.values[0] ?? -1))
                return ["next_logits": Tensor(zeros: [1, 2, 2, 2])]
            }, contract: Models.contract(Models.video), finder: finder)
        let picture = try picture()
        for _ in 0..<6 { _ = try await pipeline.process(picture) }
        #expect(fed.all == [0, 0.5, 0, 0, 0.5])
    }

    @Test func aBundledPictureIsAllOfTheFace() async throws {
        let pipeline = try LivePipeline(
            engine: FakeEngine { _ in ["logits": Tensor(zeros: [1, 3, 2, 2])] },
            contract: Models.contract(Models.segmentation), finder: WholePicture())
        let picture = try Picture(width: 2, height: 2, rgb: [UInt8](repeating: 7, count: 12))
        let found = try await pipeline.process(picture)
        #expect(found.box == Box(left: 0, top: 0, width: 2, height: 2))
        #expect(picture.opaque.rgba == [7, 7, 7, 255, 7, 7, 7, 255, 7, 7, 7, 255, 7, 7, 7, 255])
        #expect((picture.opaque.width, picture.opaque.height) == (2, 2))
    }

    @Test func aMaskHasALegend() throws {
        let legend = try FrameAdapter(Models.contract(Models.segmentation)).legend
        #expect(legend.map(\.name) == ["skin", "hair"])
        #expect(legend.map(\.id) == [1, 2])
        #expect(legend.map { [$0.red, $0.green, $0.blue] } == [[1, 2, 3], [255, 128, 0]])
        #expect(try FrameAdapter(Models.contract(Models.forgery)).legend.isEmpty)
    }

    @Test func missingOutputsAreNamed() async throws {
        let pipeline = try pipeline(Models.segmentation, boxes: [face]) { _ in [:] }
        await #expect(throws: Failure("net: gave no logits")) { try await pipeline.process(picture()) }
    }

    @Test func classesAreNamed() throws {
        let text = Models.forgery.replacingOccurrences(of: "fake", with: "cat")
        let adapter = try FrameAdapter(Models.contract(text))
        let outputs = try [
            "logits": Tensor(shape: [1, 2], values: [1, 2]), "attention": Tensor(zeros: [1, 1, 1, 2]),
        ]
        #expect(try adapter.answer(outputs).label == "cat")
    }

    @Test func bytesAreRounded() throws {
        let text = Models.segmentation.replacingOccurrences(
            of: #""shape": [1, 3, 2, 2], "layout": "NCHW"},"#, with: "")
        let whole = text.replacingOccurrences(
            of: #"{"name": "image", "shape": [1, 3, 2, 2], "layout": "NCHW"}"#,
            with: #"{"name": "image", "shape": [1, 1, 1, 3], "dtype": "uint8", "layout": "NHWC"}"#)
        let contract = try Models.contract(whole)
        let view = try Picture(width: 2, height: 1, rgb: [10, 10, 10, 11, 11, 11])
        let inputs = try view.withPixels {
            try FrameAdapter(contract).inputs(
                of: $0, box: Box(left: 0, top: 0, width: 2, height: 1),
                state: TemporalState(contract))
        }
        #expect(inputs["image"]?.values == [11, 11, 11])
    }
}

@Suite struct PartsTests {
    @Test func softMaxesAreFedBack() throws {
        let text = Models.video.replacingOccurrences(of: "[1, 1, 2, 2]", with: "[1, 2, 2, 2]")
        var state = TemporalState(try Models.contract(text))
        #expect(state.inputs["previous_mask"] == Tensor(zeros: [1, 2, 2, 2]))
        let logits: [Float] = [0, 1, 2, -500, 0, 3, 0, 500]
        try state.note(["next_logits": Tensor(shape: [1, 2, 2, 2], values: logits)])
        let found = try #require(state.inputs["previous_mask"]).values
        for pixel in 0..<4 {
            let share = 1 / (1 + exp(Double(logits[pixel + 4] - logits[pixel])))
            #expect(close(Double(found[pixel]), share))
            #expect(close(Double(found[pixel] + found[pixel + 4]), 1))
        }
        state.reset()
        #expect(state.inputs["previous_mask"] == Tensor(zeros: [1, 2, 2, 2]))
        #expect(refusal { try state.note([:]) } == "net: next_logits cannot be fed back to previous_mask")
        #expect(
            refusal { try state.note(["next_logits": Tensor(zeros: [1, 2, 4, 4])]) }.contains("fed back"))
    }

    @Test func scoresAreBounded() throws {
        #expect(close(try #require(Forgery.mean(of: [0.2, 0.6])), 0.4))
        #expect(Forgery.mean(of: [0.0]) == 0.001)
        #expect(Forgery.mean(of: [1.0, 1.0]) == 0.999)
        #expect(Forgery.mean(of: []) == nil)
        #expect(close(try Forgery.probability(of: 1, logits: [0, 1]), 1 / (1 + exp(-1))))
        #expect(refusal { try Forgery.probability(of: 2, logits: [0, 1]) }.contains("class 2"))
        var meter = ForgeryMeter(most: 2)
        _ = meter.note(0.9)
        _ = meter.note(0.3)
        #expect(close(meter.note(0.5), 0.4))
    }

    @Test func heatIsCut() {
        #expect(
            HeatMap.rgba(of: [-1, .nan, 0.5, 2]) == [
                0, 0, 0, 0, 0, 0, 0, 0, 255, 0, 0, 128, 255, 255, 0, 255,
            ])
    }

    @Test func boxesOverlap() {
        let one = Box(left: 0, top: 0, width: 4, height: 4)
        #expect(one.overlap(with: one) == 1)
        #expect(one.overlap(with: Box(left: 2, top: 0, width: 4, height: 4)) == 8.0 / 24)
        #expect(one.overlap(with: Box(left: 5, top: 5, width: 4, height: 4)) == 0)
        #expect(one.overlap(with: .nothing) == 0)
    }

    @Test func boxesStayWithinThePicture() {
        let target = (width: 2, height: 2)
        func widened(_ box: Box, in size: (Int, Int)) -> Box {
            box.widened(by: 0.5, in: (size.0, size.1), like: target)
        }
        #expect(
            widened(Box(left: 4, top: 4, width: 4, height: 2), in: (20, 20))
                == Box(left: 3, top: 2, width: 6, height: 6))
        #expect(
            widened(Box(left: 0, top: 9, width: 4, height: 4), in: (20, 12))
                == Box(left: 0, top: 6, width: 6, height: 6))
        #expect(
            widened(Box(left: 0, top: 0, width: 90, height: 90), in: (20, 12))
                == Box(left: 8, top: 0, width: 12, height: 12))
    }

    @Test func visionsSharesBecomePixels() {
        func box(_ left: Double, _ bottom: Double, _ width: Double, _ height: Double) -> Box? {
            Box(bottomUp: (left, bottom, width, height), in: (100, 200))
        }
        #expect(box(0.1, 0.2, 0.5, 0.25) == Box(left: 10, top: 110, width: 50, height: 50))
        #expect(box(-0.1, 0.5, 0.3, 0.7) == Box(left: 0, top: 0, width: 20, height: 100))
        #expect(box(0.8, 0, 0.4, 0.1) == Box(left: 80, top: 180, width: 20, height: 20))
        #expect(box(1.1, 0, 0.4, 0.1) == nil)
        #expect(box(0.1, 0.2, 0.5, 0.25)?.area == 2500)
    }

    @Test func theTableHoldsTheLastFramesWithAFace() {
        var table = StageTable(most: 2)
        #expect(table.rows.map(\.id) == Stage.allCases && table.rows[0].summary == nil)
        for time in [90, 10, 30] {
            table.note(FrameResult(box: face, answer: nil, forgery: nil, timesNs: [.total: time]))
        }
        table.note(FrameResult(box: nil, answer: nil, forgery: nil, timesNs: [.total: 1]))
        #expect(table.rows.last?.summary?.meanNs == 20)
    }

    private let face = Box(left: 0, top: 0, width: 1, height: 1)

    @Test func constantsRunNowhere() {
        #expect(["const", "ios17.const", "ios16.constexpr_lut_to_dense"].allSatisfy(Operator.isConstant))
        #expect(!Operator.isConstant("ios17.conv"))
    }

    @Test func picturesAreWhole() throws {
        #expect(refusal { try Picture(width: 2, height: 2, rgb: [1]) }.contains("2 × 2 × 3 bytes"))
        let picture = try Picture(width: 2, height: 1, rgb: [0, 100, 200, 0, 100, 200])
        let planes = try #require(Planes(shape: [1, 1, 1, 1], layout: .nchw))
        let grey = try picture.withPixels {
            try Preprocess.values(of: $0, box: Box(left: 0, top: 0, width: 2, height: 1), planes: planes)
        }
        #expect(close(Double(grey[0]), 0.587 * 100 + 0.114 * 200))
        let wide = Box(left: 1, top: 0, width: 2, height: 1)
        #expect(
            refusal { try picture.withPixels { try Preprocess.values(of: $0, box: wide, planes: planes) } }
                .contains("reaches beyond the picture"))
        let four = try #require(Planes(shape: [1, 4, 1, 1], layout: .nchw))
        #expect(
            refusal { try picture.withPixels { try Preprocess.values(of: $0, box: nil, planes: four) } }
                .contains("3 channels or 1, found 4"))
    }

    /// The camera's order of bytes, with rows that are longer than the picture.
    @Test func camerasBytesAreRead() throws {
        let memory: [UInt8] = [
            30, 20, 10, 255, 60, 50, 40, 255, 9, 9, 9, 9, 3, 2, 1, 255, 6, 5, 4, 255, 9, 9, 9, 9,
        ]
        let planes = try #require(Planes(shape: [1, 2, 2, 3], layout: .nhwc))
        let found = try memory.withUnsafeBytes { bytes in
            let start = try #require(bytes.baseAddress)
            return try Preprocess.values(
                of: PixelView(start: start, width: 2, height: 2, bytesPerRow: 12, order: .bgra), box: nil,
                planes: planes)
        }
        #expect(found == [10, 20, 30, 40, 50, 60, 1, 2, 3, 4, 5, 6])
    }

    @Test func masksOfManyPixelsAreThoseOfEachPixel() throws {
        var numbers = SplitMix(state: 3)
        let planes = try #require(Planes(shape: [1, 5, 7, 11], layout: .nchw))
        let logits = (0..<5 * 77).map { _ in Float(numbers.next() % 8) }
        let found = try Mask.classes(of: logits, planes: planes)
        for pixel in 0..<77 {
            let scores = (0..<5).map { logits[$0 * 77 + pixel] }
            #expect(Int(found[pixel]) == scores.firstIndex(of: scores.max() ?? 0))
        }
        #expect(refusal { try Mask.classes(of: [1], planes: planes) }.contains("expected 77"))
    }

    @Test func coloursAreSpreadWhereThereAreNone() throws {
        let map = try ColourMap(colours: [], classes: 4)
        #expect(try map.rgba(of: [0]) == [0, 0, 0, 0])
        // hue 0.618034 of a circle, saturation 0.75, value 0.95
        #expect(map.components(of: 1) == (61, 114, 242))
        #expect(refusal { try map.rgba(of: [4]) } == "class 4 has no colour; there are 4")
        #expect(refusal { try ColourMap(colours: ["red"], classes: 1) }.contains("expected a colour"))
        #expect(refusal { try ColourMap(colours: [], classes: 0) }.contains("found 0"))
    }

    @Test func figuresAreShownInWords() throws {
        #expect(
            Stage.allCases.map(\.words)
                == ["detection", "pre-processing", "inference", "colouring", "total"])
        #expect(milliseconds(1_234_567) == "1.23 ms" && milliseconds(nil) == "–")
        #expect(megabytes(12.34) == "12.3 MB" && megabytes(nil) == "–")
        let operators = [
            Operator(index: 0, name: "", type: "conv", device: .ane),
            Operator(index: 1, name: "", type: "conv", device: .unassigned),
        ]
        #expect(Placement(of: operators).words == "1 ANE, 0 GPU, 0 CPU, 1 none")
        #expect(Placement(of: []).words == "0 ANE, 0 GPU, 0 CPU")
        #expect(Memory(beforeLoadMb: 1, peakMb: 2.25).words == "1.0 MB, loaded –, at most 2.2 MB")
        var course = ThermalCourse(start: .none)
        course.note(.severe, atMs: 1)
        course.note(.light, atMs: 2)
        #expect(course.words == "none to light, at most severe")
        let check = Check(referenceSha256: Models.digest, maxAbs: 0.25, passed: false, argmaxAgreement: 0.5)
        #expect(check.words == "NO, at most 0.25 apart, same class at 0.5000")
        #expect(Check(referenceSha256: "", maxAbs: 0, passed: true).words == "yes, at most 0 apart")
        let verdict = ParityVerdict(
            set: "images", output: "logits", maxAbs: 0.5, sqnrDb: .infinity, leastSqnrDb: 40,
            argmaxAgreement: 1)
        #expect(verdict.words == "inf dB of at least 40.0, at most 0.5 apart, same class at 1.0000")
    }

    @Test func errorsAreOneLine() {
        struct Odd: Error, CustomStringConvertible { var description: String { "one\ntwo" } }
        #expect(oneLine(of: Odd()) == "one two")
        #expect(oneLine(of: Failure("x")) == "x")
    }
}
