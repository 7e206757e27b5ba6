import MobileKitCore
import Observation

/// Compares a model's outputs with its golden vectors, on each kind of compute units.
@MainActor
@Observable
final class ParityModel {
    /// One comparison, or why there is none.
    struct Row: Identifiable {
        let id: String
        let words: String
        let passed: Bool
    }

    var choice: Choice?
    private(set) var rows: [Row] = []
    private(set) var isRunning = false

    /// Compare on all kinds of compute units, until the task is cancelled.
    func run() async {
        guard let choice, !isRunning else { return }
        isRunning = true
        defer { isRunning = false }
        rows = []
        for units in ComputeUnits.allCases where !Task.isCancelled {
            rows += await compare(choice, units: units)
        }
    }

    private func compare(_ choice: Choice, units: ComputeUnits) async -> [Row] {
        do {
            let loaded = try await CoreMLLoader().load(choice.file, of: choice.model, units: units)
            let verdicts = try await Parity.verdicts(
                engine: loaded.engine, file: choice.file, golden: choice.model.golden())
            return verdicts.map {
                Row(id: "\(units.rawValue) \($0.id)", words: $0.words, passed: $0.passed)
            }
        } catch {
            return [Row(id: units.rawValue, words: oneLine(of: error), passed: false)]
        }
    }
}
