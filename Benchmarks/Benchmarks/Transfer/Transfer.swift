import Benchmark
import FerryChunking
import FerryCrypto
import FerrySodium
import FerrySwiftCrypto
import FerryZstd

// transport × crypto × compression. Both nodes are in this process, so that processor time and allocations are both nodes'; `ferryctl bench
// transfer` measures two processes against the limit of the machine.

/// State bytes a second, in units of 10^6.
private let throughput = BenchmarkMetric.custom("State MB/s", polarity: .prefersLarger, useScalingFactor: false)
private let stateByteCount = 64 << 20

/// The nodes of the benchmark at hand.
private actor Stage {
    private(set) var pair: Pair?

    func begin(_ make: @Sendable () async throws -> Pair) async throws { pair = try await make() }

    func end() async {
        await pair?.stop()
        pair = nil
    }
}

let benchmarks: @Sendable () -> Void = {
    unsafe Benchmark.defaultConfiguration = .init(
        metrics: [.wallClock, .cpuTotal, .peakMemoryResident, throughput], warmupIterations: 1, maxDuration: .seconds(3))
    let providers: [(String, CryptoProvider)] = [("sodium", .sodium), ("swift-crypto", .swiftCrypto)]
    let compressors: [(String, any Compressor)] = [("none", .uncompressed), ("zstd", Zstd())]
    for transport in Pair.TransportName.allCases {
        for (cryptoName, crypto) in providers {
            for (compressionName, compressor) in compressors {
                let stage = Stage()
                Benchmark("move: \(transport.rawValue), \(cryptoName), \(compressionName)") { benchmark in
                    do {
                        guard let move = try await stage.pair?.move() else { return }
                        let seconds = Double(move.duration.components.seconds) + Double(move.duration.components.attoseconds) / 1e18
                        benchmark.measurement(throughput, Int(Double(move.byteCount) / seconds / 1e6))
                    } catch {
                        benchmark.error("\(error)")
                    }
                } setup: {
                    try await stage.begin { try await Pair(transport, crypto, compressor, stateByteCount: stateByteCount) }
                } teardown: {
                    await stage.end()
                }
            }
        }
    }
}
