import FerryCrypto
import FerrySodium
import FerryStateMachines
import FerryTransports
import FerryUDP
import FerryWire
import Testing

@testable import Ferry

/// Does to other daemons what it is told, and tells of everything that it gets from them.
struct RelayDaemon: Deterministic {
    static let kind = DaemonKind(name: "relay", schemaVersion: 1)
    static let channel = ChannelName("numbers")

    enum Command: UInt8 {
        case subscribe = 1
        case unsubscribe = 2
        case publish = 3
        case deliver = 4
        case arrived = 5
    }

    /// Numbers that it got, in order.
    var numbers: [UInt64] = []

    init() {}

    static func command(_ command: Command, _ origin: OriginHash = OriginHash(rawValue: 0), _ number: UInt64 = 0) -> [UInt8] {
        [command.rawValue] + payload(origin.rawValue) + payload(number)
    }

    mutating func process(_ event: CausalEvent, into outputs: inout DaemonOutputs) throws {
        guard event.payload.count == 17, let command = Command(rawValue: event.payload[0]), let channel = Self.channel else { return }
        let origin = OriginHash(rawValue: event.payload.rawSpan.littleEndianUInt64(at: 1))
        let number = event.payload.rawSpan.littleEndianUInt64(at: 9)
        switch command {
        case .subscribe: outputs.subscribe(to: channel, of: origin)
        case .unsubscribe: outputs.unsubscribe(from: channel, of: origin)
        case .publish: outputs.publish(Self.command(.arrived, origin, number), on: channel)
        case .deliver: outputs.deliver(Self.command(.arrived, origin, number), to: origin)
        case .arrived:
            numbers.append(number)
            outputs.emit(payload(number))
        }
    }

    func snapshot(into writer: inout SnapshotWriter) async throws {
        writer.write(UInt64(numbers.count))
        for number in numbers {
            writer.write(number)
            try await writer.checkpoint()
        }
    }

    init(restoring reader: inout SnapshotReader) async throws {
        try await reader.checkpoint()
        let count = try reader.read(UInt64.self)
        for _ in 0..<count {
            try await reader.checkpoint()
            numbers.append(try reader.read(UInt64.self))
        }
    }
}

extension DaemonHost {
    fileprivate var subscriptionCount: Int { plane.lanes.bindings.roster.count }
    fileprivate var waitingOutputCount: Int { plane.lanes.waitingCount }
}

