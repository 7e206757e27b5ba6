/// One measurement that the desk asks for by launch arguments.
public struct LaunchOrder: Equatable, Sendable {
    /// Path of the package in the app's container.
    public let package: String
    /// Path for the report there.
    public let report: String
    /// What to say of the file.
    public let model: DeviceReport.Model
    /// How to measure it.
    public let plan: BenchmarkPlan
    /// What it may use.
    public let units: ComputeUnits

    /// Read launch arguments.
    ///
    /// - Returns: nil where they ask for no measurement.
    /// - Throws: `Failure` where one is missing or of another form.
    public static func parse(_ arguments: [String]) throws -> LaunchOrder? {
        guard arguments.contains("--benchmark") else { return nil }
        var values: [String: String] = [:]
        for (name, value) in zip(arguments, arguments.dropFirst()) where name.hasPrefix("--") {
            values[name] = value
        }
        let words = Words(values: values)
        return LaunchOrder(
            package: try words.path("--benchmark"), report: try words.path("--report"),
            model: DeviceReport.Model(
                name: try words.text("--name"), variant: try words.told("--variant"),
                file: try words.text("--file"), sha256: try words.text("--sha256"),
                sizeBytes: try words.number("--size-bytes")),
            plan: try BenchmarkPlan(runs: words.number("--runs"), warmup: words.number("--warmup")),
            units: try words.units("--compute-units"))
    }
}

/// One measurement that the desk asks for by the test's environment; without it, all bundled files are meant.
public struct TestOrder: Equatable, Sendable {
    /// Digest of the bundled file; nil for all of them.
    public let sha256: String?
    /// How to measure.
    public let plan: BenchmarkPlan
    /// What it may use.
    public let units: ComputeUnits

    /// Read environment variables.
    ///
    /// - Throws: `Failure` where one is of another form.
    public static func parse(_ environment: [String: String]) throws -> TestOrder {
        let words = Words(values: environment)
        return TestOrder(
            sha256: environment["MOBILEKIT_SHA256"],
            plan: try BenchmarkPlan(
                runs: words.number("MOBILEKIT_RUNS", otherwise: 50),
                warmup: words.number("MOBILEKIT_WARMUP", otherwise: 10)),
            units: try words.units("MOBILEKIT_COMPUTE_UNITS", otherwise: .all))
    }
}

extension TestOrder {
    /// Return the files that are meant, with their models.
    ///
    /// - Throws: `Failure` where the one that is asked for is not bundled.
    public func files(in catalog: Catalog) throws -> [(model: BundledModel, file: ModelFile)] {
        guard let sha256 else {
            return catalog.models.flatMap { model in model.files.map { (model, $0) } }
        }
        return [try catalog.find(sha256: sha256)]
    }
}

private struct Words {
    let values: [String: String]

    /// A file of no artifact has no variant: the text may be empty.
    func told(_ name: String) throws -> String {
        guard let found = values[name] else { throw Failure("\(name): is missing") }
        return found
    }

    func text(_ name: String) throws -> String {
        let found = try told(name)
        guard !found.isEmpty else { throw Failure("\(name): is missing") }
        return found
    }

    func number(_ name: String, otherwise: Int? = nil) throws -> Int {
        if values[name] == nil, let otherwise { return otherwise }
        let words = try text(name)
        guard let found = Int(words) else { throw Failure("\(name) \(words): expected a whole number") }
        return found
    }

    func units(_ name: String, otherwise: ComputeUnits? = nil) throws -> ComputeUnits {
        if values[name] == nil, let otherwise { return otherwise }
        let words = try text(name)
        guard let found = ComputeUnits(rawValue: words) else {
            let known = ComputeUnits.allCases.map(\.rawValue).joined(separator: ", ")
            throw Failure("\(name) \(words): expected one of \(known)")
        }
        return found
    }

    /// Paths lie in the app's container.
    func path(_ name: String) throws -> String {
        let found = try text(name)
        guard !found.hasPrefix("/"), !found.split(separator: "/").contains("..") else {
            throw Failure("\(name) \(found): expected a path within the app's container")
        }
        return found
    }
}
