import Foundation
import Testing

@testable import MobileKitCore

/// The models that are bundled with the app: all that can be said of them without Core ML.
@Suite struct BundledTests {
    static let catalog = Catalog(
        folder: TestData.folder.appendingPathComponent("../ios/MobileKitDemo/Models").standardizedFileURL)

    @Test func eachFolderCanBeUsed() {
        #expect(Self.catalog.problems == [])
    }

    /// Its golden picture becomes its inputs, and what the network gives is shown, fed back and found equal.
    @Test(arguments: BundledTests.catalog.models)
    func eachFileGoesThroughTheApp(_ model: BundledModel) async throws {
        let golden = try model.golden()
        for file in model.files {
            let contract = try ModelContract(model.manifest, file: file)
            let inputs = try PictureWorkload(golden: golden, contract: contract).prepare()
            #expect(Set(inputs.keys) == Set(file.inputs.map(\.name)))
            #expect(file.inputs.allSatisfy { inputs[$0.name]?.shape == $0.shape })
            for sample in golden.samples {
                #expect(try FrameAdapter(contract).answer(sample.outputs) != FrameAdapter.Answer())
                var state = TemporalState(contract)
                try state.note(sample.outputs)
                #expect(state.inputs.count == contract.others.count)
            }
            let replay = FakeEngine { inputs in
                try #require(golden.samples.first { $0.inputs == inputs }).outputs
            }
            let verdicts = try await Parity.verdicts(engine: replay, file: file, golden: golden)
            #expect(verdicts.allSatisfy { $0.maxAbs == 0 && $0.passed })
            #expect(Parity.check(verdicts, manifest: model.manifest)?.passed == true)
        }
    }

    @Test(arguments: BundledTests.catalog.models)
    func whatFindsForgeriesSaysWhereItLooks(_ model: BundledModel) throws {
        guard model.manifest.labels.contains(ModelContract.fake) else { return }
        for file in model.files {
            #expect(
                try !ModelContract(model.manifest, file: file).lacksHeat,
                "\(model.id): bundle it with its map of attention")
        }
    }
}
