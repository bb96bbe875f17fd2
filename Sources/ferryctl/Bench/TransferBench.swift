internal import FerryCrypto
internal import FerryInMemory
internal import Foundation

/// A real move between two nodes, each in a process of its own, and the limit of the machine around it.
struct TransferBench {
    static let defaultStateByteCount = 256 << 20
    /// A datagram that is lost spoils a measurement of the limit; so often it is tried.
    static let limitAttemptCount = 3

    var options: BenchOptions

    private var kind: BenchDataKind { options.dataKind ?? .random }
    private var stateByteCount: Int { options.stateSize?.byteCount ?? Self.defaultStateByteCount }

    /// Measures the transport that the options name, or each.
    func run(say: (String) -> Void) async throws -> [JSONValue] {
        let data = try BenchData(kind).bytes(stateByteCount)
        say("transfer of \(Figure.mebibytes(Double(stateByteCount))), medians of \(options.runs):")
        var results: [JSONValue] = []
        for transport in options.transport.map({ [$0] }) ?? DemoTransport.allCases {
            var result = TransferResult(transport: transport, crypto: options.crypto, compression: options.compression, dataKind: kind)
            for index in 0..<options.runs {
                Console.status("\(transport.rawValue) \(index + 1)/\(options.runs)")
                result.runs.append(try await measure(transport, data))
            }
            Console.status("")
            say(result.line)
            results.append(result.json)
        }
        return results
    }

    private func measure(_ transport: DemoTransport, _ data: [UInt8]) async throws -> TransferRun {
        let folder = try DemoFolder()
        let cast = try await BenchCast.start(transport, options, in: folder)
        do {
            let origin = try await cast.spawn(kind, byteCount: stateByteCount)
            let before = try await limit(transport, data, folder)
            var run = try await move(origin, cast)
            run.limits = [before, try await limit(transport, data, folder)]
            await cast.finish()
            return run
        } catch {
            await cast.finish()
            throw error
        }
    }

    private func move(_ daemon: SpawnedDaemon, _ cast: BenchCast) async throws -> TransferRun {
        var memory = [MemoryWatch(), MemoryWatch()]
        for (index, client) in cast.nodes.enumerated() { client.role.processID.map { memory[index].begin($0) } }
        let timeBefore = cast.processorSeconds
        let summary = try await cast.move(daemon)
        let timeAfter = cast.processorSeconds
        guard summary.result == "completed", let stateBytes = summary.stateBytes, let seconds = summary.durationSeconds, seconds > 0 else {
            throw CommandFailure(code: summary.result, message: "the move did not complete: \(summary.message ?? summary.result)")
        }
        var run = TransferRun(stateByteCount: stateBytes, wireByteCount: summary.wireBytes ?? 0, durationSeconds: seconds)
        if let timeBefore, let timeAfter { run.cpuSeconds = timeAfter - timeBefore }
        guard cast.isInProcesses else { return run }
        for (index, client) in cast.nodes.enumerated() {
            client.role.processID.map { memory[index].end($0, added: index == 1 ? Int(clamping: stateBytes) : 0) }
        }
        run.peakExtraByteCount = memory.map(\.peakExtra).max()
        return run
    }

    /// In 10^6 bytes a second.
    private func limit(_ transport: DemoTransport, _ data: [UInt8], _ folder: DemoFolder) async throws -> Double {
        guard let compressor = options.compression.compressors.first else {
            throw CommandFailure(code: "compression", message: "\(options.compression.rawValue) names no compressor")
        }
        var failure: (any Error)?
        for _ in 0..<Self.limitAttemptCount {
            let links = try await LimitLinks.open(transport, frameByteCount: options.frameSize?.byteCount, in: folder)
            do {
                let limit = TransferLimit(links: links, provider: options.crypto.provider, compressor: compressor)
                let time = try await limit.measure(data)
                await links.close()
                return Double(data.count) / time.seconds / 1e6
            } catch {
                failure = error
            }
        }
        throw failure ?? CommandFailure(code: "lost", message: "the limit could not be measured")
    }
}
