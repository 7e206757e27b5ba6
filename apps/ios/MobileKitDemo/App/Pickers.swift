import MobileKitCore
import SwiftUI

/// Chooses a file of a bundled model; the first one by itself.
struct ChoicePicker: View {
    let store: ModelStore
    @Binding var choice: Choice?

    var body: some View {
        Picker("Model", selection: $choice) {
            ForEach(store.choices) { each in
                Text(each.title).tag(Choice?.some(each))
            }
        }
        .onAppear { choice = choice ?? store.choices.first }
        if store.choices.isEmpty {
            ProblemText("No model is bundled: run `mobilekit export NAME --bundle apps/`, and build again.")
        }
        ForEach(store.problems, id: \.self) { ProblemText($0) }
    }
}

/// Chooses what Core ML may use.
struct UnitsPicker: View {
    @Binding var units: ComputeUnits

    var body: some View {
        Picker("Compute units", selection: $units) {
            ForEach(ComputeUnits.allCases) { Text($0.rawValue).tag($0) }
        }
    }
}

/// One line that says what went wrong.
struct ProblemText: View {
    let words: String

    init(_ words: String) {
        self.words = words
    }

    var body: some View {
        Label(words, systemImage: "exclamationmark.triangle").font(.footnote)
    }
}
