import MobileKitCore
import SwiftUI

/// Whether a model computes on this device what the network computes.
struct ParityView: View {
    let store: ModelStore
    @State private var model = ParityModel()

    var body: some View {
        NavigationStack {
            List {
                Section {
                    ChoicePicker(store: store, choice: $model.choice)
                    Button("Compare with the golden vectors") { Task { await model.run() } }
                        .disabled(model.isRunning)
                }
                ForEach(model.rows) { row in
                    VStack(alignment: .leading) {
                        Label(row.id, systemImage: row.passed ? "checkmark.circle" : "xmark.circle")
                        Text(row.words).font(.caption.monospacedDigit())
                    }
                }
            }
            .navigationTitle("Parity")
        }
    }
}
