/// Why the app was started. Only for a person does it show its screens, whose camera would disturb measurements.
public enum Purpose: Equatable, Sendable {
    /// A person looks at it.
    case screens
    /// The desk wants a measurement.
    case order
    /// It is the host of its tests.
    case tests

    /// Tell from what the app was started with.
    public init(arguments: [String], environment: [String: String]) {
        if arguments.contains("--benchmark") {
            self = .order
        } else if environment.keys.contains(where: { $0.hasPrefix("XCTest") }) {
            self = .tests
        } else {
            self = .screens
        }
    }
}
