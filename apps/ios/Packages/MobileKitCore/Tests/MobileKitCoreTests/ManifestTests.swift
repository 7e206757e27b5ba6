import Foundation
import Testing

@testable import MobileKitCore

@Suite struct ManifestTests {
    @Test func whatAnAppNeedsIsRead() throws {
        let manifest = try Models.manifest(Models.video)
        #expect(manifest.state == ["next_logits": "previous_mask"])
        #expect(manifest.normalization?.mean == [0.5])
        #expect(manifest.labels.isEmpty)
        #expect(!manifest.untrained)
        let file = manifest.files[1]
        #expect(file.variant == "float16")
        #expect(file.inputs[1].end == End(name: "previous_mask", shape: [1, 1, 2, 2], dtype: "float32"))
        #expect(file.parity.sets?[0].outputs[0].leastSqnrDb == 40)
    }

    @Test func variantsAreCalledAsTheDeskCallsThem() throws {
        let one = Models.text(
            inputs: "", outputs: "", extra: #""labels": []"#, target: #", "quantize": "int8""#)
        #expect(try Models.manifest(one).files[1].variant == "int8")
        let mixed = one.replacingOccurrences(of: #""int8""#, with: #""int8", "layers": {"head": "float"}"#)
        #expect(try Models.manifest(mixed).files[1].variant == "int8 mixed")
    }

    @Test(arguments: [
        ("{", "net: is not valid JSON"),
        (#"{"schema_version": 2}"#, "lacks `name`"),
        (
            Models.video.replacingOccurrences(of: #""schema_version": 1"#, with: #""schema_version": 2"#),
            "not the 1"
        ),
        (
            Models.video.replacingOccurrences(of: #""size_bytes": 12"#, with: #""size_bytes": "x""#),
            "$.files[1].size_bytes"
        ),
    ])
    func anotherFormIsRefused(text: String, words: String) {
        #expect(refusal { try Models.manifest(text) }.contains(words))
    }

    @Test func tasksFollowFromShapesAndLabels() throws {
        let planes = try #require(Planes(shape: [1, 3, 2, 2], layout: .nchw))
        #expect(
            try Models.contract(Models.segmentation).task == .segmentation(output: "logits", planes: planes))
        let forgery = try Models.contract(Models.forgery)
        #expect(forgery.task == .forgery(output: "logits", fake: 1))
        #expect(forgery.heat?.output == "attention")
        #expect(forgery.heat?.planes.width == 2)
        #expect(!forgery.lacksHeat)
        #expect(try Models.contract(Models.classifier).lacksHeat)
        #expect(try !Models.contract(Models.segmentation).lacksHeat)
        let others = Models.forgery.replacingOccurrences(of: "fake", with: "cat")
        #expect(try Models.contract(others).task == .classification(output: "logits"))
        #expect(try Models.contract(others) != forgery)
        #expect(try Models.contract(Models.forgery) == forgery)
        #expect(forgery.names(count: 2) == ["real", "fake"])
        #expect(forgery.names(count: 1) == ["class 0"])
    }

    @Test(arguments: [
        (
            #"{"name": "x", "shape": [1, 7]}"#, #"{"name": "y", "shape": [1, 2]}"#,
            "does not take a whole picture"
        ),
        (
            #"{"name": "x", "shape": [1, 3, 2, 2], "layout": "NCHW", "kept": {"indices": [0]}}"#,
            #"{"name": "y", "shape": [1, 2]}"#, "does not take a whole picture"
        ),
        (
            #"{"name": "x", "shape": [1, 3, 2, 2], "layout": "NCHW"}"#, #"{"name": "y", "shape": [7]}"#,
            "neither a mask nor scores"
        ),
    ])
    func whatCannotBeShownIsRefused(inputs: String, outputs: String, words: String) {
        let text = Models.text(inputs: inputs, outputs: outputs, extra: #""labels": []"#)
        #expect(refusal { try Models.contract(text) }.contains(words))
    }

    @Test func thePictureIsWhatIsNotFedBack() throws {
        let contract = try Models.contract(
            Models.text(
                inputs: #"""
                    {"name": "before", "shape": [1, 3, 2, 2], "layout": "NCHW"},
                    {"name": "image", "shape": [1, 3, 4, 4], "layout": "NCHW"}
                    """#,
                outputs: #"{"name": "logits", "shape": [1, 3, 2, 2], "layout": "NCHW"}"#,
                extra: #""state": {"logits": "before"}"#))
        #expect(contract.image.name == "image" && contract.planes.width == 4)
        #expect(contract.others.map(\.name) == ["before"])
    }

    @Test func aClassifiersScoresAreTheNetworksOutput() throws {
        let manifest = try Models.manifest(Models.classifier)
        let contract = try ModelContract(manifest, file: manifest.files[1])
        #expect(contract.renames == ["classLabel_probs": "logits"])
        #expect(try Models.contract(Models.forgery).renames.isEmpty)
    }

    @Test func withoutANormalizationPixelsAreStandardized() throws {
        let whole = Models.segmentation
        let text = whole.replacingOccurrences(
            of: #"{"mean": [0.5], "std": [0.5], "scale": 0.004}"#, with: "null")
        let white = [Float](repeating: 255, count: 12)
        let planes = try #require(Planes(shape: [1, 3, 2, 2], layout: .nchw))
        let found = try Models.contract(text).pixels.applied(to: white, planes: planes)
        for (place, expected) in [
            (0, (1 - 0.485) / 0.229), (4, (1 - 0.456) / 0.224), (8, (1 - 0.406) / 0.225),
        ] {
            #expect(close(Double(found[place]), expected))
        }
        #expect(try Models.contract(whole).pixels.applied(to: white, planes: planes) == white)
        let gray = try #require(Planes(shape: [1, 1, 1, 1], layout: .nchw))
        #expect(PixelRange.standardized.applied(to: [255], planes: gray) == [1])
    }
}

@Suite struct CatalogTests {
    let folder: URL

    init() throws {
        folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    }

    private func put(_ name: String, _ text: String) throws {
        let place = folder.appendingPathComponent(name)
        try FileManager.default.createDirectory(
            at: place.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(text.utf8).write(to: place)
    }

    @Test func aNewFolderAppearsByItself() throws {
        defer { try? FileManager.default.removeItem(at: folder) }
        #expect(Catalog(folder: folder).models.isEmpty)
        try put("README.md", "no model")
        try put("one/manifest.json", Models.segmentation)
        try put("two/manifest.json", "{")
        try put("three/manifest.json", Models.segmentation.replacingOccurrences(of: "coreml", with: "onnx"))
        let found = Catalog(folder: folder)
        #expect(found.models.map(\.id) == ["net"])
        #expect(found.models[0].files.map(\.path) == ["model.mlpackage"])
        #expect(
            found.problems == ["three: has no Core ML file", "two: is not valid JSON, or of another form"])
        #expect(try found.find(sha256: Models.digest).file.path == "model.mlpackage")
        let all = try TestOrder.parse([:]).files(in: found)
        #expect(all.map(\.file.path) == ["model.mlpackage"])
        let one = try TestOrder.parse(["MOBILEKIT_SHA256": Models.digest]).files(in: found)
        #expect(one.map(\.model.id) == ["net"])
        #expect(refusal { try found.find(sha256: "c") }.contains("no bundled model has the digest c…"))
    }

    @Test func compiledModelsComeFirst() throws {
        defer { try? FileManager.default.removeItem(at: folder) }
        try put("one/manifest.json", Models.segmentation)
        let model = Catalog(folder: folder).models[0]
        let file = model.files[0]
        #expect(refusal { try model.location(of: file) }.contains("model.mlpackage is missing"))
        try put("one/model.mlpackage/x", "")
        #expect(try model.location(of: file).lastPathComponent == "model.mlpackage")
        try put("one/model.mlmodelc/x", "")
        #expect(try model.location(of: file).lastPathComponent == "model.mlmodelc")
        #expect(refusal { try model.golden() } == "inputs.safetensors: cannot be read")
    }
}
