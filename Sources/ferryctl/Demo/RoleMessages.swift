internal import Foundation

/// What the coordinator asks of a role; one JSON line each.
enum RoleCommand: Codable, Sendable {
    /// Begin the daemon's life on this node.
    case spawn
    /// The same with a daemon that is nothing but bytes.
    case spawnBlob(kind: BenchDataKind, byteCount: Int)
    /// Kill this process at a moment that it cannot tell itself: the target when the source begins, the source when the target is active.
    case victim(processID: Int32)
    /// Order a move; `from` is nil when the daemon lives here.
    case move(daemon: String, from: String?, to: String)
    /// Order moves of daemons that live here, all at once.
    case moveAll(daemons: [String], to: String)
    /// The daemon's state in one number.
    case digest(origin: UInt64)
    /// Is the daemon active here?
    case standing(origin: UInt64)
    /// How this node's part as the source of the daemon's newest move has ended, once it has, or is in doubt; answered with `moved`.
    case outcome(origin: UInt64)
    /// Emitter: begin to offer events to the daemon, which lives at the endpoint.
    case emit(origin: UInt64, at: String)
    /// Emitter: offer no more; say `emitted` once everything offered is accepted.
    case drain
    /// Relay: what it shall carry, and how badly.
    case relay(RelayOrder)
}

/// What a role says; one JSON line each.
enum RoleEvent: Codable, Sendable {
    case listening(endpoint: String)
    case spawned(entity: String, origin: UInt64)
    case phase(String)
    case progress(phase: String, byteCount: UInt64, totalByteCount: UInt64)
    case moved(MoveSummary)
    case movedAll([MoveSummary], seconds: Double)
    case digest(hex: String, byteCount: UInt64)
    case standing(String)
    case offering(offered: UInt64, accepted: UInt64)
    case emitted(offered: UInt64, accepted: UInt64)
    case relay(RelayReport)
    case failed(code: String, message: String)
}

/// How one move ended, as its orchestrator knows.
struct MoveSummary: Codable, Sendable {
    /// `completed`, `rolledBack`, `declined`, `inDoubt`, `failed`.
    var result: String
    var message: String?
    /// `live` or `stop-and-copy`, as it was in the end; with a completed move.
    var mode: String?
    var durationSeconds: Double?
    var pauseMilliseconds: Double?
    var stateBytes: UInt64?
    var wireBytes: UInt64?
    var rounds: Int?
    var epoch: UInt64?
    /// Base64 of both signed halves; with a completed move.
    var receipt: String?
}

/// One JSON line to a value and back.
enum RoleLine {
    static func encode(_ value: some Encodable) -> String {
        guard let data = try? JSONEncoder().encode(value) else { preconditionFailure("role messages are plain values") }
        return String(decoding: data, as: UTF8.self)
    }

    static func decode<Value: Decodable>(_ line: String, as type: Value.Type = Value.self) -> Value? {
        try? JSONDecoder().decode(type, from: Data(line.utf8))
    }
}
