internal import FerryWire

/// A daemon without state: it has no snapshot, stays where it is, and is made anew wherever it is needed.
///
/// (net-mesh migration §F.8.)
public protocol StatelessDaemon: Daemon {
    /// Makes the daemon as it always is.
    init()
}

extension StatelessDaemon {
    /// Writes nothing.
    public func snapshot(into writer: inout SnapshotWriter) async throws {}

    /// Makes the daemon; a state that somebody else's daemon wrote is not dropped silently.
    ///
    /// - Throws: `.fieldMismatch` when there are bytes, with their number.
    public init(restoring reader: inout SnapshotReader) async throws {
        guard try await reader.isAtEnd() else {
            throw Self.refusal(byteCount: try await reader.countRest())
        }
        self.init()
    }

    private static func refusal(byteCount: Int) -> FerryError {
        FerryError(.fieldMismatch, "stateless daemon received non-empty snapshot (\(byteCount) bytes)")
    }
}

extension SnapshotReader {
    /// Reads and counts what is left.
    mutating func countRest() async throws -> Int {
        var count = 0
        while try await !isAtEnd() {
            let byteCount = unreadByteCount
            _ = try [UInt8](rawCapacity: byteCount) { output throws(FerryError) in try read(into: &output) }
            count += byteCount
        }
        return count
    }
}

/// How well a daemon is.
public enum DaemonHealth: Hashable, Sendable {
    /// As it should be.
    case healthy
    /// Serves, but not as it should; with the reason.
    case degraded(String)
    /// Does not serve; with the reason.
    case unhealthy(String)
}

/// A daemon that tells how it is; asked between events, so both answers are brief.
public protocol HealthReporting: Daemon {
    /// How well it is.
    var health: DaemonHealth { get }
    /// How much of what it can take it takes, from 0 to 1.
    var saturation: Double { get }
}

/// What a host tells a daemon besides events.
public enum DaemonControl: Hashable, Sendable, CaseIterable {
    /// The node is about to stop.
    case shutdown
    /// Take on no new work.
    case drainStart
    /// Take on work again.
    case drainFinish
    /// Slow down.
    case backpressureOn
    /// No need to be slow any more.
    case backpressureOff
}

/// A daemon that heeds its host.
public protocol ControllableDaemon: Daemon {
    /// Takes note; runs between events and emits nothing.
    mutating func control(_ signal: DaemonControl)
}

/// A daemon that not every node can host; automatic placement asks for the required names among what nodes advertise.
public protocol CapabilityDeclaring: Daemon {
    /// Names that a node must advertise.
    var requiredCapabilities: Set<String> { get }
    /// Names that are welcome; placement does not ask for them.
    var optionalCapabilities: Set<String> { get }
}

extension CapabilityDeclaring {
    /// None.
    public var requiredCapabilities: Set<String> { [] }
    /// None.
    public var optionalCapabilities: Set<String> { [] }
}
