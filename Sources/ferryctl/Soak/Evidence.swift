internal import FerryWire
internal import Synchronization

/// What the nodes have written down, read while they write it, and what their processes take.
final class Evidence: Sendable {
    /// How often in a row a place in a chain may be missing though every log was read to its end.
    private static let patience = 4

    private struct State: Sendable {
        var tails: [String: LogTail] = [:]
        var ledgers: [UInt64: LifeLedger] = [:]
        /// Daemons whose chain misses a place: which, and for how many readings.
        var holes: [UInt64: Hole] = [:]
        var readCount = 0
        var isFalsified = false
        var isBoundBroken = false
    }

    private struct Hole: Sendable {
        var sequence: UInt64
        var age = 0
    }

    private let cast: SoakCast
    private let record: SoakRecord
    private let sabotage: SoakSabotage?
    private let state = Mutex(State())

    init(cast: SoakCast, record: SoakRecord, sabotage: SoakSabotage?) {
        self.cast = cast
        self.record = record
        self.sabotage = sabotage
    }

    /// Reads every log to its end.
    func read() {
        let paths = cast.nodes.flatMap(\.logPaths)
        let findings: [String] = state.withLock { state in
            var findings: [String] = []
            for (boot, path) in paths {
                var tail = state.tails[path] ?? LogTail(path)
                do {
                    for record in try tail.next() { findings += take(record, of: boot, &state) }
                } catch {
                    findings.append("the log of \(boot) cannot be read: \(error)")
                }
                state.tails[path] = tail
            }
            return findings + ageHoles(&state)
        }
        for finding in findings { record.violate(finding) }
    }

    /// Closes a daemon's history, and counts it.
    ///
    /// - Parameter accepted: what its emitter knows to be accepted.
    func close(_ origin: UInt64, accepted: UInt64) {
        var ledger = state.withLock { $0.ledgers[origin] } ?? LifeLedger()
        for finding in ledger.close() { record.violate("daemon \(origin): \(finding)") }
        let check = ledger.check
        let lost = check.lostCount(accepted: accepted)
        if lost > 0 { record.violate("daemon \(origin): \(lost) of \(accepted) accepted events were never processed") }
        record.count { counts in
            counts.accepted += accepted
            counts.processed += check.processedCount
            counts.lost += lost
            counts.duplicated += check.duplicatedCount
            counts.reordered += check.reorderedCount
        }
    }

    /// Events of a daemon that are known to be processed.
    func processedCount(of origin: UInt64) -> Int { state.withLock { $0.ledgers[origin]?.check.processedCount ?? 0 } }

    private func take(_ record: ProcessedRecord, of boot: String, _ state: inout State) -> [String] {
        state.readCount += 1
        return falsified(record, &state).flatMap { record -> [String] in
            let origin = record.link.origin.rawValue
            return state.ledgers[origin, default: LifeLedger()].take(record, of: boot).map { "daemon \(origin): \($0)" }
        }
    }

    /// What a test has the checks see instead of one record, which is the next one of its daemon, so that it alone is wrong.
    private func falsified(_ record: ProcessedRecord, _ state: inout State) -> [ProcessedRecord] {
        let ledger = state.ledgers[record.link.origin.rawValue] ?? LifeLedger()
        guard state.readCount >= 500, !state.isFalsified, !ledger.hasHole, ledger.missingSequence == record.link.sequence else {
            return [record]
        }
        state.isFalsified = true
        switch sabotage {
        case .lost: return []
        case .duplicated: return [record, record]
        case .reordered:
            var early = record
            early.payload = InvertedIndex.output(sequence: record.emitterSequence + 1, wordCount: 0)
            var late = record
            late.payload = record.payload
            late.link.sequence += 1
            return [early, late]
        case .twoOwners, .memory, .vanished, .crashed, .misreported, .fellBack, nil: return [record]
        }
    }

    private func ageHoles(_ state: inout State) -> [String] {
        var findings: [String] = []
        for (origin, ledger) in state.ledgers {
            guard ledger.hasHole else {
                state.holes[origin] = nil
                continue
            }
            var hole = state.holes[origin] ?? Hole(sequence: ledger.missingSequence)
            if hole.sequence != ledger.missingSequence { hole = Hole(sequence: ledger.missingSequence) }
            hole.age += 1
            if hole.age == Self.patience {
                findings.append("daemon \(origin): output \(hole.sequence) is in no log, but later ones are")
            }
            state.holes[origin] = hole
        }
        return findings
    }

    // MARK: Memory

    /// Holds every process against its bound.
    func watchMemory(emitters: [RoleClient], _ options: SoakOptions) {
        // A node may have every daemon, and a second copy of each in a window or a frozen snapshot.
        let states = 4 * options.daemons * (options.stateSize.byteCount + 4 << 20)
        check(cast.nodes.compactMap(\.client), bound: 256 << 20 + states)
        check(emitters + [cast.relay], bound: 256 << 20)
    }

    private func check(_ clients: [RoleClient], bound: Int) {
        let bound = sabotage == .memory ? 1 : bound
        for client in clients {
            guard let processID = client.role.processID, let byteCount = ResidentMemory.current(of: processID) else { continue }
            record.count { $0.peakByteCount = max($0.peakByteCount, byteCount) }
            guard byteCount > bound, state.withLock({ !$0.isBoundBroken }) else { continue }
            state.withLock { $0.isBoundBroken = true }
            record.violate("\(client.name) takes \(byteCount) bytes of memory, beyond the bound of \(bound)")
        }
    }
}
