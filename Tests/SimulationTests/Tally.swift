import Ferry
import FerryWire

/// A daemon as hosts write it: counts events and bytes.
struct Tally: Daemon {
    static let kind = DaemonKind(name: "tally", schemaVersion: 1)

    var eventCount: UInt64 = 0
    var byteCount: UInt64 = 0

    init() {}

    mutating func process(_ event: CausalEvent, into outputs: inout DaemonOutputs) throws {
        eventCount += 1
        byteCount += UInt64(event.payload.count)
        outputs.emit([UInt8(truncatingIfNeeded: byteCount ^ outputs.random.next())])
    }

    func snapshot(into writer: inout SnapshotWriter) async throws {
        writer.write(eventCount)
        writer.write(byteCount)
        try await writer.checkpoint()
    }

    init(restoring reader: inout SnapshotReader) async throws {
        try await reader.checkpoint()
        eventCount = try reader.read(UInt64.self)
        byteCount = try reader.read(UInt64.self)
    }
}

/// Restores to another state than it wrote.
struct ForgetfulTally: Daemon {
    static let kind = DaemonKind(name: "forgetful-tally", schemaVersion: 1)

    var eventCount: UInt64 = 1
    var restoredCount: UInt64 = 0

    init() {}

    mutating func process(_ event: CausalEvent, into outputs: inout DaemonOutputs) throws { eventCount += 1 }

    func snapshot(into writer: inout SnapshotWriter) async throws {
        writer.write(eventCount)
        writer.write(restoredCount)
    }

    init(restoring reader: inout SnapshotReader) async throws {
        try await reader.checkpoint()
        _ = try reader.read(UInt64.self)
        restoredCount = try reader.read(UInt64.self) + 1
    }
}
