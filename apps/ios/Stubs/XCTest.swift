@_exported import Foundation

open class XCTestCase {
    public init() {}
    @MainActor open func add(_ attachment: XCTAttachment) {}
}
public final class XCTAttachment {
    public enum Lifetime: Int, Sendable { case keepAlways, deleteOnSuccess }
    public init(data: Data, uniformTypeIdentifier: String) {}
    public var name: String?
    public var lifetime = Lifetime.deleteOnSuccess
}
public func XCTAssertEqual<T: Equatable>(
    _ one: @autoclosure () throws -> T, _ other: @autoclosure () throws -> T, _ words: @autoclosure () -> String = ""
) {}
public func XCTAssertFalse(_ value: @autoclosure () throws -> Bool, _ words: @autoclosure () -> String = "") {}
