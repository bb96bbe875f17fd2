import FerryCrypto
import FerrySodium
import FerryStateMachines
import FerryTestKit
import FerryWire
import Synchronization
import Testing

@testable import Ferry

/// Some net-mesh nodes in one process: every message waits until a test lets it through, and time until a test moves it.
final class MeshNetwork: Sendable {
    struct Message: Sendable {
        var sender: NodeID
        var receiver: NodeID
        var bytes: [UInt8]

        var decoded: MigrationMessage? { try? MigrationMessage(decoding: bytes) }
    }

    struct Channel: Hashable {
        var publisher: UInt64
        var name: ChannelName
    }

    private struct State {
        var waiting: [Message] = []
        var delivered: [Message] = []
        var subscribers: [Channel: Set<NodeID>] = [:]
        var staticKeys: [NodeID: FixedBytes32] = [:]
        var runtimes: [NodeID: NetMeshRuntime] = [:]
        var endpoints: [NodeID: NetMeshEndpoint] = [:]
        var lossPercent: UInt64 = 0
        var isReordering = false
        var subscriptionLog: [String] = []
        var feeds: [NodeID: [@Sendable (NetMeshRuntime) async throws -> Void]] = [:]
        var feeding: Set<NodeID> = []
        var dropFilter: (@Sendable (Message) -> Bool)?
    }

    let clock = VirtualClock()
    let random: SeededRandom
    /// Events that nodes refused.
    let refusals = Journal<String>()
    private let fed = Signal()
    private let state = Mutex(State())

    init(seed: UInt64) { random = SeededRandom(seed: seed) }

    // MARK: Faults

    func setFaults(lossPercent: UInt64, reorders: Bool) {
        state.withLock { state in
            state.lossPercent = lossPercent
            state.isReordering = reorders
        }
    }

    func drop(_ filter: (@Sendable (Message) -> Bool)?) { state.withLock { $0.dropFilter = filter } }

    /// A node whose static key its peers do not know.
    func forgetStaticKey(of node: NodeID) { state.withLock { $0.staticKeys[node] = nil } }

    // MARK: What the nodes use

    func add(_ node: NodeID, staticKey: FixedBytes32, endpoint: NetMeshEndpoint) {
        state.withLock { state in
            state.staticKeys[node] = staticKey
            state.endpoints[node] = endpoint
        }
    }

    func add(_ runtime: NetMeshRuntime, as node: NodeID) { state.withLock { $0.runtimes[node] = runtime } }

    func staticKey(of node: NodeID) -> FixedBytes32? { state.withLock { $0.staticKeys[node] } }

    func send(_ bytes: [UInt8], from sender: NodeID, to receiver: NodeID) {
        let message = Message(sender: sender, receiver: receiver, bytes: bytes)
        let chance = random.next() % 100
        state.withLock { state in
            guard chance >= state.lossPercent, state.dropFilter?(message) != true else { return }
            state.waiting.append(message)
        }
    }

    func subscribe(_ node: NodeID, to channel: Channel) {
        state.withLock { state in
            state.subscribers[channel, default: []].insert(node)
            state.subscriptionLog.append("+\(node)")
        }
    }

    func unsubscribe(_ node: NodeID, from channel: Channel) async {
        state.withLock { state in
            state.subscribers[channel, default: []].remove(node)
            state.subscriptionLog.append("-\(node)")
        }
        await waitUntilFed(node)
    }

    func subscribers(of channel: Channel) -> [NodeID] { state.withLock { ($0.subscribers[channel] ?? []).sorted() } }

    var subscriptionLog: [String] { state.withLock { $0.subscriptionLog } }

    // MARK: What tests do

    var waiting: [Message] { state.withLock { $0.waiting } }
    var delivered: [Message] { state.withLock { $0.delivered } }
    var deliveredTypes: [UInt8] { delivered.map { $0.bytes[0] } }

    /// Sends an event to all subscribers, to each behind what it was sent before, and returns when each has taken it or makes it wait.
    func publish(_ event: CausalEvent, on channel: Channel) async {
        for node in subscribers(of: channel) {
            enqueue(to: node) { runtime in
                try await runtime.core.receive(event, on: channel.name, from: channel.publisher, isCounted: true)
            }
        }
        await settle()
    }

