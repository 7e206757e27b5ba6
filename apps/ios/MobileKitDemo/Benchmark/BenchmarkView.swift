import MobileKitCore
import SwiftUI

/// Model × compute units × runs, measured on this device; each report can be shared.
struct BenchmarkView: View {
    let store: ModelStore
    @State private var model = BenchmarkModel()

    var body: some View {
        NavigationStack {
            List {
                Section {
                    ChoicePicker(store: store, choice: $model.choice)
                    UnitsPicker(units: $model.units)
                    Stepper(
                        "\(model.runs) runs after a warm-up of \(BenchmarkModel.warmup)",
                        value: $model.runs, in: 10...1000, step: 10)
                }
                .disabled(model.progress != nil)
                Section { control }
                if let problem = model.problem {
                    ProblemText(problem)
                }
                ForEach(model.kept) { ReportSection(kept: $0) }
            }
            .navigationTitle("Benchmark")
        }
    }

    @ViewBuilder private var control: some View {
        if let progress = model.progress {
            ProgressView(value: progress)
            Button("Cancel") { model.cancel() }
        } else {
            Button("Measure") { model.start(on: [model.units]) }
            Button("Measure on all kinds of units") { model.start(on: ComputeUnits.allCases) }
        }
    }
}

private struct ReportSection: View {
    let kept: BenchmarkModel.Kept

    private var latency: Latency { kept.report.latency }

    var body: some View {
        Section(kept.title) {
            LabeledContent("compilation", value: milliseconds(latency.compileNs))
            LabeledContent("cold load", value: milliseconds(latency.loadNs))
            LabeledContent("first run", value: milliseconds(latency.firstNs))
            LabeledContent("inference p50", value: milliseconds(latency.inference.summary?.p50Ns))
            LabeledContent("inference p90", value: milliseconds(latency.inference.summary?.p90Ns))
            LabeledContent("inference p99", value: milliseconds(latency.inference.summary?.p99Ns))
            LabeledContent("pre-processing p50", value: milliseconds(latency.preprocess?.summary?.p50Ns))
            LabeledContent("post-processing p50", value: milliseconds(latency.postprocess?.summary?.p50Ns))
            LabeledContent("all stages p50", value: milliseconds(latency.endToEnd?.summary?.p50Ns))
            LabeledContent("memory", value: kept.report.memory?.words ?? "–")
            LabeledContent("thermal state", value: kept.report.thermal?.words ?? "–")
            LabeledContent("operators", value: kept.report.runtime.placement?.words ?? "–")
            LabeledContent("equal to the network", value: kept.report.verification?.words ?? "–")
            ForEach(kept.report.errors ?? [], id: \.self) { ProblemText($0) }
            ShareLink(item: kept.file)
        }
    }
}
