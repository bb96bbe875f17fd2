import FerryCrypto
import FerrySodium
import FerryStateMachines
import FerryWire
import Testing

/// Two daemons, each owned by one of several nodes, and a network between them that loses, repeats and reorders what it likes.
final class OutputLaneWorld {
    /// One daemon wherever it is: what its host would hold.
    final class Host {
        let key: EntityKeypair
        var node: NodeKey
        var epoch = Epoch.first
        var lanes: OutputLanes
        var fence = EmitterFence()
        var chain: ChainBuilder
        var cursors: [OriginHash: UInt64] = [:]
        /// Payloads that the daemon has processed, in order.
        var processed: [[UInt8]] = []
        /// Former owners and where they say that the daemon went.
        var stubs: [NodeKey: Moved] = [:]
        var isFenced = false

        init(key: EntityKeypair, node: NodeKey, limits: OutputLimits) {
            self.key = key
            self.node = node
            lanes = OutputLanes(daemon: key.originHash, limits: limits)
            chain = ChainBuilder(origin: key.originHash)
        }

        var origin: OriginHash { key.originHash }

        func restore(_ header: SnapshotHeader) {
            if let restored = OutputLanes(restoring: header) { lanes = restored }
            fence = EmitterFence(cursors: header.cursors)
            cursors = Dictionary(uniqueKeysWithValues: header.cursors.map { ($0.emitter, $0.sequence) })
        }
    }

    struct Frame {
        var message: LaneMessage
        var from: NodeKey
        var to: NodeKey
        var isAnswer: Bool
    }

    let crypto = CryptoProvider.sodium
    let nodes: [NodeKey]
    var hosts: [OriginHash: Host] = [:]
    var frames: [Frame] = []
    var now = Timestamp(nanoseconds: 1_000)
    /// A plain generator, so that every run is the same.
    private var state: UInt64
    var isFaulty = false
    private var attempt: UInt8 = 0

    init(seed: UInt64, nodeCount: Int = 3) throws {
        state = seed
        let provider = crypto
        nodes = try (0..<nodeCount).map { _ in try NodeIdentity.generate(crypto: provider).nodeKey }
    }

