import Foundation

@testable import MobileKitCore

/// The vectors in `apps/testdata` that Python, Swift and Kotlin tests share.
enum TestData {
    static let folder = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent()  // this file
        .appendingPathComponent("../../../../../testdata")
        .standardizedFileURL

    static func data(_ name: String) throws -> Data {
        try Data(contentsOf: folder.appendingPathComponent(name))
    }

    static func load<T: Decodable>(_ type: T.Type, _ name: String) throws -> T {
        try JSON.decode(type, from: data(name), at: name)
    }

    /// Read a picture: `P6`, size and 255, each on its line, then bytes.
    static func picture(_ name: String) throws -> Picture {
        let content = try data(name)
        let head = content.split(separator: 10, maxSplits: 3, omittingEmptySubsequences: false)
        let size = String(decoding: head[1], as: UTF8.self).split(separator: " ").compactMap { Int($0) }
        return try Picture(width: size[0], height: size[1], rgb: [UInt8](head[3]))
    }
}

/// Say whether two floats are within 1e-6 of their size.
func close(_ one: Double, _ other: Double) -> Bool {
    abs(one - other) <= 1e-6 * max(abs(one), abs(other), 1)
}

/// Return the one line with which something is refused; nothing where it is not, or by another error.
func refusal<T>(_ body: () throws -> T) -> String {
    do {
        _ = try body()
        return ""
    } catch {
        return (error as? Failure)?.description ?? ""
    }
}
