public import Ferry
internal import FerryStateMachines
public import FerryWire
internal import Synchronization

/// A daemon as the simulator drives it: one thread, no awaiting. ``SimulatedCast/init(spawning:)`` makes one of any `Daemon`.
public protocol SimulatedDaemon: Sendable {
    /// Name and state schema version; constant.
    static var kind: DaemonKind { get }
    /// Takes in one event; a throw counts as processed.
    mutating func process(_ event: CausalEvent, into outputs: inout DaemonOutputs) throws
    /// The whole state; equal states give equal bytes.
    func snapshot() throws -> [UInt8]
    /// Reads what ``snapshot()`` gave.
    init(restoring snapshot: [UInt8]) throws
}

/// Which daemons a simulation plays with: how one begins its life and how it is restored.
public struct SimulatedCast: Sendable {
    let kind: DaemonKind
    let spawn: @Sendable (_ seed: UInt64) -> any SimulatedDaemon
    let restore: @Sendable (_ snapshot: [UInt8]) throws -> any SimulatedDaemon
    /// Whether every daemon has its state compared; otherwise some do, so that the others are simulated too.
    let isAlwaysDigested: Bool

    /// Plays with `type`; `spawning` makes a fresh one of a number that differs from daemon to daemon.
    public init<Played: SimulatedDaemon>(_ type: Played.Type = Played.self, spawning: @escaping @Sendable (_ seed: UInt64) -> Played) {
        self.init(type, isAlwaysDigested: false, spawning: spawning)
    }

    private init<Played: SimulatedDaemon>(
        _ type: Played.Type, isAlwaysDigested: Bool, spawning: @escaping @Sendable (_ seed: UInt64) -> Played
    ) {
        kind = Played.kind
        spawn = spawning
        restore = { try Played(restoring: $0) }
        self.isAlwaysDigested = isAlwaysDigested
    }

    /// Plays with a daemon as hosts run it: snapshot and restore go through the real writer and reader.
    ///
    /// Neither may wait for anything but its writer or reader: in virtual time nothing else ever happens.
    public init<Hosted: Daemon>(spawning: @escaping @Sendable (_ seed: UInt64) -> Hosted) {
        self.init(HostedDaemon<Hosted>.self, isAlwaysDigested: true) { HostedDaemon(daemon: spawning($0)) }
    }

    /// ``LedgerDaemon``.
    public static let ledger = SimulatedCast(LedgerDaemon.self) { LedgerDaemon(seed: $0) }
}

/// A daemon whose state is exactly what it has processed: per emitter a count and a running hash, and padding that every event rewrites.
public struct LedgerDaemon: SimulatedDaemon {
    struct Entry: Hashable {
        var emitter: UInt64
        var count: UInt64
        var hash: UInt64
    }

    /// Payloads that begin with this byte make it throw, after it has counted them.
    public static let poison: UInt8 = 0xFF

    private(set) var entries: [Entry] = []
    private var padding: [UInt8]

    /// An empty ledger with padding of up to 48 KiB, of which one event rewrites one byte.
    public init(seed: UInt64) {
        var random = SimulationRandom(seed: seed)
        padding = random.bytes(random.chance(200) ? random.below(48 << 10) : random.below(512))
    }

    /// The ledger's kind.
    public static var kind: DaemonKind { DaemonKind(name: "ledger", schemaVersion: 1) }

    /// Counts the event, answers with the new hash, and rewrites a byte of the padding.
    public mutating func process(_ event: CausalEvent, into outputs: inout DaemonOutputs) throws {
        let index = place(of: event.link.origin.rawValue)
        entries[index].count += 1
        entries[index].hash = (entries[index].hash ^ xxh3(event.payload.rawSpan)) &* 0x9E37_79B9_7F4A_7C15
        if !padding.isEmpty { padding[Int(entries[index].hash % UInt64(padding.count))] ^= UInt8(truncatingIfNeeded: entries[index].count) }
        if event.payload.first == Self.poison { throw FailureReason(.stateFailed, "a poisoned event") }
        outputs.emit([UInt8](rawCapacity: 8) { $0.append(littleEndian: entries[index].hash) })
    }

