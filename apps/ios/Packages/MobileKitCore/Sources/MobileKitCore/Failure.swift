/// What went wrong, in one line that a person can act on.
public struct Failure: Error, Equatable, Sendable, CustomStringConvertible {
    /// The line.
    public let description: String

    /// Take the line.
    public init(_ description: String) {
        self.description = description
    }
}

/// Return any error's one line.
public func oneLine(of error: any Error) -> String {
    let words = (error as? Failure)?.description ?? String(describing: error)
    return words.split(whereSeparator: \.isNewline).joined(separator: " ")
}
