internal import ArgumentParser
internal import Ferry
internal import FerryCrypto
internal import FerrySodium
internal import FerryStateMachines
internal import FerryTransports
internal import FerryUDP
internal import FerryUnixSocket
internal import FerryWire
internal import FerryZstd
internal import Foundation
internal import Logging
internal import ServiceLifecycle
internal import Synchronization
internal import UnixSignals

/// `ferryctl node`: serves until it is told to stop, and writes what happens as JSON lines.
struct NodeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "node", abstract: "Run a node; writes one JSON object a line, each with the key \"event\".")

    @OptionGroup var options: NodeOptions

    func run() async throws {
        let leftCount: Int
        do {
            leftCount = try await serve(try options.merged())
        } catch {
            let failure = CommandFailure(describing: error)
            NodeEvents.write("failed", [("daemon", .null), ("code", .string(failure.code)), ("message", .string(failure.message))])
            Console.complain(failure.message)
            throw failure.status.code
        }
        guard leftCount == 0 else {
            Console.complain("\(leftCount) daemon(s) could not be handed over and ended with this node")
            throw ExitStatus.failed.code
        }
    }

    /// - Returns: how many daemons the drain could not hand over.
    private func serve(_ settings: NodeSettings) async throws -> Int {
        let drainTarget = try settings.drainTo.map { try Endpoint(argument: $0, of: "--drain-to") }
        let composition = try settings.composition(observers: [NodeEvents()])
        let node = try FerryNode(composition)
        let announcer = Announcer(node: node, spawning: settings.spawnedDemoByteCount)
        var services: [any Service] = [node, announcer]
        let drain = drainTarget.map { Drain(node: node, target: $0) }
        if let drain { services.append(drain) }
        let group = ServiceGroup(
            services: services, gracefulShutdownSignals: [.sigterm, .sigint], logger: composition.logger)
        try await group.run()
        NodeEvents.write("stopped", [])
        return drain?.failureCount.load(ordering: .relaxed) ?? 0
    }
}

/// Says where the node listens once it does, and begins the demo daemon's life if asked to.
private struct Announcer: Service {
    let node: FerryNode
    let spawning: Int?

    func run() async throws {
        try await node.waitUntilListening()
        for address in node.listenAddresses {
            NodeEvents.write(
                "listening",
                [
                    ("address", .string(address.description)), ("nodeKey", .string(node.nodeKey.hex)),
                    ("nodeID", .id(node.nodeKey.nodeID.rawValue)),
                ])
        }
        if let spawning { try await node.spawn(InvertedIndex(paddingByteCount: spawning)) }
        try await gracefulShutdown()
    }
}

/// Moves every daemon to another node before this one stops.
private final class Drain: Service {
    let failureCount = Atomic<Int>(0)
    private let node: FerryNode
    private let target: Endpoint

    init(node: FerryNode, target: Endpoint) {
        self.node = node
        self.target = target
    }

    func run() async throws {
        try await gracefulShutdown()
        try await node.refuseArrivals()
        // The node serves until this returns; what had taken by then goes on as well.
        var tried: Set<EntityID> = []
        while true {
            let daemons = await node.daemons.filter { $0.standing == .active && tried.insert($0.entity).inserted }
            guard !daemons.isEmpty else { return }
            await withDiscardingTaskGroup { group in
                for daemon in daemons { group.addTask { await self.move(daemon) } }
            }
        }
    }

    private func move(_ daemon: DaemonStatus) async {
        let handle: MigrationHandle
        do {
            handle = try await node.migrate(daemon.entity, to: target)
        } catch {
            failureCount.add(1, ordering: .relaxed)
            return NodeEvents().daemonFailed(daemon.origin, error: error)
        }
        // How an order ends the node tells itself.
        if (try? await handle.value) == nil { failureCount.add(1, ordering: .relaxed) }
    }
}

/// The node's events as JSON lines on standard output.
struct NodeEvents: NodeObserver {
    static func write(_ event: String, _ fields: [(String, JSONValue)]) {
        FileHandle.standardOutput.put(JSONValue.object([("event", .string(event))] + fields).text + "\n")
    }

    func move(_ migration: MigrationID, of daemon: OriginHash, as role: MoveRole, reached phase: MigrationPhase) {
        Self.write(
            "phase",
            [
                ("daemon", .id(daemon.rawValue)), ("migration", .string(migration.hex)), ("phase", .string(phase.description)),
                ("role", .string(role.description)),
            ])
    }

    func daemonActivated(_ daemon: OriginHash, epoch: Epoch, stateByteCount: UInt64) {
        Self.write(
            "activated",
            [("daemon", .id(daemon.rawValue)), ("epoch", .id(epoch.rawValue)), ("stateBytes", .integer(Int(clamping: stateByteCount)))])
    }

    func daemonDeparted(_ daemon: OriginHash, epoch: Epoch) {
        Self.write("departed", [("daemon", .id(daemon.rawValue)), ("epoch", .id(epoch.rawValue))])
    }

    func daemonFailed(_ daemon: OriginHash, error: FerryError) {
        Self.write(
            "failed",
            [("daemon", .id(daemon.rawValue)), ("code", .string(error.code.description)), ("message", .string(error.message))])
    }

    func session(with peer: NodeKey, isOpen: Bool) {
        if isOpen { Self.write("session", [("peer", .string(peer.hex))]) }
    }
}
