// swift-tools-version: 6.3
import PackageDescription

let package = Package(
    name: "CustomRuntime",
    dependencies: [.package(name: "ferry", path: "../..")],
    targets: [
        .executableTarget(
            name: "CustomRuntime",
            dependencies: [
                .product(name: "Ferry", package: "ferry"), .product(name: "FerryCrypto", package: "ferry"),
                .product(name: "FerryWire", package: "ferry"), .product(name: "FerrySodium", package: "ferry"),
                .product(name: "FerryUDP", package: "ferry"), .product(name: "FerryZstd", package: "ferry"),
            ])
    ]
)
