// swift-tools-version: 6.3
import PackageDescription

let package = Package(
    name: "SwappedTransports",
    dependencies: [.package(name: "ferry", path: "../..")],
    targets: [
        .testTarget(
            name: "SwappedTransportsTests",
            dependencies: [
                .product(name: "Ferry", package: "ferry"), .product(name: "FerryCrypto", package: "ferry"),
                .product(name: "FerryTransports", package: "ferry"), .product(name: "FerryWire", package: "ferry"),
                .product(name: "FerrySodium", package: "ferry"), .product(name: "FerryInMemory", package: "ferry"),
                .product(name: "FerryUDP", package: "ferry"), .product(name: "FerryUnixSocket", package: "ferry"),
            ])
    ]
)
