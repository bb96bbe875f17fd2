import Ferry
import FerryWire

/// A whole daemon: it counts words, answers every event with its total, and moves with all of it.
struct WordCount: Daemon {
    static let kind = DaemonKind(name: "word-count", schemaVersion: 1)

    private(set) var counts: [String: UInt64] = [:]

    init() {}

    mutating func process(_ event: CausalEvent, into outputs: inout DaemonOutputs) throws {
        for word in String(decoding: event.payload, as: UTF8.self).split(separator: " ") {
            counts[String(word), default: 0] += 1
        }
        outputs.emit(Array("\(counts.values.reduce(0, +)) words".utf8))
    }

    func snapshot(into writer: inout SnapshotWriter) async throws {
        writer.write(UInt64(counts.count))
        // The order of a dictionary differs between processes: equal states shall have equal snapshots.
        for (word, count) in counts.sorted(by: { $0.key < $1.key }) {
            writer.write(word)
            writer.write(count)
            try await writer.checkpoint()
        }
    }

    init(restoring reader: inout SnapshotReader) async throws {
        try await reader.checkpoint()
        for _ in 0..<(try reader.read(UInt64.self)) {
            try await reader.checkpoint()
            let word = try reader.readText(limit: 1024)
            counts[word] = try reader.read(UInt64.self)
        }
    }
}
