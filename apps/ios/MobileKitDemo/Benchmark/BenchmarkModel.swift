import Foundation
import MobileKitCore
import Observation

/// Measures a model, and keeps the reports.
@MainActor
@Observable
final class BenchmarkModel {
    /// A report, and the file that can be shared.
    struct Kept: Identifiable {
        let report: DeviceReport
        let file: URL
        let title: String

        var id: String { report.reportId }
    }

    static let warmup = 10

    var choice: Choice?
    var units = ComputeUnits.all
    var runs = 50
    private(set) var progress: Double?
    private(set) var kept: [Kept] = []
    private(set) var problem: String?
    private var task: Task<Void, Never>?

    /// Begin, unless a measurement is running: one for each kind of units.
    func start(on kinds: [ComputeUnits]) {
        guard let choice, task == nil else { return }
        problem = nil
        task = Task {
            Screen.keepOn(true)
            for units in kinds where !Task.isCancelled {
                await measure(choice, units: units)
            }
            Screen.keepOn(false)
            (task, progress) = (nil, nil)
        }
    }

    /// End the measurement after the run that is on.
    func cancel() {
        task?.cancel()
    }

    private func measure(_ choice: Choice, units: ComputeUnits) async {
        progress = 0
        do {
            let plan = try BenchmarkPlan(runs: runs, warmup: Self.warmup)
            let report = try await Measuring.onDevice.report(
                choice.file, of: choice.model, plan: plan, units: units, setting: DeviceFacts.setting(),
                progress: { share in Task { @MainActor [weak self] in self?.note(share) } })
            let title = "\(choice.title), \(units.rawValue)"
            kept.insert(Kept(report: report, file: try ReportFile.keep(report), title: title), at: 0)
        } catch is CancellationError {
            problem = "The measurement was cancelled."
        } catch {
            problem = "\(units.rawValue): \(oneLine(of: error))"
        }
    }

    private func note(_ share: Double) {
        progress = progress.map { max($0, share) }
    }
}
