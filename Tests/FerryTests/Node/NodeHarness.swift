import Ferry
import FerryCrypto
import FerryInMemory
import FerrySodium
import FerryStateMachines
import FerryTransports
import FerryWire
import Synchronization
import Testing

/// What tests make their daemons do at the next snapshot or restore; by seed, so that tests do not meet.
final class LedgerFaults: Sendable {
    struct Injected: Error {}

    /// Where user code misbehaves.
    enum Fault: Sendable, Hashable {
        case throwsInSnapshot
        case throwsInRestore
        case hangsInSnapshot
        case hangsInRestore
    }

    static let shared = LedgerFaults()
    private let faults = Mutex<[UInt64: Fault]>([:])

    func set(_ fault: Fault?, for seed: UInt64) { faults.withLock { $0[seed] = fault } }
    func fault(of seed: UInt64) -> Fault? { faults.withLock { $0[seed] } }

    /// Never returns but by cancellation, and ignores that for as long as the fault is set.
    func hang(while fault: Fault, seed: UInt64) async {
        while self.fault(of: seed) == fault { await Task.yield() }
    }
}

/// Remembers everything that it was sent, in order, and emits one output for each event.
struct LedgerDaemon: StateDigesting {
    static let kind = DaemonKind(name: "ledger", schemaVersion: 1)

    var seed: UInt64
    var entries: [UInt64] = []
    var lastDraw: UInt64 = 0
    var padding: PagedBytes

    init(seed: UInt64, paddingByteCount: Int = 0) {
        self.seed = seed
        padding = PagedBytes(repeating: 7, count: paddingByteCount)
    }

    struct Refused: Error {}

    mutating func process(_ event: CausalEvent, into outputs: inout DaemonOutputs) throws {
        guard event.payload.count == 8 else { throw Refused() }
        let value = event.payload.rawSpan.littleEndianUInt64(at: 0)
        entries.append(value)
        lastDraw = outputs.random.next()
        if padding.count >= 8 {
            padding.write(event.payload.rawSpan, at: Int(value % UInt64(padding.count / 8)) * 8)
        }
        outputs.emit(event.payload)
    }

    func snapshot(into writer: inout SnapshotWriter) async throws {
        if LedgerFaults.shared.fault(of: seed) == .throwsInSnapshot { throw LedgerFaults.Injected() }
        await LedgerFaults.shared.hang(while: .hangsInSnapshot, seed: seed)
        writer.writeMark("ledger")
        writer.write(seed)
        writer.write(lastDraw)
        writer.write(UInt64(entries.count))
        for entry in entries {
            writer.write(entry)
            try await writer.checkpoint()
        }
        try await writer.stream(padding)
    }

    init(restoring reader: inout SnapshotReader) async throws {
        try await reader.checkpoint()
        try reader.readMark("ledger")
        seed = try reader.read(UInt64.self)
        if LedgerFaults.shared.fault(of: seed) == .throwsInRestore { throw LedgerFaults.Injected() }
        await LedgerFaults.shared.hang(while: .hangsInRestore, seed: seed)
        lastDraw = try reader.read(UInt64.self)
        let count = try reader.read(UInt64.self)
        for _ in 0..<count {
            try await reader.checkpoint()
            entries.append(try reader.read(UInt64.self))
        }
        padding = try await reader.streamPagedBytes()
    }

    var predictedByteCount: UInt64 { UInt64(entries.count * 8 + padding.count) }

    var stateDigest: FixedBytes32 {
        let bytes = [UInt8](rawCapacity: (entries.count + 2) * 8) { output in
            for entry in entries + [lastDraw, padding.digest()] { output.append(littleEndian: entry) }
        }
        return keyedBlake2s(key: [1].rawSpan, bytes.rawSpan)
    }
}

/// Keeps books of its own about every node that it observes.
final class Auditor: OutputObserver, NodeObserver {
    struct Books: Sendable {
        var inputs: [ProcessedInput] = []
        var outputs: [CausalEvent] = []
        var epochs: [Epoch] = []
        var departed: [OriginHash] = []
        var activated: [OriginHash] = []
        var phases: [MigrationPhase] = []
    }

    private let state = Mutex(Books())

