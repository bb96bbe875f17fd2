internal import ArgumentParser

/// What `ferryctl bench` can measure.
enum BenchSuite: String, ExpressibleByArgument, CaseIterable, Sendable {
    case chunking, transfer
    case smallMoves = "small-moves"
    case all
}

/// The flags of `ferryctl bench`; what is not given is measured in all of its values, or with its default.
struct BenchOptions: ParsableArguments {
    /// No state of a benchmark is larger: it is held three times over.
    static let maximumStateByteCount = 16 << 30

    @Option(help: "One transport only: udp, unix, memory.")
    var transport: DemoTransport?
    @Option(help: "Cryptographic back-end: default, sodium, swift-crypto.")
    var crypto = DemoCrypto.default
    @Option(help: "Compression of the state: adaptive, zstd, none.")
    var compression = DemoCompression.adaptive
    @Option(help: "What the state consists of: random, text, json, sqlite, elf, mixed.")
    var dataKind: BenchDataKind?
    @Option(help: "How large the state is (default: 256MiB for transfer, 64MiB for chunking, 1KiB for small-moves).")
    var stateSize: ByteSize?
    @Option(help: "The largest frame of unix and memory links; on udp the session finds the path's.")
    var frameSize: ByteSize?
    @Option(help: "How many daemons small-moves moves at once.")
    var daemons = 500
    @Option(help: "How often each figure is taken; the median is told.")
    var runs = 5

    func validate() throws {
        guard (1...5_000).contains(daemons) else { throw ValidationError("--daemons is 1 to 5000") }
        guard (1...1_000).contains(runs) else { throw ValidationError("--runs is 1 to 1000") }
        if let stateSize, !(1...Self.maximumStateByteCount).contains(stateSize.byteCount) {
            throw ValidationError("--state-size is 1B to \(Self.maximumStateByteCount >> 30)GiB")
        }
        if let frameSize {
            guard (1_200...(1 << 20)).contains(frameSize.byteCount) else { throw ValidationError("--frame-size is 1200B to 1MiB") }
            guard let transport, transport != .udp else {
                throw ValidationError("--frame-size goes with --transport unix or memory: on udp the session finds the path's")
            }
        }
    }
}