    private mutating func place(of emitter: UInt64) -> Int {
        if let index = entries.firstIndex(where: { $0.emitter >= emitter }) {
            if entries[index].emitter != emitter { entries.insert(Entry(emitter: emitter, count: 0, hash: 0), at: index) }
            return index
        }
        entries.append(Entry(emitter: emitter, count: 0, hash: 0))
        return entries.count - 1
    }

    /// Entries, then padding.
    public func snapshot() -> [UInt8] {
        [UInt8](rawCapacity: 8 + 24 * entries.count + padding.count) { output in
            output.append(littleEndian: UInt64(entries.count))
            for entry in entries {
                output.append(littleEndian: entry.emitter)
                output.append(littleEndian: entry.count)
                output.append(littleEndian: entry.hash)
            }
            output.append(contentsOf: padding.rawSpan)
        }
    }

    /// Reads entries and padding.
    ///
    /// - Throws: `FailureReason` `.stateFailed` on bytes that are no ledger.
    public init(restoring snapshot: [UInt8]) throws {
        let bytes = snapshot.rawSpan
        guard bytes.byteCount >= 8 else { throw FailureReason(.stateFailed, "no ledger") }
        let count = bytes.littleEndianUInt64(at: 0)
        guard count <= UInt64(bytes.byteCount - 8) / 24 else { throw FailureReason(.stateFailed, "a ledger of fewer entries") }
        for index in 0..<Int(count) {
            let offset = 8 + 24 * index
            entries.append(
                Entry(
                    emitter: bytes.littleEndianUInt64(at: offset), count: bytes.littleEndianUInt64(at: offset + 8),
                    hash: bytes.littleEndianUInt64(at: offset + 16)))
        }
        padding = Array(snapshot[(8 + 24 * Int(count))...])
    }
}

/// Runs a host's daemon without awaiting: its snapshot goes to memory and comes from there.
struct HostedDaemon<Hosted: Daemon>: SimulatedDaemon {
    var daemon: Hosted

    static var kind: DaemonKind { Hosted.kind }

    init(daemon: Hosted) { self.daemon = daemon }

    mutating func process(_ event: CausalEvent, into outputs: inout DaemonOutputs) throws {
        try daemon.process(event, into: &outputs)
    }

    func snapshot() throws -> [UInt8] {
        let memory = SnapshotMemory()
        let frozen = daemon
        try InlineExecutor.run {
            var writer = try SnapshotWriter(into: memory)
            try await frozen.snapshot(into: &writer)
            _ = try await writer.finish()
        }
        return memory.bytes
    }

    init(restoring snapshot: [UInt8]) throws {
        let memory = SnapshotMemory(snapshot)
        daemon = try InlineExecutor.run {
            var reader = SnapshotReader(from: memory)
            let daemon = try await Hosted(restoring: &reader)
            _ = try await reader.finish()
            return daemon
        }
    }
}

/// Runs asynchronous code to its end on the calling thread: code that suspends for anything but itself fails.
final class InlineExecutor: TaskExecutor {
    private let jobs = Mutex<[UnownedJob]>([])

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        jobs.withLock { $0.append(job) }
    }

    private func drain() {
        while let job = jobs.withLock({ $0.isEmpty ? nil : $0.removeFirst() }) {
            unsafe job.runSynchronously(on: asUnownedTaskExecutor())
        }
    }

    static func run<Value: Sendable>(_ body: @escaping @Sendable () async throws -> Value) throws -> Value {
        let executor = InlineExecutor()
        let box = ResultBox<Value>()
        Task(executorPreference: executor) {
            do {
                let value = try await body()
                box.store(.success(value))
            } catch {
                box.store(.failure(error))
            }
        }
        executor.drain()
        guard let outcome = box.take() else {
            throw FailureReason(.stateFailed, "the daemon waits for something outside of the simulation")
        }
        return try outcome.get()
    }
}

private final class ResultBox<Value: Sendable>: Sendable {
    private let result = Mutex<Result<Value, any Error>?>(nil)

    func store(_ outcome: Result<Value, any Error>) { result.withLock { $0 = outcome } }
    func take() -> Result<Value, any Error>? { result.withLock { $0 } }
}
