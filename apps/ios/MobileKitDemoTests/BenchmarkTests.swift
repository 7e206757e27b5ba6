import MobileKitCore
import XCTest

@testable import MobileKitDemo

/// Measures bundled models on the device, and attaches a report of each.
///
/// `mobilekit profile --device ios --xcode-project` sets `MOBILEKIT_SHA256`, `MOBILEKIT_RUNS`,
/// `MOBILEKIT_WARMUP` and `MOBILEKIT_COMPUTE_UNITS`; `TestOrder` reads them. Without them every bundled file is
/// measured on all units.
final class BenchmarkTests: XCTestCase {
    @MainActor
    func testBundledModels() async throws {
        let order = try TestOrder.parse(ProcessInfo.processInfo.environment)
        let files = try order.files(in: .bundled)
        XCTAssertFalse(files.isEmpty, "no model is bundled")
        Screen.keepOn(true)
        defer { Screen.keepOn(false) }
        for (model, file) in files {
            let report = try await Measuring.onDevice.report(
                file, of: model, plan: order.plan, units: order.units, setting: DeviceFacts.setting())
            attach(try report.written())
            XCTAssertEqual(report.latency.inference.samplesNs?.count, order.plan.runs)
            XCTAssertEqual(report.errors ?? [], [])
            XCTAssertEqual(
                report.verification?.passed, true, "\(file.path) does not compute what the network computes")
        }
    }

    @MainActor
    private func attach(_ report: Data) {
        let attachment = XCTAttachment(data: report, uniformTypeIdentifier: "public.json")
        attachment.name = "device-report.json"
        attachment.lifetime = .keepAlways
        add(attachment)
    }
}
