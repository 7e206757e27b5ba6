import Foundation

/// An artifact in the app's bundle.
public struct BundledModel: Equatable, Identifiable, Sendable {
    /// Where it lies.
    public let folder: URL
    /// What it says of itself.
    public let manifest: Manifest

    /// Its name.
    public var id: String { manifest.name }

    /// Its files for Core ML.
    public var files: [ModelFile] { manifest.files.filter { $0.target.kind == "coreml" } }

    /// Return where a file lies: compiled already, or as a package that the app compiles.
    ///
    /// - Throws: `Failure` where it is not there.
    public func location(of file: ModelFile) throws -> URL {
        let package = folder.appendingPathComponent(file.path)
        let compiled = package.deletingPathExtension().appendingPathExtension("mlmodelc")
        for place in [compiled, package] where FileManager.default.fileExists(atPath: place.path) {
            return place
        }
        throw Failure("\(manifest.name): \(file.path) is missing; bundle the model again")
    }

    /// Return the golden vectors.
    ///
    /// - Throws: `Failure` where they are missing or damaged.
    public func golden() throws -> GoldenVectors {
        try GoldenVectors(
            inputs: Safetensors(contentsOf: folder.appendingPathComponent(Manifest.goldenInputs)),
            outputs: Safetensors(contentsOf: folder.appendingPathComponent(Manifest.goldenOutputs)))
    }
}

/// The artifacts in a folder: each has a folder of its own, with a manifest.
public struct Catalog: Equatable, Sendable {
    /// Those that can be used, by name.
    public let models: [BundledModel]
    /// One line for each that cannot.
    public let problems: [String]

    /// Look into a folder; one that is not there holds nothing.
    public init(folder: URL) {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
        var models: [BundledModel] = []
        var problems: [String] = []
        for name in names.sorted() {
            let place = folder.appendingPathComponent(name, isDirectory: true)
            let path = place.appendingPathComponent("manifest.json")
            guard let data = FileManager.default.contents(atPath: path.path) else { continue }
            do {
                let model = BundledModel(folder: place, manifest: try Manifest.read(data, at: name))
                guard !model.files.isEmpty else { throw Failure("\(name): has no Core ML file") }
                models.append(model)
            } catch {
                problems.append(oneLine(of: error))
            }
        }
        self.models = models
        self.problems = problems
    }

    /// Return the model and the file that a digest names.
    ///
    /// - Throws: `Failure` where none does.
    public func find(sha256: String) throws -> (model: BundledModel, file: ModelFile) {
        for model in models {
            if let file = model.files.first(where: { $0.sha256 == sha256 }) {
                return (model, file)
            }
        }
        throw Failure(
            "no bundled model has the digest \(sha256.prefix(12))…; bundle it, and build the app again")
    }
}
