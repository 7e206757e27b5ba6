import MobileKitCore
import SwiftUI

@main
struct MobileKitDemoApp: App {
    private let purpose = Purpose(
        arguments: ProcessInfo.processInfo.arguments, environment: ProcessInfo.processInfo.environment)

    var body: some Scene {
        WindowGroup {
            switch purpose {
            case .screens: RootView()
            case .order: Text("Measuring…").task { await DeskOrder.carryOut() }
            case .tests: Text("Testing…")
            }
        }
    }
}

struct RootView: View {
    @State private var store = ModelStore()

    var body: some View {
        TabView {
            LiveView(store: store)
                .tabItem { Label("Live", systemImage: "camera") }
            BenchmarkView(store: store)
                .tabItem { Label("Benchmark", systemImage: "stopwatch") }
            ParityView(store: store)
                .tabItem { Label("Parity", systemImage: "checkmark.seal") }
        }
    }
}
