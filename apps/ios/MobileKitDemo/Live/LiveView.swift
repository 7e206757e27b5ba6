import MobileKitCore
import SwiftUI

/// The camera or a bundled picture with a mask, or with a score and where the network looks, and the time of
/// each stage.
struct LiveView: View {
    let store: ModelStore
    @State private var model = LiveModel()

    var body: some View {
        NavigationStack {
            VStack(spacing: 8) {
                ChoicePicker(store: store, choice: $model.setup.choice)
                UnitsPicker(units: $model.setup.units)
                SourcePicker(source: $model.setup.source)
                FrameView(shown: model.shown, isWaiting: model.problem == nil)
                VerdictView(model: model)
                LegendView(entries: model.legend)
                StageTableView(rows: model.table.rows)
                Text(model.vitals).font(.caption.monospacedDigit())
            }
            .padding()
            .navigationTitle("Live")
            .task(id: model.setup) { await model.run() }
        }
    }
}

private struct VerdictView: View {
    let model: LiveModel

    var body: some View {
        if let problem = model.problem {
            ProblemText(problem)
        }
        if model.setup.choice?.model.manifest.untrained == true {
            Text("This network is untrained: its answers mean nothing.").font(.caption)
        }
        if let forgery = model.forgery {
            Gauge(value: forgery, in: 0...1) {
                Text("Forged")
            } currentValueLabel: {
                Text(String(format: "%.3f", forgery))
            }
        }
        if model.lacksHeat {
            Text("This network does not say where it looks.").font(.caption)
        }
        if let label = model.label {
            Text(label).font(.headline)
        }
    }
}

private struct SourcePicker: View {
    @Binding var source: LiveModel.Source

    var body: some View {
        Picker("Source", selection: $source) {
            ForEach(LiveModel.Source.allCases) { Text($0.rawValue).tag($0) }
        }
        .pickerStyle(.segmented)
    }
}

/// What each colour of a mask means.
private struct LegendView: View {
    let entries: [FrameAdapter.LegendEntry]

    var body: some View {
        if !entries.isEmpty {
            ScrollView(.horizontal) {
                HStack(spacing: 8) {
                    ForEach(entries) { entry in
                        Text(entry.name)
                            .font(.caption)
                            .padding(.horizontal, 4)
                            .background(colour(of: entry).opacity(0.4))
                    }
                }
            }
        }
    }

    private func colour(of entry: FrameAdapter.LegendEntry) -> Color {
        Color(
            red: Double(entry.red) / 255, green: Double(entry.green) / 255, blue: Double(entry.blue) / 255)
    }
}

private struct FrameView: View {
    let shown: LiveModel.Shown?
    let isWaiting: Bool

    var body: some View {
        if let shown {
            Image(decorative: shown.image, scale: 1)
                .resizable()
                .aspectRatio(contentMode: .fit)
                .overlay {
                    GeometryReader { space in
                        OverlayView(shown: shown, scale: space.size.width / CGFloat(shown.size.width))
                    }
                }
        } else if isWaiting {
            ProgressView()
        }
    }
}

private struct OverlayView: View {
    let shown: LiveModel.Shown
    let scale: CGFloat

    var body: some View {
        if let box = shown.box, let overlay = shown.overlay {
            Image(decorative: overlay, scale: 1)
                .resizable()
                .opacity(0.55)
                .frame(width: CGFloat(box.width) * scale, height: CGFloat(box.height) * scale)
                .offset(x: CGFloat(box.left) * scale, y: CGFloat(box.top) * scale)
        }
    }
}

/// Median and 90th percentile of each stage over the last frames with a face.
private struct StageTableView: View {
    let rows: [StageTable.Row]

    var body: some View {
        Grid(alignment: .trailing) {
            GridRow {
                Text("stage")
                Text("p50")
                Text("p90")
            }
            .font(.caption.bold())
            ForEach(rows) { row in
                GridRow {
                    Text(row.stage.words)
                    Text(milliseconds(row.summary?.p50Ns))
                    Text(milliseconds(row.summary?.p90Ns))
                }
                .font(.caption.monospacedDigit())
            }
        }
    }
}