    var books: Books { state.withLock { $0 } }

    func daemon(_ daemon: OriginHash, epoch: Epoch, processed input: ProcessedInput) {
        state.withLock {
            $0.inputs.append(input)
            $0.epochs.append(epoch)
        }
    }

    func daemon(_ daemon: OriginHash, epoch: Epoch, emitted output: CausalEvent) { state.withLock { $0.outputs.append(output) } }

    func move(_ migration: MigrationID, of daemon: OriginHash, as role: MoveRole, reached phase: MigrationPhase) {
        state.withLock { $0.phases.append(phase) }
    }

    func daemonActivated(_ daemon: OriginHash, epoch: Epoch, stateByteCount: UInt64) { state.withLock { $0.activated.append(daemon) } }
    func daemonDeparted(_ daemon: OriginHash, epoch: Epoch) { state.withLock { $0.departed.append(daemon) } }

    /// Every output follows its predecessor, and every lane is gapless and in order.
    func expectContinuity(of daemon: OriginHash, lanes: Int = 1, sourceLocation: SourceLocation = #_sourceLocation) {
        let books = self.books
        var head = CausalLink.genesis(daemon)
        var payload: [UInt8] = []
        for output in books.outputs {
            #expect(throws: Never.self, sourceLocation: sourceLocation) {
                try head.validateSuccessor(output.link, payload: payload.rawSpan)
            }
            head = output.link
            payload = output.payload
        }
        var last: [OriginHash: UInt64] = [:]
        for input in books.inputs {
            #expect(input.sequence == (last[input.emitter] ?? 0) + 1, sourceLocation: sourceLocation)
            last[input.emitter] = input.sequence
        }
        #expect(last.count == lanes, sourceLocation: sourceLocation)
        #expect(books.epochs == books.epochs.sorted(), sourceLocation: sourceLocation)
    }
}

/// Several nodes on one in-memory network, named `memory:0`, `memory:1`, …; each obeys and admits every other.
func withHosts(
    _ count: Int, auditor: Auditor = Auditor(), budgets: PhaseBudgets = PhaseBudgets(),
    configure: (Int, inout Composition) -> Void = { _, _ in }, _ body: @Sendable ([FerryNode]) async throws -> Void
) async throws {
    let network = InMemoryNetwork()
    let crypto = CryptoProvider.sodium
    let identities = try (0..<count).map { _ in try NodeIdentity.generate(crypto: crypto) }
    let keys = Set(identities.map(\.nodeKey))
    let endpoints = identities.enumerated().map { index, identity in
        Endpoint(address: TransportAddress(scheme: "memory", rest: "\(index)"), nodeKey: identity.nodeKey)
    }
    let nodes = try identities.enumerated().map { index, identity in
        var composition = Composition(
            identity: identity, crypto: crypto, transports: [InMemoryTransport(network: network, name: "\(index)")],
            daemons: [DaemonRegistration(LedgerDaemon.self)], peers: .nodes(keys),
            knownPeers: endpoints.enumerated().filter { $0.offset != index }.map(\.element), orchestrators: keys, budgets: budgets,
            observers: [auditor], outputObservers: [auditor])
        configure(index, &composition)
        return try FerryNode(composition)
    }
    try await withThrowingTaskGroup(of: Void.self) { group in
        for node in nodes { group.addTask { try await node.run() } }
        for node in nodes { try await node.waitUntilListening() }
        try await body(nodes)
        group.cancelAll()
        while let result = await group.nextResult() { _ = result }
    }
}

extension FerryNode {
    /// Where the harness put this node.
    var endpoint: Endpoint { endpoints[0] }
}

/// Eight bytes.
func payload(_ value: UInt64) -> [UInt8] { [UInt8](rawCapacity: 8) { $0.append(littleEndian: value) } }

/// Waits until a condition holds, which something under way brings about.
func eventually(_ condition: () async -> Bool, sourceLocation: SourceLocation = #_sourceLocation) async {
    let deadline = ContinuousClock.now + .seconds(20)
    while ContinuousClock.now < deadline {
        if await condition() { return }
        await Task.yield()
    }
    Issue.record("the condition did not come true", sourceLocation: sourceLocation)
}