    /// Gives a node's daemon an event, behind what the node was given before.
    func offer(_ event: CausalEvent, to origin: OriginHash, at node: NodeID) async {
        enqueue(to: node) { runtime in _ = try await runtime.core.deliver(event, to: origin, isCounted: true) }
        await settle()
    }

    private func enqueue(to node: NodeID, _ give: @escaping @Sendable (NetMeshRuntime) async throws -> Void) {
        guard let runtime = state.withLock({ $0.runtimes[node] }) else { return }
        let starts = state.withLock { state in
            state.feeds[node, default: []].append(give)
            return state.feeding.insert(node).inserted
        }
        guard starts else { return }
        runtime.core.activity.begin()
        Task {
            while let next = nextFeed(node) {
                do { try await next(runtime) } catch { refusals.append("\(error)") }
            }
            fed.signal()
            runtime.core.activity.end()
        }
    }

    private func nextFeed(_ node: NodeID) -> (@Sendable (NetMeshRuntime) async throws -> Void)? {
        state.withLock { state in
            guard state.feeds[node]?.isEmpty == false else {
                state.feeding.remove(node)
                return nil
            }
            return state.feeds[node]?.removeFirst()
        }
    }

    /// Returns when the node has taken everything that it was sent.
    private func waitUntilFed(_ node: NodeID) async {
        while true {
            let ticket = fed.ticket
            if state.withLock({ !$0.feeding.contains(node) }) { return }
            await fed.wait(after: ticket)
        }
    }

    /// Lets one message through; false when none waits.
    @discardableResult
    func step() async -> Bool {
        await settle()
        let chance = random.next()
        let next: (Message, NetMeshEndpoint?)? = state.withLock { state in
            guard !state.waiting.isEmpty else { return nil }
            let index = state.isReordering ? Int(chance % UInt64(state.waiting.count)) : 0
            let message = state.waiting.remove(at: index)
            state.delivered.append(message)
            return (message, state.endpoints[message.receiver])
        }
        guard let next else { return false }
        await next.1?.receive(next.0.bytes, from: next.0.sender)
        await settle()
        return true
    }

    /// Lets one message through without waiting for anything; false when none waits.
    func stepAtOnce() async -> Bool {
        let next: (Message, NetMeshEndpoint?)? = state.withLock { state in
            guard !state.waiting.isEmpty else { return nil }
            let message = state.waiting.removeFirst()
            return (message, state.endpoints[message.receiver])
        }
        guard let next else { return false }
        await next.1?.receive(next.0.bytes, from: next.0.sender)
        return true
    }

    /// Lets all waiting messages through, and those that they cause.
    func drain() async {
        while await step() {}
    }

    /// Moves time and nothing else, and returns once every node's own timer has done what is due.
    func advance(by duration: Duration) async {
        await restTimers()
        clock.advance(by: duration)
        await restTimers()
    }

    /// Waits until every armed timer sleeps until a time to come.
    private func restTimers() async {
        repeat {
            await until { self.areTimersAsleep }
            await settle()
        } while !areTimersAsleep
    }

    private var areTimersAsleep: Bool {
        let armed = allRuntimes.filter { $0.core.timer.deadline != .distantFuture }
        return armed.allSatisfy { $0.core.timer.deadline > $0.core.now } && clock.sleeperCount == armed.count
    }

    /// Lets messages and time go on until the move has ended.
    func run(_ handle: NetMeshMoveHandle, between: () async throws -> Void = {}) async throws {
        for _ in 0..<20_000 where !handle.hasEnded {
            try await between()
            if await !step() { await advance(by: .milliseconds(250)) }
        }
        try #require(handle.hasEnded, "the move did not end")
    }

    /// Waits until nothing is under way in any node but what waits for messages and time.
    func settle() async {
        for _ in 0..<2 {
            for runtime in allRuntimes { await runtime.core.activity.waitUntilIdle() }
        }
    }

