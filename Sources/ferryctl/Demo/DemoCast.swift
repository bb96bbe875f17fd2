internal import Synchronization

/// The roles of one run.
struct DemoCast: Sendable {
    var a: RoleClient
    var b: RoleClient
    var orchestrator: RoleClient?
    var emitter: RoleClient
    let endpoints = Endpoints()

    var nodes: [RoleClient] { [a, b] + (orchestrator.map { [$0] } ?? []) }
    /// The emitter first: it ends before the nodes that it talks to.
    var all: [RoleClient] { [emitter] + nodes }

    /// Where the nodes listen, by name.
    final class Endpoints: Sendable {
        private let values = Mutex<[String: String]>([:])

        func set(_ endpoint: String, for name: String) { values.withLock { $0[name] = endpoint } }
        func of(_ name: String) -> String { values.withLock { $0[name] ?? "" } }
    }
}

/// The daemon as its node named it.
struct SpawnedDaemon: Sendable {
    var entity: String
    var origin: UInt64
}

extension RoleEvent {
    var endpoint: String? { if case .listening(let endpoint) = self { endpoint } else { nil } }
    var spawned: SpawnedDaemon? {
        if case .spawned(let entity, let origin) = self { SpawnedDaemon(entity: entity, origin: origin) } else { nil }
    }
    var moved: MoveSummary? { if case .moved(let summary) = self { summary } else { nil } }
    var movedAll: ([MoveSummary], seconds: Double)? {
        if case .movedAll(let summaries, let seconds) = self { (summaries, seconds) } else { nil }
    }
    var digest: String? { if case .digest(let hex, _) = self { hex } else { nil } }
    var standing: String? { if case .standing(let standing) = self { standing } else { nil } }
    var emitted: (UInt64, UInt64)? { if case .emitted(let offered, let accepted) = self { (offered, accepted) } else { nil } }
}
