@_exported import CoreGraphics
@_exported import Observation

@MainActor @preconcurrency public protocol View {
    associatedtype Body: View
    @ViewBuilder @MainActor @preconcurrency var body: Body { get }
}
extension Never: View { public var body: Never { return fatalError() } }
public protocol Primitive: View where Body == Never {}
extension Primitive { public var body: Never { return fatalError() } }
public struct EmptyView: Primitive { nonisolated public init() {} }
public struct TupleView<T>: Primitive {}
public struct Either<A: View, B: View>: Primitive {}
extension Optional: View where Wrapped: View { public var body: Never { return fatalError() } }
@resultBuilder public struct ViewBuilder {
    public static func buildBlock() -> EmptyView { EmptyView() }
    public static func buildBlock<each Content: View>(_ content: repeat each Content) -> TupleView<(repeat each Content)> {
        TupleView()
    }
    public static func buildIf<Content: View>(_ content: Content?) -> Content? { content }
    public static func buildEither<A: View, B: View>(first: A) -> Either<A, B> { Either() }
    public static func buildEither<A: View, B: View>(second: B) -> Either<A, B> { Either() }
}
@MainActor @preconcurrency public protocol Scene {
    associatedtype Body: Scene
    @MainActor @preconcurrency var body: Body { get }
}
extension Never: Scene {}
public struct WindowGroup<Content: View>: Scene {
    public init(@ViewBuilder content: () -> Content) {}
    public var body: Never { return fatalError() }
}
@MainActor @preconcurrency public protocol App {
    associatedtype Body: Scene
    @MainActor @preconcurrency var body: Body { get }
    @MainActor @preconcurrency init()
}
extension App { @MainActor public static func main() {} }
@dynamicMemberLookup @propertyWrapper public struct Binding<Value> {
    public init(get: @escaping () -> Value, set: @escaping (Value) -> Void) {}
    public var wrappedValue: Value { get { fatalError() } nonmutating set {} }
    public var projectedValue: Binding<Value> { self }
}
extension Binding {
    public subscript<T>(dynamicMember path: WritableKeyPath<Value, T>) -> Binding<T> { fatalError() }
}
@propertyWrapper public struct State<Value> {
    public init(wrappedValue: Value) {}
    public var wrappedValue: Value { get { fatalError() } nonmutating set {} }
    public var projectedValue: Binding<Value> { fatalError() }
}
public struct Font: Sendable {
    public static let caption = Font()
    public static let footnote = Font()
    public static let headline = Font()
    public func monospacedDigit() -> Font { self }
    public func bold() -> Font { self }
}
public enum Edge {
    public struct Set: OptionSet, Sendable {
        public let rawValue: Int8
        public init(rawValue: Int8) { self.rawValue = rawValue }
        public static let horizontal = Set(rawValue: 1)
    }
}
public enum Axis {
    public struct Set: OptionSet, Sendable {
        public let rawValue: Int8
        public init(rawValue: Int8) { self.rawValue = rawValue }
        public static let horizontal = Set(rawValue: 1)
    }
}
public struct SegmentedPickerStyle: Sendable {}
extension SegmentedPickerStyle { public static var segmented: SegmentedPickerStyle { SegmentedPickerStyle() } }
public struct Color: Sendable {
    public init(red: Double, green: Double, blue: Double, opacity: Double = 1) {}
    public func opacity(_ share: Double) -> Color { self }
}
public enum ContentMode: Sendable { case fit, fill }
public struct Alignment: Sendable {
    public static let trailing = Alignment()
}
public struct HorizontalAlignment: Sendable { public static let leading = HorizontalAlignment() }
extension View {
    public func padding() -> some View { self }
    public func padding(_ edges: Edge.Set, _ length: CGFloat? = nil) -> some View { self }
    public func background(_ colour: Color) -> some View { self }
    public func pickerStyle(_ style: SegmentedPickerStyle) -> some View { self }
    public func navigationTitle(_ text: String) -> some View { self }
    public func task(_ action: @escaping @Sendable @isolated(any) () async -> Void) -> some View { self }
    public func task(id: some Equatable, _ action: @escaping @Sendable @isolated(any) () async -> Void) -> some View { self }
    public func tabItem<Content: View>(@ViewBuilder _ label: () -> Content) -> some View { self }
    public func font(_ font: Font?) -> some View { self }
    public func aspectRatio(_ ratio: CGFloat? = nil, contentMode: ContentMode) -> some View { self }
    public func overlay<Content: View>(@ViewBuilder content: () -> Content) -> some View { self }
    public func opacity(_ share: Double) -> some View { self }
    public func frame(width: CGFloat? = nil, height: CGFloat? = nil) -> some View { self }
    public func offset(x: CGFloat = 0, y: CGFloat = 0) -> some View { self }
    public func onAppear(perform: (() -> Void)? = nil) -> some View { self }
    public func tag(_ tag: some Hashable) -> some View { self }
    public func disabled(_ disabled: Bool) -> some View { self }
}
public struct Text: Primitive {
    public init(_ words: some StringProtocol) {}
    public func font(_ font: Font?) -> Text { self }
}
public struct Image: Primitive {
    public init(decorative image: CGImage, scale: CGFloat) {}
    public func resizable() -> Image { self }
}
public struct Label<Title: View, Icon: View>: Primitive {}
extension Label where Title == Text, Icon == Image {
    public init(_ words: some StringProtocol, systemImage: String) {}
}
public struct TabView<Content: View>: Primitive { public init(@ViewBuilder content: () -> Content) {} }
public struct NavigationStack<Content: View>: Primitive { public init(@ViewBuilder root: () -> Content) {} }
public struct VStack<Content: View>: Primitive {
    public init(alignment: HorizontalAlignment = .leading, spacing: CGFloat? = nil, @ViewBuilder content: () -> Content) {}
}
public struct HStack<Content: View>: Primitive {
    public init(spacing: CGFloat? = nil, @ViewBuilder content: () -> Content) {}
}
public struct ScrollView<Content: View>: Primitive {
    public init(_ axes: Axis.Set, @ViewBuilder content: () -> Content) {}
}
public struct List<Content: View>: Primitive { public init(@ViewBuilder content: () -> Content) {} }
public struct Grid<Content: View>: Primitive {
    public init(alignment: Alignment, @ViewBuilder content: () -> Content) {}
}
public struct GridRow<Content: View>: Primitive { public init(@ViewBuilder content: () -> Content) {} }
public struct GeometryProxy { public var size: CGSize { .zero } }
public struct GeometryReader<Content: View>: Primitive {
    public init(@ViewBuilder content: @escaping (GeometryProxy) -> Content) {}
}
public struct Section<Content: View>: Primitive {
    public init(@ViewBuilder content: () -> Content) {}
    public init(_ title: some StringProtocol, @ViewBuilder content: () -> Content) {}
}
public struct ForEach<Data: RandomAccessCollection, Content: View>: Primitive {
    public init(_ data: Data, @ViewBuilder content: @escaping (Data.Element) -> Content)
    where Data.Element: Identifiable {}
    public init(_ data: Data, id: KeyPath<Data.Element, some Hashable>, @ViewBuilder content: @escaping (Data.Element) -> Content) {}
}
public struct Picker<Selection: Hashable, Content: View>: Primitive {
    public init(_ title: some StringProtocol, selection: Binding<Selection>, @ViewBuilder content: () -> Content) {}
}
public struct Stepper: Primitive {
    public init<V: Strideable>(_ title: some StringProtocol, value: Binding<V>, in: ClosedRange<V>, step: V.Stride) {}
}
public struct Button<Content: View>: Primitive {}
extension Button where Content == Text {
    public init(_ title: some StringProtocol, action: @escaping @MainActor () -> Void) {}
}
public struct ProgressView: Primitive {
    public init() {}
    public init<V: BinaryFloatingPoint>(value: V?, total: V = 1.0) {}
}
public struct Gauge: Primitive {
    public init<V: BinaryFloatingPoint>(
        value: V, in: ClosedRange<V>, @ViewBuilder label: () -> some View,
        @ViewBuilder currentValueLabel: () -> some View) {}
}
public struct LabeledContent: Primitive {
    public init(_ title: some StringProtocol, value: some StringProtocol) {}
}
public struct ShareLink: Primitive { public init(item: URL) {} }
