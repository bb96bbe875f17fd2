internal import FerryWire

/// Restores daemons of one kind on a net-mesh node; a snapshot names no kind there, so the host says beforehand which one it expects.
public struct NetMeshDaemonFactory: Sendable {
    /// The kind's name: what `expectMigration` and `registerMigrationTargetIdentity` refer to.
    public let kind: String
    let restore: @Sendable (inout SnapshotReader) async throws -> any Daemon

    /// Restores a type with its own `init(restoring:)`.
    public init(_ type: any Daemon.Type) {
        kind = type.kind.name
        restore = { reader in try await type.init(restoring: &reader) }
    }

    /// Restores with a closure, for daemons that need more than their state.
    ///
    /// - Parameter restore: reads the whole state; runs in a task of its own, under no lock, and may be abandoned when it takes too long.
    public init(kind: String, restore: @escaping @Sendable (inout SnapshotReader) async throws -> any Daemon) {
        self.kind = kind
        self.restore = restore
    }
}
