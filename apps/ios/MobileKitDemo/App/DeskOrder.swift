import Foundation
import MobileKitCore

/// A measurement that the desk asks for by launch arguments; the app ends when it is done.
///
/// `mobilekit profile --device ios` gives `--benchmark`, `--name`, `--variant`, `--file`, `--sha256`,
/// `--size-bytes`, `--runs`, `--warmup`, `--compute-units` and `--report`; `LaunchOrder` reads them.
enum DeskOrder {
    static func carryOut() async {
        do {
            guard let order = try LaunchOrder.parse(ProcessInfo.processInfo.arguments) else { return }
            try await measure(order)
        } catch {
            FileHandle.standardError.write(Data("\(oneLine(of: error))\n".utf8))
            exit(1)
        }
        exit(0)
    }

    private static func measure(_ order: LaunchOrder) async throws {
        let package = ReportFile.home.appendingPathComponent(order.package)
        ReportFile.leave(only: package)
        defer { try? FileManager.default.removeItem(at: package) }  // the desk cannot
        await Screen.keepOn(true)
        let setting = await DeviceFacts.setting()
        let report = try await Measuring.onDevice.report(
            order, package: package, catalog: .bundled, setting: setting)
        try ReportFile.write(report, to: ReportFile.home.appendingPathComponent(order.report))
    }
}

/// Where reports are written.
enum ReportFile {
    /// The app's container.
    static var home: URL { URL(fileURLWithPath: NSHomeDirectory(), isDirectory: true) }

    /// Remove what lies beside a package: orders that were interrupted have left it.
    static func leave(only package: URL) {
        let folder = package.deletingLastPathComponent()
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
        for name in names where name != package.lastPathComponent {
            try? FileManager.default.removeItem(at: folder.appendingPathComponent(name))
        }
    }

    /// Write a report, with the folders that it needs.
    static func write(_ report: DeviceReport, to place: URL) throws {
        try FileManager.default.createDirectory(
            at: place.deletingLastPathComponent(), withIntermediateDirectories: true)
        try report.written().write(to: place, options: .atomic)
    }

    /// Write a report into the app's documents, to be shared; return where.
    static func keep(_ report: DeviceReport) throws -> URL {
        let place = home.appendingPathComponent("Documents/reports/\(report.reportId).json")
        try write(report, to: place)
        return place
    }
}

extension Measuring {
    /// With Core ML and this device's clock, memory and heat.
    static var onDevice: Measuring {
        Measuring(loader: CoreMLLoader(), loop: BenchmarkLoop(probe: DeviceProbe(), marks: Signposts()))
    }
}
