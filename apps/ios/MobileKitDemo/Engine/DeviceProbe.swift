@preconcurrency import Darwin
import Foundation
import MobileKitCore
import UIKit

/// What the system says of the process and the device.
struct DeviceProbe: SystemProbe {
    /// Memory that the system charges to the app, in 10⁶ bytes.
    func memoryMb() -> Double? {
        var info = task_vm_info_data_t()
        let words = MemoryLayout<task_vm_info_data_t>.size / MemoryLayout<natural_t>.size
        var count = mach_msg_type_number_t(words)
        let result = withUnsafeMutablePointer(to: &info) { pointer in
            pointer.withMemoryRebound(to: integer_t.self, capacity: words) {
                task_info(mach_task_self_, task_flavor_t(TASK_VM_INFO), $0, &count)
            }
        }
        return result == KERN_SUCCESS ? Double(info.phys_footprint) / 1e6 : nil
    }

    func thermal() -> Thermal {
        switch ProcessInfo.processInfo.thermalState {
        case .nominal: Thermal(.nominal)
        case .fair: Thermal(.fair)
        case .serious: Thermal(.serious)
        case .critical: Thermal(.critical)
        @unknown default: Thermal(.critical)
        }
    }
}

/// What a report says of the device and of the moment.
@MainActor
enum DeviceFacts {
    static func setting() -> DeviceReport.Setting {
        let system = ProcessInfo.processInfo
        let screen = UIDevice.current
        screen.isBatteryMonitoringEnabled = true
        var device = DeviceReport.Device(
            manufacturer: "Apple", model: model, soc: "", os: screen.systemName,
            osVersion: screen.systemVersion)
        device.osBuild = text("kern.osversion")
        device.cpuCores = system.processorCount
        device.ramMb = Double(system.physicalMemory) / 1e6
        device.lowPowerMode = system.isLowPowerModeEnabled
        device.charging = charging(screen.batteryState)
        device.batteryLevel = screen.batteryLevel >= 0 ? Double(screen.batteryLevel) : nil
        return DeviceReport.Setting(
            reportId: UUID().uuidString.lowercased(), createdAt: Date.now.formatted(.iso8601),
            tool: DeviceReport.Tool(name: "MobileKitDemo", version: version), kind: kind, device: device)
    }

    #if targetEnvironment(simulator)
        private static let kind = MeasurementKind.simulator
        private static var model: String {
            ProcessInfo.processInfo.environment["SIMULATOR_MODEL_IDENTIFIER"] ?? "simulator"
        }
    #else
        private static let kind = MeasurementKind.device
        private static var model: String { text("hw.machine") ?? "unknown" }
    #endif

    private static var version: String {
        Bundle.main.object(forInfoDictionaryKey: "CFBundleShortVersionString") as? String ?? ""
    }

    private static func charging(_ state: UIDevice.BatteryState) -> Bool? {
        switch state {
        case .charging, .full: true
        case .unplugged: false
        default: nil
        }
    }

    /// Return a text that the kernel knows.
    private static func text(_ name: String) -> String? {
        var size = 0
        guard sysctlbyname(name, nil, &size, nil, 0) == 0, size > 1 else { return nil }
        var bytes = [UInt8](repeating: 0, count: size)
        guard sysctlbyname(name, &bytes, &size, nil, 0) == 0 else { return nil }
        return String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
    }
}

/// A phone that locks itself ends what the app does.
@MainActor
enum Screen {
    private static var wishes = 0

    /// Wish it on, or take that back; it may lock itself when nobody wishes it on any more.
    static func keepOn(_ wanted: Bool) {
        wishes += wanted ? 1 : -1
        UIApplication.shared.isIdleTimerDisabled = wishes > 0
    }
}
