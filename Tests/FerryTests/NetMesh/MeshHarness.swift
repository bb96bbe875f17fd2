import FerryCrypto
import FerrySodium
import FerryStateMachines
import FerryTestKit
import FerryWire
import Synchronization
import Testing

@testable import Ferry

/// A clock that stands still until a test moves it.
final class VirtualClock: Clock {
    struct Instant: InstantProtocol {
        var offset: Duration
        func advanced(by duration: Duration) -> Instant { Instant(offset: offset + duration) }
        func duration(to other: Instant) -> Duration { other.offset - offset }
        static func < (left: Instant, right: Instant) -> Bool { left.offset < right.offset }
    }

    private struct State {
        var now = Instant(offset: .zero)
        var sleepers: [UInt64: (until: Instant, continuation: CheckedContinuation<Void, any Error>)] = [:]
        var cancelled: Set<UInt64> = []
        var count: UInt64 = 0
    }

    private let state = Mutex(State())

    var now: Instant { state.withLock { $0.now } }
    var minimumResolution: Duration { .nanoseconds(1) }

    func sleep(until deadline: Instant, tolerance: Duration?) async throws {
        let id = state.withLock { state in
            state.count += 1
            return state.count
        }
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let error: (any Error)?? = state.withLock { state in
                    if state.cancelled.contains(id) { return .some(CancellationError()) }
                    if deadline <= state.now { return .some(nil) }
                    state.sleepers[id] = (deadline, continuation)
                    return .none
                }
                switch error {
                case .some(let error?): continuation.resume(throwing: error)
                case .some(nil): continuation.resume()
                case .none: break
                }
            }
        } onCancel: {
            let sleeper = state.withLock { state in
                state.cancelled.insert(id)
                return state.sleepers.removeValue(forKey: id)
            }
            sleeper?.continuation.resume(throwing: CancellationError())
        }
    }

    /// How many sleep.
    var sleeperCount: Int { state.withLock { $0.sleepers.count } }

    /// Moves time; whoever slept until then wakes.
    func advance(by duration: Duration) {
        let due = state.withLock { state in
            state.now = state.now.advanced(by: duration)
            let due = state.sleepers.filter { $0.value.until <= state.now }
            for id in due.keys { state.sleepers[id] = nil }
            return due.values.map(\.continuation)
        }
        for continuation in due { continuation.resume() }
    }
}

/// Notes every input and echoes its payload as an output; its state is the notes.
struct NotebookDaemon: Daemon {
    static let kind = DaemonKind(name: "notebook", schemaVersion: 1)

    struct Refused: Error {}

    struct Note: Hashable, Sendable {
        var emitter: UInt64
        var sequence: UInt64
    }

    var notes: [Note] = []
    var padding: [UInt8] = []

    init(paddingByteCount: Int = 0) { padding = (0..<paddingByteCount).map { UInt8(truncatingIfNeeded: $0 &* 31) } }

    mutating func process(_ event: CausalEvent, into outputs: inout DaemonOutputs) throws {
        if event.payload == Array("refuse".utf8) { throw Refused() }
        notes.append(Note(emitter: event.link.origin.rawValue, sequence: event.link.sequence))
        if event.payload != Array("quiet".utf8) { outputs.emit(event.payload) }
    }

    func snapshot(into writer: inout SnapshotWriter) async throws {
        writer.write(UInt64(notes.count))
        for note in notes {
            writer.write(note.emitter)
            writer.write(note.sequence)
            try await writer.checkpoint()
        }
        writer.write(UInt64(padding.count))
        try await writer.stream(padding.rawSpan)
    }

    init(restoring reader: inout SnapshotReader) async throws {
        try await reader.checkpoint()
        let count = try reader.read(UInt64.self)
        for _ in 0..<count {
            try await reader.checkpoint()
            notes.append(Note(emitter: try reader.read(UInt64.self), sequence: try reader.read(UInt64.self)))
        }
        try await reader.checkpoint()
        let byteCount = Int(try reader.read(UInt64.self))
        while padding.count < byteCount {
            try await reader.checkpoint(1)
            let taken = min(reader.unreadByteCount, byteCount - padding.count)
            padding += try [UInt8](rawCapacity: taken) { output throws(FerryError) in try reader.read(into: &output) }
        }
    }
}

/// Collects outputs in the order in which they were published.
final class OutputLog: NetMeshOutputObserver {
    private let events = Mutex<[CausalEvent]>([])

    func daemon(_ daemon: OriginHash, emitted output: CausalEvent) { events.withLock { $0.append(output) } }

    var all: [CausalEvent] { events.withLock { $0 } }
}

/// A list that hooks and carriers write and tests read.
final class Journal<Entry: Sendable>: Sendable {
    private let entries = Mutex<[Entry]>([])

    func append(_ entry: Entry) { entries.withLock { $0.append(entry) } }

    var all: [Entry] { entries.withLock { $0 } }
}

/// Holds whoever comes until it is opened.
final class Gate: Sendable {
    private let state = Mutex<(isOpen: Bool, waiting: [CheckedContinuation<Void, Never>], arrived: Int)>((false, [], 0))

    var arrivedCount: Int { state.withLock { $0.arrived } }

    func pass() async {
        await withCheckedContinuation { continuation in
            let isOpen = state.withLock { state in
                state.arrived += 1
                if !state.isOpen { state.waiting.append(continuation) }
                return state.isOpen
            }
            if isOpen { continuation.resume() }
        }
    }

    func open() {
        let waiting = state.withLock { state in
            state.isOpen = true
            defer { state.waiting = [] }
            return state.waiting
        }
        for continuation in waiting { continuation.resume() }
    }
}

func event(from emitter: UInt64, _ sequence: UInt64, _ text: String = "event") -> CausalEvent {
    CausalEvent(
        link: CausalLink(origin: OriginHash(rawValue: emitter), horizon: 0, sequence: sequence, parent: 0), payload: Array(text.utf8),
        receivedAt: sequence)
}

extension NetMeshRuntime {
    /// The state of a daemon that is here, live or not, as its snapshot would carry it.
    func stateBytes(_ origin: OriginHash) async throws -> [UInt8] {
        let host = try #require(core.registry.host(origin))
        let frozen = try #require(await host.frozen())
        return try await PlainState.bytes(of: frozen.daemon, limit: 64 << 20)
    }

    /// What the daemon has noted.
    func notes(_ origin: OriginHash) async throws -> [NotebookDaemon.Note] {
        let host = try #require(core.registry.host(origin))
        let frozen = try #require(await host.frozen())
        return try #require(frozen.daemon as? NotebookDaemon).notes
    }

    /// Whether the daemon's secret key is here.
    func holdsKey(_ origin: OriginHash) async -> Bool {
        await core.registry.host(origin)?.frozen()?.keypair.canSign ?? false
    }
}