@Suite(.timeLimit(.minutes(2))) struct EventPlaneTests {
    enum Carrier: String, CaseIterable {
        case memory
        case udp
    }

    private func withRelays(
        _ carrier: Carrier, auditor: Auditor, _ body: @Sendable ([FerryNode]) async throws -> Void
    ) async throws {
        func configure(_ index: Int, _ composition: inout Composition) {
            composition.daemons = [DaemonRegistration(LedgerDaemon.self), DaemonRegistration(RelayDaemon.self)]
            guard carrier == .udp else { return }
            composition.transports = [UDPTransport(host: "127.0.0.1", port: 0)]
            composition.knownPeers = []
        }
        try await withHosts(3, auditor: auditor, configure: configure) { nodes in
            // Everyone meets everyone: over udp nobody knows the others' ports in advance.
            let entity = try await nodes[0].spawn(LedgerDaemon(seed: 400))
            let other = try await nodes[1].spawn(LedgerDaemon(seed: 401))
            for node in nodes[1...] { try await node.deliver([0], to: entity.originHash, at: nodes[0].endpoint) }
            try await nodes[2].deliver([0], to: other.originHash, at: nodes[1].endpoint)
            try await body(nodes)
        }
    }

    /// Moves a daemon round and round.
    private func tour(_ entity: EntityID, from start: Int, _ count: Int, _ nodes: [FerryNode]) async throws {
        for round in 0..<count {
            let (from, to) = (nodes[(start + round) % 3], nodes[(start + round + 1) % 3])
            let report = try await from.migrate(entity, to: to.endpoint, options: MoveOptions(pauseBudget: .seconds(1))).value
            #expect(report.mode == .live)
        }
    }

    private func numbers(of daemon: EntityID, _ auditor: Auditor) -> [UInt64] {
        auditor.books.outputs.filter { $0.link.origin == daemon.originHash && $0.payload.count == 8 }.map {
            $0.payload.rawSpan.littleEndianUInt64(at: 0)
        }
    }

    private func host(of entity: EntityID, _ nodes: [FerryNode]) -> DaemonHost? {
        nodes.lazy.compactMap { $0.core.table.owns(entity.originHash) ? $0.core.table.host(entity.originHash) : nil }.first
    }

    @Test(
        "a publisher and a subscriber that both move while numbers are published miss none, get none twice, and keep their order",
        arguments: Carrier.allCases)
    func channels(_ carrier: Carrier) async throws {
        let auditor = Auditor()
        try await withRelays(carrier, auditor: auditor) { nodes in
            let publisher = try await nodes[0].spawn(RelayDaemon())
            let subscriber = try await nodes[1].spawn(RelayDaemon())
            try await nodes[2].deliver(
                RelayDaemon.command(.subscribe, publisher.originHash), to: subscriber.originHash, at: nodes[1].endpoint)
            await eventually { await host(of: publisher, nodes)?.subscriptionCount == 1 }
            let emitter = try nodes[2].emitter(to: publisher.originHash, at: nodes[0].endpoint)
            async let publisherTour: Void = tour(publisher, from: 0, 4, nodes)
            async let subscriberTour: Void = tour(subscriber, from: 1, 4, nodes)
            for number in UInt64(0)..<300 { try await emitter.deliver(RelayDaemon.command(.publish, publisher.originHash, number)) }
            try await publisherTour
            try await subscriberTour
            for number in UInt64(300)..<320 { try await emitter.deliver(RelayDaemon.command(.publish, publisher.originHash, number)) }
            await eventually { numbers(of: subscriber, auditor).count >= 320 }
            #expect(numbers(of: subscriber, auditor) == Array(0..<320))
            await eventually { await host(of: publisher, nodes)?.waitingOutputCount == 0 }
        }
    }

    @Test("a daemon that delivers to another while both move ten times loses nothing", arguments: Carrier.allCases)
    func deliveries(_ carrier: Carrier) async throws {
        let auditor = Auditor()
        try await withRelays(carrier, auditor: auditor) { nodes in
            let sender = try await nodes[0].spawn(RelayDaemon())
            let receiver = try await nodes[1].spawn(RelayDaemon())
            let emitter = try nodes[2].emitter(to: sender.originHash, at: nodes[0].endpoint)
            async let senderTour: Void = tour(sender, from: 0, 10, nodes)
            async let receiverTour: Void = tour(receiver, from: 1, 10, nodes)
            for number in UInt64(0)..<500 { try await emitter.deliver(RelayDaemon.command(.deliver, receiver.originHash, number)) }
            try await senderTour
            try await receiverTour
            await eventually { numbers(of: receiver, auditor).count >= 500 }
            #expect(numbers(of: receiver, auditor) == Array(0..<500))
        }
    }

    @Test("a daemon delivers to itself, and to its neighbour on the same node")
    func neighbours() async throws {
        let auditor = Auditor()
        try await withRelays(.memory, auditor: auditor) { nodes in
            let first = try await nodes[0].spawn(RelayDaemon())
            let second = try await nodes[0].spawn(RelayDaemon())
            let emitter = try nodes[0].emitter(to: first.originHash)
            for number in UInt64(0)..<100 {
                try await emitter.deliver(RelayDaemon.command(.deliver, first.originHash, number))
                try await emitter.deliver(RelayDaemon.command(.deliver, second.originHash, number))
            }
            await eventually { numbers(of: first, auditor).count + numbers(of: second, auditor).count >= 200 }
            #expect(numbers(of: first, auditor) == Array(0..<100))
            #expect(numbers(of: second, auditor) == Array(0..<100))
        }
    }

    @Test("a daemon whose outputs nobody takes stops taking inputs, and goes on once there is room")
    func backPressure() async throws {
        let auditor = Auditor()
        try await withRelays(.memory, auditor: auditor) { nodes in
            let sender = try await nodes[0].spawn(RelayDaemon())
            let key = try EntityKeypair.generate(crypto: .sodium)
            let absent = key.originHash
            let emitter = try nodes[2].emitter(to: sender.originHash, at: nodes[0].endpoint)
            for number in UInt64(0)..<1_000 { try await emitter.send(RelayDaemon.command(.deliver, absent, number)) }
            // 64 KiB of outputs of 62 bytes each, and the one that exceeds them.
            let expected = (64 << 10) / 62 + 1
            #expect(expected > 1_000)
            let more = Task {
                for number in UInt64(1_000)..<1_200 { try await emitter.send(RelayDaemon.command(.deliver, absent, number)) }
                try await emitter.flush()
            }
            await eventually { await host(of: sender, nodes)?.waitingOutputCount == expected }
            #expect(emitter.waitingCount > 0)
            try await nodes[1].spawn(RelayDaemon(), identity: key)
            try await more.value
            await eventually { auditor.books.outputs.filter { $0.link.origin == absent }.count >= 1_200 }
            #expect(numbers(of: key.entityID, auditor) == Array(0..<1_200))
        }
    }
}
