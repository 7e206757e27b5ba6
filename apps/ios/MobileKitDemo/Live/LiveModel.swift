import CoreGraphics
import MobileKitCore
import Observation

/// What the camera sees, or a bundled picture, and what a model says of it.
@MainActor
@Observable
final class LiveModel {
    /// A frame with all that is laid over it.
    struct Shown {
        let image: CGImage
        let size: (width: Int, height: Int)
        let box: Box?
        let overlay: CGImage?
    }

    /// Where frames come from.
    enum Source: String, CaseIterable, Identifiable {
        case camera
        case picture = "bundled picture"

        var id: Self { self }
    }

    /// Which model runs, and on what.
    struct Setup: Hashable {
        var choice: Choice?
        var units = ComputeUnits.all
        var source = Source.camera
    }

    var setup = Setup()
    private(set) var shown: Shown?
    private(set) var forgery: Double?
    private(set) var label: String?
    private(set) var lacksHeat = false
    private(set) var legend: [FrameAdapter.LegendEntry] = []
    private(set) var table = StageTable()
    private(set) var vitals = ""
    private(set) var problem: String?
    private let camera = Camera()
    private let probe = DeviceProbe()

    /// Take frames through the model until the task is cancelled.
    func run() async {
        guard let choice = setup.choice else { return }
        (shown, table, forgery, label, problem) = (nil, StageTable(), nil, nil, nil)
        (legend, lacksHeat) = ([], false)
        Screen.keepOn(true)
        defer { Screen.keepOn(false) }
        do {
            let contract = try ModelContract(choice.model.manifest, file: choice.file)
            (legend, lacksHeat) = (try FrameAdapter(contract).legend, contract.lacksHeat)
            let loaded = try await CoreMLLoader().load(choice.file, of: choice.model, units: setup.units)
            switch setup.source {
            case .camera: try await watch(loaded.engine, contract: contract)
            case .picture: try await look(at: choice.model.golden(), loaded.engine, contract: contract)
            }
        } catch {
            if !Task.isCancelled { problem = oneLine(of: error) }
        }
    }

    private func watch(_ engine: any InferenceEngine, contract: ModelContract) async throws {
        let pipeline = try LivePipeline(
            engine: engine, contract: contract, finder: VisionFaceFinder(), marks: Signposts())
        for await frame in try await camera.frames() {
            show(try await pipeline.process(frame), of: frame)
        }
    }

    private func look(
        at golden: GoldenVectors, _ engine: any InferenceEngine, contract: ModelContract
    ) async throws {
        let picture = try golden.picture(for: contract).picture
        let pipeline = try LivePipeline(
            engine: engine, contract: contract, finder: WholePicture(), marks: Signposts())
        while !Task.isCancelled {
            show(try await pipeline.process(picture), of: picture)
            try await Task.sleep(for: .milliseconds(100))
        }
    }

    private func show(_ result: FrameResult, of frame: some Showable) {
        guard !Task.isCancelled, let image = frame.image() else { return }
        shown = Shown(
            image: image, size: frame.size, box: result.box, overlay: result.answer?.overlay?.image())
        table.note(result)
        forgery = result.forgery
        label = result.answer?.label
        vitals = "heat \(probe.thermal().rawValue), memory \(megabytes(probe.memoryMb()))"
    }
}
