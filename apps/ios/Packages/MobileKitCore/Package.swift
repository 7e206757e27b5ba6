// swift-tools-version: 6.0
import PackageDescription

let package = Package(
    name: "MobileKitCore",
    platforms: [.iOS(.v17), .macOS(.v14)],
    products: [
        .library(name: "MobileKitCore", targets: ["MobileKitCore"])
    ],
    targets: [
        .target(name: "MobileKitCore"),
        .executableTarget(name: "mk-report", dependencies: ["MobileKitCore"]),
        .executableTarget(name: "mk-colouring", dependencies: ["MobileKitCore"]),
        .testTarget(name: "MobileKitCoreTests", dependencies: ["MobileKitCore"]),
    ]
)
