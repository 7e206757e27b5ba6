// Writes a report of samples from a file, so that another program can check what this package derives of them.
import Foundation
import MobileKitCore

func report(of samples: [Int], file: String) -> DeviceReport {
    let system = ProcessInfo.processInfo
    #if os(Linux)
        let (platform, name) = (Platform.linux, "Linux")
    #else
        let (platform, name) = (Platform.macos, "macOS")
    #endif
    var device = DeviceReport.Device(
        manufacturer: "", model: "replayed samples", soc: "", os: name,
        osVersion: system.operatingSystemVersionString)
    device.cpuCores = system.activeProcessorCount
    return DeviceReport(
        reportId: UUID().uuidString.lowercased(), createdAt: Date.now.formatted(.iso8601),
        tool: DeviceReport.Tool(name: "mk-report", version: "1"), platform: platform, kind: .host,
        device: device,
        runtime: DeviceReport.Runtime(
            name: .coreml, version: "none", api: "replay", requested: [.cpu], strict: true),
        model: DeviceReport.Model(
            name: "replay", variant: "none", file: file, sha256: String(repeating: "0", count: 64),
            sizeBytes: 1),
        protocol: DeviceReport.Procedure(warmupRuns: 0, runs: samples.count, input: "file:\(file)"),
        latency: Latency(inference: Distribution(samplesNs: samples), loadNs: 0, firstNs: samples.first ?? 0))
}

let arguments = CommandLine.arguments
guard arguments.count == 3 else {
    FileHandle.standardError.write(Data("usage: mk-report SAMPLES.json REPORT.json\n".utf8))
    exit(2)
}
do {
    let source = URL(fileURLWithPath: arguments[1])
    let samples = try JSON.decode([Int].self, from: Data(contentsOf: source), at: arguments[1])
    let report = report(of: samples, file: source.lastPathComponent)
    try report.written().write(to: URL(fileURLWithPath: arguments[2]), options: .atomic)
} catch {
    FileHandle.standardError.write(Data("mk-report: \(oneLine(of: error))\n".utf8))
    exit(1)
}