    func random(_ bound: UInt64) -> UInt64 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return (state >> 33) % bound
    }

    func spawn(on node: Int, limits: OutputLimits = OutputLimits()) throws -> Host {
        let host = Host(key: try EntityKeypair.generate(crypto: crypto), node: nodes[node], limits: limits)
        hosts[host.origin] = host
        return host
    }

    // MARK: A daemon's doings

    func perform(_ operations: [OutputOperation], by host: Host) throws {
        for operation in operations {
            guard let link = host.chain.next(payload: operation.payload, horizon: 0) else { continue }
            host.lanes.perform(operation, link: link, at: 1)
        }
        try speak(host)
        pump(host)
    }

    private func speak(_ host: Host) throws {
        guard host.lanes.isSuspended, !host.isFenced else { return }
        host.lanes.resume(under: try LaneCredential(signing: host.key, epoch: host.epoch, node: host.node))
    }

    func pump(_ host: Host) {
        while let transmission = host.lanes.nextTransmission(now: now) {
            switch transmission.destination {
            case .node(let node, _): post(transmission.message, from: host.node, to: node, isAnswer: false)
            case .everyone: for node in nodes { post(transmission.message, from: host.node, to: node, isAnswer: false) }
            }
        }
    }

    func header(of host: Host) throws -> SnapshotHeader {
        let cursors = host.cursors.map { LaneCursor(emitter: $0.key, sequence: $0.value) }.sorted { $0.emitter < $1.emitter }
        return SnapshotHeader(
            entity: host.key.entityID, lineage: LineageID(rawValue: .zero), epoch: host.epoch,
            kind: DaemonKind(name: "test", schemaVersion: 1), chainLink: host.chain.head, headPayload: host.chain.headPayload,
            cursors: host.fence.marked(cursors), outputLanes: host.lanes.states, bindings: try host.lanes.bindings.snapshotBytes(),
            ownerHints: host.lanes.hints, createdAt: 0)
    }

    static func restored(_ header: SnapshotHeader) throws -> OutputLanes {
        if let lanes = OutputLanes(restoring: header) { return lanes }
        throw WireError(.invalidValue, "the header does not restore")
    }

    /// Moves a daemon in one step, through the bytes of its header; what the old owner had in flight stays in flight.
    func move(_ host: Host, to node: NodeKey) throws {
        guard node != host.node else { return }
        host.lanes.suspend()
        let bytes = try header(of: host).encoded()
        let header = try SnapshotHeader(decoding: bytes)
        attempt &+= 1
        let next = Epoch(rawValue: host.epoch.rawValue + 1)
        let placeholder: [UInt8] = [0]
        var moved = Moved(
            daemon: host.key.entityID, epoch: next, migration: MigrationID(order: OrderID(rawValue: .zero), attempt: attempt), target: node,
            targetAddress: "", daemonSignature: try host.key.sign(placeholder.rawSpan))
        let signedBytes = try moved.signedBytes()
        moved.daemonSignature = try host.key.sign(signedBytes.rawSpan)
        host.stubs[host.node] = moved
        host.stubs[node] = nil
        host.node = node
        host.epoch = next
        host.restore(header)
        try speak(host)
        pump(host)
    }

    // MARK: The network

    func post(_ message: LaneMessage, from: NodeKey, to: NodeKey, isAnswer: Bool) {
        let frame = Frame(message: message, from: from, to: to, isAnswer: isAnswer)
        guard isFaulty else { return frames.append(frame) }
        if random(100) < 15 { return }
        frames.append(frame)
        if random(100) < 15 { frames.append(frame) }
    }

    /// Delivers what is in flight, and lets time pass whenever nothing is.
    func run(steps: Int = 20_000, until isDone: () -> Bool) throws {
        for _ in 0..<steps {
            if isDone() { return }
            if frames.isEmpty {
                let deadline = hosts.values.compactMap { $0.lanes.nextDeadline }.min()
                guard let deadline else { return }
                now = max(now, deadline)
                for host in hosts.values {
                    _ = host.lanes.deadlineReached(now: now)
                    pump(host)
                }
            } else {
                try deliver(frames.remove(at: isFaulty ? Int(random(UInt64(min(frames.count, 4)))) : 0))
            }
        }
    }

    private func deliver(_ frame: Frame) throws {
        let message = frame.message
        if frame.isAnswer {
            guard let host = hosts[message.emitter], host.node == frame.to else { return }
            _ = host.lanes.receive(message.body, from: message.daemon, node: frame.from, crypto: crypto, now: now)
            pump(host)
            return
        }
        guard let answer = try answer(to: message, from: frame.from, at: frame.to) else { return }
        post(LaneMessage(emitter: message.emitter, daemon: message.daemon, body: answer), from: frame.to, to: frame.from, isAnswer: true)
    }

    /// What a node says to `hello` and `event`.
    func answer(to message: LaneMessage, from: NodeKey, at node: NodeKey) throws -> LaneMessage.Body? {
        guard let host = hosts[message.daemon] else { return .notHere }
        guard host.node == node else { return host.stubs[node].map { .moved($0) } ?? .notHere }
        let isNode = message.emitter == from.originHash
        let cursor = host.cursors[message.emitter] ?? 0
        switch message.body {
        case .hello(let credential):
            let verdict = host.fence.admit(hello: credential, of: message.emitter, from: from, isNode: isNode, crypto: crypto)
            return refusal(verdict) ?? .welcome(cursor: cursor, epoch: host.epoch)
        case .event(let event):
            let verdict = host.fence.admit(event: event.emitterEpoch, of: message.emitter, from: from, isNode: isNode)
            if let refusal = refusal(verdict) { return refusal }
            if event.link.sequence <= cursor { return .acknowledgement(cursor: cursor, epoch: host.epoch) }
            if event.previous > cursor { return .gap(cursor: cursor, epoch: host.epoch) }
            if event.previous < cursor { return .violation }
            _ = host.fence.keep(message.emitter)
            host.cursors[message.emitter] = event.link.sequence
            let input = CausalEvent(link: event.link, payload: event.payload, receivedAt: 0, content: event.content)
            if host.lanes.take(input) == .daemon { host.processed.append(event.payload) }
            return .acknowledgement(cursor: event.link.sequence, epoch: host.epoch)
        default:
            return nil
        }
    }

    private func refusal(_ verdict: EmitterFence.Verdict) -> LaneMessage.Body? {
        switch verdict {
        case .pass, .raised: nil
        case .unproven: .unproven
        case .refused: .violation
        }
    }
}
