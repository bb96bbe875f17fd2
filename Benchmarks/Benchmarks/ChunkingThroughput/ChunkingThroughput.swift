import Benchmark
import FerryWire
import Foundation

// operation × kind of data × compressor and level × chunk size × check. The default cut varies one dimension at a time around 256 KiB chunks
// with their check; FERRY_BENCH_FULL=1 measures the whole product.

/// Plain bytes a second, in units of 10^6.
private let throughput = BenchmarkMetric.custom("State MB/s", polarity: .prefersLarger, useScalingFactor: false)
/// Stored bytes in a thousandth of the plain bytes.
private let storedPerMille = BenchmarkMetric.custom("Stored ‰", polarity: .prefersSmaller, useScalingFactor: false)

private struct Cut {
    var kind: String
    var setting: Setting
    var chunkByteCount: Int
    var isChecked: Bool

    var name: String { "\(kind), \(setting.name), \(chunkByteCount >> 10) KiB\(isChecked ? "" : ", no check")" }

    static func all(isFull: Bool) -> [Cut] {
        let levels = isFull ? [-5, -1, 1, 2, 3, 6, 9] : [-5, 1, 3, 9]
        let settings = [Setting.uncompressed] + levels.map(Setting.zstd)
        var cuts: [Cut] = []
        for kind in Inputs.kinds {
            for setting in settings {
                for kibibytes in [64, 256, 1_024, 4_096] {
                    for isChecked in [true, false] {
                        let isUsual = setting.level == 0 || setting.level == 1
                        let variesOne = isChecked ? kibibytes == 256 || isUsual && kind == "json" : kibibytes == 256 && isUsual
                        guard isFull || variesOne else { continue }
                        cuts.append(Cut(kind: kind, setting: setting, chunkByteCount: kibibytes << 10, isChecked: isChecked))
                    }
                }
            }
        }
        return cuts
    }
}

/// Bytes made ready outside of what is measured, kept for the benchmark at hand only.
private final class Prepared: @unchecked Sendable {
    var bytes: [UInt8] = []
}

/// Measures one pass, which returns the stored bytes.
private func measure(_ benchmark: Benchmark, stateByteCount: Int, _ pass: () throws -> Int) {
    let start = ContinuousClock.now
    do {
        let storedByteCount = try pass()
        let elapsed = ContinuousClock.now - start
        let seconds = Double(elapsed.components.seconds) + Double(elapsed.components.attoseconds) / 1e18
        benchmark.measurement(throughput, Int(Double(stateByteCount) / seconds / 1e6))
        benchmark.measurement(storedPerMille, storedByteCount * 1_000 / stateByteCount)
    } catch {
        benchmark.error("\(error)")
    }
}

let benchmarks: @Sendable () -> Void = {
    unsafe Benchmark.defaultConfiguration = .init(
        metrics: [.wallClock, .cpuTotal, .peakMemoryResident, throughput, storedPerMille], warmupIterations: 1, maxDuration: .seconds(1))
    for cut in Cut.all(isFull: ProcessInfo.processInfo.environment["FERRY_BENCH_FULL"] != nil) {
        let prepared = Prepared()
        let release: @Sendable () async throws -> Void = { prepared.bytes = [] }
        Benchmark("encode: \(cut.name)") { benchmark in
            measure(benchmark, stateByteCount: prepared.bytes.count) {
                cut.isChecked
                    ? try encode(prepared.bytes, cut.setting, chunkByteCount: cut.chunkByteCount)
                    : try encodeUnchecked(prepared.bytes, cut.setting, chunkByteCount: cut.chunkByteCount)
            }
        } setup: {
            prepared.bytes = Inputs.bytes(cut.kind)
        } teardown: {
            try await release()
        }
        guard cut.isChecked else { continue }
        Benchmark("decode: \(cut.name)") { benchmark in
            measure(benchmark, stateByteCount: Inputs.byteCount) {
                blackHole(try decode(prepared.bytes, cut.setting))
                return prepared.bytes.count
            }
        } setup: {
            var records: [UInt8] = []
            _ = try encode(Inputs.bytes(cut.kind), cut.setting, chunkByteCount: cut.chunkByteCount) { records.append(contentsOf: $0) }
            prepared.bytes = records
        } teardown: {
            try await release()
        }
    }
}
