// swift-tools-version: 6.3
import PackageDescription

// A package of its own, so that neither Ferry nor its hosts pay for the benchmark harness. From this folder:
//   ../scripts/bench-data && swift package --disable-sandbox benchmark
let settings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .strictMemorySafety(),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
]

let package = Package(
    name: "ferry-benchmarks",
    dependencies: [
        .package(name: "ferry", path: "../"),
        .package(url: "https://github.com/ordo-one/benchmark", from: "1.38.1", traits: []),
    ],
    targets: [
        .executableTarget(
            name: "ChunkingThroughput",
            dependencies: [
                .product(name: "Benchmark", package: "benchmark"),
                .product(name: "FerryChunking", package: "ferry"),
                .product(name: "FerryWire", package: "ferry"),
                .product(name: "FerryZstd", package: "ferry"),
            ],
            path: "Benchmarks/ChunkingThroughput",
            swiftSettings: settings,
            plugins: [.plugin(name: "BenchmarkPlugin", package: "benchmark")]),
        .executableTarget(
            name: "Transfer",
            dependencies: [
                .product(name: "Benchmark", package: "benchmark"),
                .product(name: "Ferry", package: "ferry"),
                .product(name: "FerryChunking", package: "ferry"),
                .product(name: "FerryCrypto", package: "ferry"),
                .product(name: "FerryInMemory", package: "ferry"),
                .product(name: "FerrySodium", package: "ferry"),
                .product(name: "FerryStateMachines", package: "ferry"),
                .product(name: "FerrySwiftCrypto", package: "ferry"),
                .product(name: "FerryTransports", package: "ferry"),
                .product(name: "FerryUDP", package: "ferry"),
                .product(name: "FerryUnixSocket", package: "ferry"),
                .product(name: "FerryWire", package: "ferry"),
                .product(name: "FerryZstd", package: "ferry"),
            ],
            path: "Benchmarks/Transfer",
            swiftSettings: settings,
            plugins: [.plugin(name: "BenchmarkPlugin", package: "benchmark")]),
    ]
)
