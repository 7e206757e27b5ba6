import Foundation
import MobileKitCore
import Observation

/// A file of a bundled model.
struct Choice: Hashable, Identifiable, Sendable {
    let model: BundledModel
    let file: ModelFile

    var id: String { "\(model.id)/\(file.path)" }
    var title: String { "\(model.id), \(file.variant)" }

    static func == (one: Choice, other: Choice) -> Bool { one.id == other.id }
    func hash(into hasher: inout Hasher) { hasher.combine(id) }
}

/// The models in the app's bundle: each folder in `Models` is one.
@MainActor
@Observable
final class ModelStore {
    let choices: [Choice]
    let problems: [String]

    init() {
        let catalog = Catalog.bundled
        choices = catalog.models.flatMap { model in model.files.map { Choice(model: model, file: $0) } }
        problems = catalog.problems
    }
}

extension Catalog {
    /// What was bundled with the app.
    static var bundled: Catalog {
        Catalog(folder: Bundle.main.bundleURL.appendingPathComponent("Models", isDirectory: true))
    }
}
