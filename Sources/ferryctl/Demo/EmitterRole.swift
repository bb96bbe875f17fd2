internal import Ferry
internal import FerryCrypto
internal import FerryInMemory
internal import FerryWire
internal import Foundation
internal import Synchronization

/// The emitter of the demo: a node without daemons that offers lines at a steady rate.
struct EmitterRole: Sendable {
    /// Events come in small bursts: a pause between two of them would count as one of the daemon's.
    private static let tick = Duration.milliseconds(1)
    private static let burst: UInt64 = 64
    private static let ticksPerReport = 20

    var configuration: RoleConfiguration
    var network: InMemoryNetwork?
    var say: @Sendable (RoleEvent) -> Void

    /// Serves until `commands` ends.
    func run(_ commands: AsyncStream<String>) async throws {
        let crypto = configuration.crypto.provider
        var composition = Composition(
            identity: try NodeIdentity(contentsOf: configuration.identityPath, crypto: crypto), crypto: crypto,
            transports: [try TransportChoice.dialling(scheme: configuration.transport.rawValue, network: network)])
        composition.knownPeers = try (configuration.knownPeers ?? []).map { try Endpoint($0) }
        let node = try FerryNode(composition)
        let lines = try InputLines(contentsOf: configuration.linesPath)
        let draining = StopRequest()
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await node.run() }
            for await line in commands {
                switch RoleLine.decode(line, as: RoleCommand.self) {
                case .emit(let origin, let endpoint):
                    let emitter = try node.emitter(to: OriginHash(rawValue: origin), at: try Endpoint(endpoint))
                    group.addTask { try await offer(lines, to: emitter, until: draining) }
                case .drain: draining.raise()
                default: say(.failed(code: "command", message: "not an emitter's command: \(line)"))
                }
            }
            node.requestStop()
            group.cancelAll()
        }
    }

    private func offer(_ lines: InputLines, to emitter: EventEmitter, until draining: StopRequest) async throws {
        let clock = ContinuousClock()
        let start = clock.now
        var offered: UInt64 = 0
        var ticks = 0
        let limit = UInt64(configuration.eventCount ?? .max)
        while offered < limit, !draining.isRaised {
            let due = min(limit, UInt64(start.duration(to: clock.now).seconds * Double(configuration.eventRate)))
            // One that has fallen behind and is to end offers nothing more.
            while offered < due, !draining.isRaised {
                let end = min(due, offered + Self.burst)
                try await emitter.send(contentsOf: (offered..<end).map { lines.payload(for: $0) })
                offered = end
            }
            if ticks % Self.ticksPerReport == 0 {
                say(.offering(offered: offered, accepted: offered - UInt64(emitter.waitingCount)))
            }
            ticks += 1
            try await clock.sleep(for: Self.tick)
        }
        do {
            try await emitter.flush()
            say(.emitted(offered: offered, accepted: offered))
        } catch {
            say(.emitted(offered: offered, accepted: offered - UInt64(emitter.waitingCount)))
            throw error
        }
    }
}

/// Something that happens at most once, looked at now and then.
final class StopRequest: Sendable {
    private let value = Atomic(false)

    var isRaised: Bool { value.load(ordering: .relaxed) }

    func raise() { value.store(true, ordering: .relaxed) }
}

/// The lines of a text, repeated for ever; empty lines are left out.
struct InputLines: Sendable {
    private let lines: [[UInt8]]

    init(contentsOf path: String) throws {
        try self.init(text: [UInt8](Data(contentsOf: URL(fileURLWithPath: path))), name: path)
    }

    init(text: [UInt8], name: String) throws {
        lines = text.split(separator: UInt8(ascii: "\n")).map { Array($0.prefix(4096)) }
        guard !lines.isEmpty else { throw CommandFailure(code: "input", message: "\(name) has no lines of text") }
    }

    /// The payload of the event with the given place in the stream, from 0.
    func payload(for index: UInt64) -> [UInt8] { lines[Int(index % UInt64(lines.count))] }
}
