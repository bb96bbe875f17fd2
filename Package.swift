// swift-tools-version: 6.3
import PackageDescription

/// Every target compiles under the same rules; CI turns warnings into errors on the command line.
let settings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .strictMemorySafety(),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    .enableUpcomingFeature("InferIsolatedConformances"),
    .enableExperimentalFeature("Lifetimes"),
]

extension Target.Dependency {
    static let argumentParser: Self = .product(name: "ArgumentParser", package: "swift-argument-parser")
    static let collections: Self = .product(name: "Collections", package: "swift-collections")
    static let crypto: Self = .product(name: "Crypto", package: "swift-crypto")
    static let hashTrees: Self = .product(name: "HashTreeCollections", package: "swift-collections")
    static let logging: Self = .product(name: "Logging", package: "swift-log")
    static let metrics: Self = .product(name: "Metrics", package: "swift-metrics")
    static let nioCore: Self = .product(name: "NIOCore", package: "swift-nio")
    static let nioPosix: Self = .product(name: "NIOPosix", package: "swift-nio")
    static let serviceLifecycle: Self = .product(name: "ServiceLifecycle", package: "swift-service-lifecycle")
    static let unixSignals: Self = .product(name: "UnixSignals", package: "swift-service-lifecycle")
    static let tracing: Self = .product(name: "Tracing", package: "swift-distributed-tracing")
}

// `Sources/` is what Ferry is. `Plugins/` is what you may swap. Nothing in `Sources/` imports anything in `Plugins/`
// (ferryctl, a host like any other, is the exception). scripts/check-layers holds this table against the imports.
let modules: [(name: String, dependencies: [Target.Dependency])] = [
    ("FerryWire", ["CXXHash", "CBlake2"]),
    ("FerryCrypto", ["FerryWire"]),
    ("FerryTransports", []),
    ("FerryChunking", ["FerryWire"]),
    ("FerryStateMachines", ["FerryWire", "FerryCrypto", "FerryChunking", .collections]),
    (
        "Ferry",
        [
            "FerryWire", "FerryCrypto", "FerryTransports", "FerryChunking", "FerryStateMachines",
            .collections, .logging, .metrics, .tracing, .serviceLifecycle,
        ]
    ),
    ("FerryTestKit", ["Ferry", "FerryWire", "FerryCrypto", "FerryTransports", "FerryChunking", "FerryStateMachines"]),
]

let plugins: [(name: String, dependencies: [Target.Dependency])] = [
    ("FerrySodium", ["FerryCrypto", "CSodium"]),
    ("FerrySwiftCrypto", ["FerryCrypto", .crypto]),
    ("FerryZstd", ["FerryChunking", "CZstd"]),
    ("FerryInMemory", ["FerryTransports"]),
    ("FerryUDP", ["FerryTransports", .nioCore, .nioPosix]),
    ("FerryUnixSocket", ["FerryTransports", .nioCore, .nioPosix]),
]

let systemLibraries: [Target] = [
    .systemLibrary(name: "CXXHash", path: "Sources/CXXHash", pkgConfig: "libxxhash", providers: [.apt(["libxxhash-dev"])]),
    .systemLibrary(name: "CBlake2", path: "Sources/CBlake2", pkgConfig: "libb2", providers: [.apt(["libb2-dev"])]),
    .systemLibrary(name: "CSodium", path: "Plugins/CSodium", pkgConfig: "libsodium", providers: [.apt(["libsodium-dev"])]),
    .systemLibrary(name: "CZstd", path: "Plugins/CZstd", pkgConfig: "libzstd", providers: [.apt(["libzstd-dev"])]),
]

let core: [Target.Dependency] = modules.map { .init(stringLiteral: $0.name) }
let backends: [Target.Dependency] = plugins.map { .init(stringLiteral: $0.name) }

let package = Package(
    name: "ferry",
    products: (modules + plugins).map { .library(name: $0.name, targets: [$0.name]) } + [
        .executable(name: "ferryctl", targets: ["ferryctl"])
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.0"),
        .package(url: "https://github.com/apple/swift-distributed-tracing", from: "1.7.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
        .package(url: "https://github.com/apple/swift-metrics", from: "2.13.0"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
    ],
    targets: systemLibraries
        + modules.map { .target(name: $0.name, dependencies: $0.dependencies, swiftSettings: settings) }
        + plugins.map { .target(name: $0.name, dependencies: $0.dependencies, path: "Plugins/\($0.name)", swiftSettings: settings) }
        + [
            .executableTarget(
                name: "ferryctl",
                dependencies: core + backends + [.argumentParser, .hashTrees, .logging, .serviceLifecycle, .unixSignals],
                swiftSettings: settings)
        ]
        + (modules + plugins).map {
            .testTarget(name: "\($0.name)Tests", dependencies: core + backends, swiftSettings: settings)
        }
        + [
            .testTarget(name: "SimulationTests", dependencies: core + backends, swiftSettings: settings),
            .testTarget(name: "ferryctlTests", dependencies: core + ["ferryctl"], swiftSettings: settings),
        ]
)
