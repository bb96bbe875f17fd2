internal import FerryWire
internal import Foundation

/// One daemon's history as the nodes' logs tell it while they grow, put together in the order of its chain.
struct LifeLedger: Sendable {
    private(set) var check = HistoryCheck()
    private var nextSequence: UInt64 = 1
    private var early: [UInt64: Entry] = [:]
    private var latest: Entry?

    private struct Entry {
        var record: ProcessedRecord
        var log: String
    }

    /// Whether records wait for one before them that no log has shown yet.
    var hasHole: Bool { !early.isEmpty }
    /// The place in the chain that is waited for.
    var missingSequence: UInt64 { nextSequence }

    /// Takes the next record of a log.
    ///
    /// - Parameter log: the node's boot that wrote it.
    /// - Returns: what must not be, in words.
    mutating func take(_ record: ProcessedRecord, of log: String) -> [String] {
        guard record.link.sequence <= nextSequence else {
            guard early.updateValue(Entry(record: record, log: log), forKey: record.link.sequence) == nil else {
                return ["output \(record.link.sequence) was emitted twice, the second time by \(log)"]
            }
            return []
        }
        var findings: [String] = []
        var entry: Entry? = Entry(record: record, log: log)
        while let current = entry {
            findings += accept(current)
            entry = early.removeValue(forKey: nextSequence)
        }
        return findings
    }

    /// Takes what still waits: no log will grow any more.
    mutating func close() -> [String] {
        guard hasHole else { return [] }
        var findings = ["nobody emitted output \(nextSequence), but there are later ones"]
        for sequence in early.keys.sorted() {
            if let entry = early.removeValue(forKey: sequence) { findings += accept(entry) }
        }
        return findings
    }

    private mutating func accept(_ entry: Entry) -> [String] {
        let before = (check.duplicatedCount, check.reorderedCount, check.isChainContinuous)
        check.take(entry.record)
        nextSequence = max(nextSequence, entry.record.link.sequence + 1)
        var findings: [String] = []
        let event = "event \(entry.record.emitterSequence) at \(entry.log), epoch \(entry.record.epoch)"
        if check.duplicatedCount > before.0 { findings.append("\(event) was processed before") }
        if check.reorderedCount > before.1 { findings.append("\(event) is out of order") }
        if before.2, !check.isChainContinuous { findings.append("\(event) does not continue the chain") }
        if let latest {
            if entry.record.epoch < latest.record.epoch {
                findings.append("\(event) follows one of epoch \(latest.record.epoch) at \(latest.log)")
            } else if entry.record.epoch == latest.record.epoch, entry.log != latest.log {
                findings.append("\(event) follows one of the same epoch at \(latest.log)")
            }
            if entry.record.processedAt < latest.record.processedAt {
                findings.append("\(event) was processed before its predecessor at \(latest.log)")
            }
        }
        latest = entry
        return findings
    }
}

/// Reads a log as it grows.
struct LogTail {
    private let path: String
    private var offset: UInt64 = 0

    init(_ path: String) { self.path = path }

    /// The whole records since the last call.
    mutating func next() throws -> [ProcessedRecord] {
        guard let handle = FileHandle(forReadingAtPath: path) else { return [] }
        defer { try? handle.close() }
        try handle.seek(toOffset: offset)
        guard let data = try handle.readToEnd() else { return [] }
        let records = ProcessedLog.decode([UInt8](data))
        offset += UInt64(data.count / ProcessedRecord.byteCount * ProcessedRecord.byteCount)
        return records
    }
}