    private var allRuntimes: [NetMeshRuntime] {
        state.withLock { state in state.runtimes.sorted { $0.key < $1.key }.map(\.value) }
    }

    func shutDown() async {
        for runtime in allRuntimes { await runtime.shutDown() }
    }
}

/// One node's way into a ``MeshNetwork``.
struct MeshCarrier: NetMeshCarrier {
    let network: MeshNetwork
    let localNode: NodeID

    func send(_ message: [UInt8], to node: NodeID) async throws { network.send(message, from: localNode, to: node) }

    func subscribe(to channel: ChannelName, at publisher: UInt64, token: [UInt8]?) async throws {
        network.subscribe(localNode, to: MeshNetwork.Channel(publisher: publisher, name: channel))
    }

    func unsubscribe(from channel: ChannelName, at publisher: UInt64) async throws {
        await network.unsubscribe(localNode, from: MeshNetwork.Channel(publisher: publisher, name: channel))
    }
}

/// A node with everything that tests look at.
struct MeshNode: Sendable {
    let identity: NodeIdentity
    let id: NodeID
    let endpoint: NetMeshEndpoint
    let runtime: NetMeshRuntime
    let outputs: OutputLog

    init(in network: MeshNetwork, _ change: (inout NetMeshConfiguration) -> Void = { _ in }) throws {
        identity = try NodeIdentity.generate(crypto: .sodium)
        id = identity.nodeID
        let carrier = MeshCarrier(network: network, localNode: id)
        endpoint = NetMeshEndpoint(carrier: carrier)
        outputs = OutputLog()
        var configuration = NetMeshConfiguration(
            carrier: carrier, crypto: .sodium,
            hooks: NetMeshHooks(
                identity: NetMeshIdentityContext(identity: identity, peerStaticKey: { [weak network] in network?.staticKey(of: $0) })),
            outputs: outputs, clock: network.clock)
        change(&configuration)
        runtime = NetMeshRuntime(configuration, endpoint: endpoint)
        network.add(id, staticKey: identity.staticPublicKey, endpoint: endpoint)
        network.add(runtime, as: id)
    }
}

/// Source, target and a third node, ready, with the notebook kind registered and a daemon on the first.
struct Mesh: Sendable {
    let network: MeshNetwork
    let source: MeshNode
    let target: MeshNode
    let third: MeshNode
    let keypair: EntityKeypair
    let origin: OriginHash

    /// Makes the nodes, runs `body`, and shuts them down.
    static func run(
        seed: UInt64 = 1, paddingByteCount: Int = 20_000, expects: Bool = true, _ change: (inout NetMeshConfiguration) -> Void = { _ in },
        _ body: (Mesh) async throws -> Void
    ) async throws {
        let network = MeshNetwork(seed: seed)
        let nodes = try (0..<3).map { _ in try MeshNode(in: network, change) }
        let keypair = try EntityKeypair.generate(crypto: .sodium)
        let mesh = Mesh(
            network: network, source: nodes[0], target: nodes[1], third: nodes[2], keypair: keypair, origin: keypair.originHash)
        for node in nodes {
            try node.runtime.register(NotebookDaemon.self)
            try node.runtime.start()
        }
        try mesh.source.runtime.spawn(NotebookDaemon(paddingByteCount: paddingByteCount), keypair: keypair)
        if expects {
            try mesh.target.runtime.expectMigration(kind: "notebook", origin: mesh.origin, source: mesh.source.id)
        }
        var failure: (any Error)?
        do { try await body(mesh) } catch { failure = error }
        await network.shutDown()
        await network.settle()
        if let failure { throw failure }
    }

    /// Which nodes serve the daemon.
    var owners: [NodeID] {
        get async {
            var owners: [NodeID] = []
            for node in [source, target, third] {
                for status in await node.runtime.daemons where status.origin == origin && status.isServing { owners.append(node.id) }
            }
            return owners
        }
    }

    /// Has every node obey every other one.
    func trustEverybody() {
        for node in [source, target, third] { node.runtime.setPolicy(orchestrators: .anyAdmitted, arrivals: .anyAdmitted) }
    }
}
