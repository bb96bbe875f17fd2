import Ferry
import FerryWire
import Synchronization

/// A daemon that is not made for live moves, in one of several ways.
struct WaywardDaemon: Daemon {
    enum Way: UInt64, Sendable, CaseIterable {
        /// Its outputs depend on something beside its inputs.
        case nonDeterministic = 1
        /// Its outputs depend on a field that its snapshot leaves out.
        case forgetful = 2
    }

    static let kind = DaemonKind(name: "wayward", schemaVersion: 1)
    private static let outsideWorld = Atomic<UInt64>(0)

    var way: Way
    var seed: UInt64
    var sum: UInt64 = 1

    init(_ way: Way, seed: UInt64) {
        self.way = way
        self.seed = seed
    }

    mutating func process(_ event: CausalEvent, into outputs: inout DaemonOutputs) throws {
        sum &+= 1
        switch way {
        case .nonDeterministic: outputs.emit(payload(Self.outsideWorld.add(1, ordering: .relaxed).newValue))
        case .forgetful: outputs.emit(payload(sum))
        }
    }

    func snapshot(into writer: inout SnapshotWriter) async throws {
        await LedgerFaults.shared.hang(while: .hangsInSnapshot, seed: seed)
        writer.write(way.rawValue)
        writer.write(seed)
        if way != .forgetful { writer.write(sum) }
        try await writer.checkpoint()
    }

    init(restoring reader: inout SnapshotReader) async throws {
        try await reader.checkpoint()
        way = Way(rawValue: try reader.read(UInt64.self)) ?? .forgetful
        seed = try reader.read(UInt64.self)
        if way != .forgetful { sum = try reader.read(UInt64.self) }
    }
}

/// The same ways in silence: nothing but its state digest shows them.
struct SilentWaywardDaemon: StateDigesting {
    static let kind = DaemonKind(name: "silent-wayward", schemaVersion: 1)
    private static let outsideWorld = Atomic<UInt64>(0)

    var way: WaywardDaemon.Way
    var seed: UInt64
    var sum: UInt64 = 1

    init(_ way: WaywardDaemon.Way, seed: UInt64) {
        self.way = way
        self.seed = seed
    }

    var stateDigest: FixedBytes32 { keyedBlake2s(key: [3].rawSpan, payload(sum).rawSpan) }

    mutating func process(_ event: CausalEvent, into outputs: inout DaemonOutputs) throws {
        switch way {
        case .nonDeterministic: sum &+= Self.outsideWorld.add(1, ordering: .relaxed).newValue
        case .forgetful: sum &+= 1
        }
    }

    func snapshot(into writer: inout SnapshotWriter) async throws {
        await LedgerFaults.shared.hang(while: .hangsInSnapshot, seed: seed)
        writer.write(way.rawValue)
        writer.write(seed)
        if way != .forgetful { writer.write(sum) }
        try await writer.checkpoint()
    }

    init(restoring reader: inout SnapshotReader) async throws {
        try await reader.checkpoint()
        way = WaywardDaemon.Way(rawValue: try reader.read(UInt64.self)) ?? .forgetful
        seed = try reader.read(UInt64.self)
        if way != .forgetful { sum = try reader.read(UInt64.self) }
    }
}

/// A daemon that only counts: no digest, no outputs.
struct SilentDaemon: Daemon {
    static let kind = DaemonKind(name: "silent", schemaVersion: 1)
    var count: UInt64 = 0

    init() {}

    mutating func process(_ event: CausalEvent, into outputs: inout DaemonOutputs) throws { count += 1 }

    func snapshot(into writer: inout SnapshotWriter) async throws { writer.write(count) }

    init(restoring reader: inout SnapshotReader) async throws {
        try await reader.checkpoint()
        count = try reader.read(UInt64.self)
    }
}

/// The same, by a declaration of its author's.
struct DeclaredDaemon: Deterministic {
    static let kind = DaemonKind(name: "declared", schemaVersion: 1)
    var count: UInt64 = 0

    init() {}

    mutating func process(_ event: CausalEvent, into outputs: inout DaemonOutputs) throws { count += 1 }

    func snapshot(into writer: inout SnapshotWriter) async throws { writer.write(count) }

    init(restoring reader: inout SnapshotReader) async throws {
        try await reader.checkpoint()
        count = try reader.read(UInt64.self)
    }
}

/// A daemon whose digest takes at least a hundred milliseconds, however little was written since the last one.
struct SlowDigestDaemon: StateDigesting {
    static let kind = DaemonKind(name: "slow-digest", schemaVersion: 1)
    static let digestTime = Duration.milliseconds(100)
    var count: UInt64 = 0

    init() {}

    var stateDigest: FixedBytes32 {
        let start = ContinuousClock.now
        while true {
            let digest = keyedBlake2s(key: [2].rawSpan, payload(count).rawSpan)
            if ContinuousClock.now - start >= Self.digestTime { return digest }
        }
    }

    mutating func process(_ event: CausalEvent, into outputs: inout DaemonOutputs) throws { count += 1 }

    func snapshot(into writer: inout SnapshotWriter) async throws { writer.write(count) }

    init(restoring reader: inout SnapshotReader) async throws {
        try await reader.checkpoint()
        count = try reader.read(UInt64.self)
    }
}

extension Composition {
    /// Every kind that these tests move.
    mutating func restoreAll() {
        daemons = [
            DaemonRegistration(LedgerDaemon.self), DaemonRegistration(WaywardDaemon.self), DaemonRegistration(SilentDaemon.self),
            DaemonRegistration(DeclaredDaemon.self), DaemonRegistration(SlowDigestDaemon.self),
            DaemonRegistration(SilentWaywardDaemon.self),
        ]
    }
}

/// Sends numbers one after the other, each once its predecessor was accepted, until it is told to stop.
final class SteadyEmitter: Sendable {
    private let emitter: EventEmitter
    private let isStopping = Atomic(false)
    private let sent = Atomic<UInt64>(0)

    init(_ emitter: EventEmitter) { self.emitter = emitter }

    var sentCount: UInt64 { sent.load(ordering: .acquiring) }

    func run() async throws {
        while !isStopping.load(ordering: .relaxed) {
            try await emitter.deliver(payload(sentCount))
            sent.add(1, ordering: .releasing)
        }
    }

    func stop() { isStopping.store(true, ordering: .relaxed) }
}
