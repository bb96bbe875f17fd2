public import FerryWire

// What the host tells the dispatcher: its own wishes and the results of actions.
extension MigrationDispatcher {
    // MARK: Wishes

    /// Asks for a move to be given up, from whatever role this node plays; `cancelRefused` or `ended` follows.
    ///
    /// - Returns: false when this node knows no such move or it is over.
    @discardableResult
    public mutating func cancel(_ migration: MigrationID, reason: FailureReason, now: Timestamp, wallClock: UInt64) -> Bool {
        guard let slot = slots[migration] else { return false }
        var isKnown = slot.orchestrator?.cancel(reason, now: now, &effects) ?? false
        // The orchestrator asks the source itself.
        if !isKnown { isKnown = slot.source?.cancel(reason, now: now, &effects) ?? false }
        if !isKnown { isKnown = slot.target?.cancel(reason, now: now, &effects) ?? false }
        drainLoopback(now: now, wallClock: wallClock)
        return isKnown
    }

    // MARK: Sessions

    /// A session with a peer was established: what it has not answered is sent again at once.
    public mutating func sessionEstablished(_ peer: PeerIdentity, now: Timestamp, wallClock: UInt64) {
        boots[peer.nodeKey] = peer.bootID
        for slot in orderedSlots where slot.attempt.isParticipant(peer.nodeKey) {
            slot.orchestrator?.sessionEstablished(peer, now: now, &effects)
            slot.source?.sessionEstablished(peer, now: now, &effects)
            slot.target?.sessionEstablished(peer, now: now, &effects)
        }
        drainLoopback(now: now, wallClock: wallClock)
    }

    /// The last session with a peer was lost; streams report it themselves, requests are repeated by their timers.
    public mutating func sessionLost(_ node: NodeKey, now: Timestamp, wallClock: UInt64) {
        boots[node] = nil
        for slot in orderedSlots where slot.attempt.isParticipant(node) {
            slot.source?.sessionLost(node, now: now)
            slot.target?.sessionLost(node)
        }
    }

    /// A peer cannot be reached, and trying again will not help: plans that wait for it are declined.
    public mutating func peerUnreachable(_ node: NodeKey, _ reason: FailureReason, now: Timestamp, wallClock: UInt64) {
        for slot in orderedSlots { slot.orchestrator?.peerUnreachable(node, reason, now: now, &effects) }
        drainLoopback(now: now, wallClock: wallClock)
    }

    // MARK: Results of the source's host

    /// The answer to `describe`.
    public mutating func described(
        _ migration: MigrationID, _ description: Result<DaemonDescription, FailureReason>, now: Timestamp, wallClock: UInt64
    ) {
        slots[migration]?.source?.described(description, now: now, &effects)
        drainLoopback(now: now, wallClock: wallClock)
    }

    /// The answer to `fence`; on a failure the daemon goes on as it was.
    public mutating func fenced(
        _ migration: MigrationID, _ daemon: Result<FencedDaemon, FailureReason>, now: Timestamp, wallClock: UInt64
    ) {
        slots[migration]?.source?.fenced(daemon, now: now, &effects)
        drainLoopback(now: now, wallClock: wallClock)
    }

    /// The bulk stream to the target is open; nothing was written to it yet.
    public mutating func streamOpened(_ migration: MigrationID, stream: UInt64, now: Timestamp, wallClock: UInt64) {
        slots[migration]?.source?.streamOpened(stream, now: now, &effects)
        drainLoopback(now: now, wallClock: wallClock)
    }

    /// State bytes written so far.
    public mutating func streamProgress(_ migration: MigrationID, byteCount: UInt64, now: Timestamp) {
        slots[migration]?.source?.streamProgress(byteCount, now: now)
    }

    /// The state is written and acknowledged as a whole.
    public mutating func streamed(
        _ migration: MigrationID, _ state: StateSummary, wireByteCount: UInt64, now: Timestamp, wallClock: UInt64
    ) {
        slots[migration]?.source?.streamed(state, wireByteCount: wireByteCount, now: now, &effects)
        drainLoopback(now: now, wallClock: wallClock)
    }

    /// The stream could not be opened or broke, or the daemon's snapshot threw.
    public mutating func streamFailed(_ migration: MigrationID, _ reason: FailureReason, now: Timestamp, wallClock: UInt64) {
        slots[migration]?.source?.streamFailed(reason, now: now, &effects)
        drainLoopback(now: now, wallClock: wallClock)
    }

    // MARK: Results of the target's host

    /// The answer to `reserve`.
    ///
    /// - Parameters:
    ///   - refusal: nil when memory and a slot are set aside.
    ///   - memoryByteCount: what is set aside, in bytes.
    public mutating func admitted(
        _ migration: MigrationID, refusal: FailureReason?, memoryByteCount: UInt64 = 0, now: Timestamp, wallClock: UInt64
    ) {
        slots[migration]?.target?.admitted(refusal: refusal, memoryByteCount: memoryByteCount, now: now, &effects)
        drainLoopback(now: now, wallClock: wallClock)
    }

    /// The announced stream is here, and the restore reads it.
    public mutating func restoreBegan(_ migration: MigrationID, now: Timestamp, wallClock: UInt64) {
        slots[migration]?.target?.restoreBegan(now: now, &effects)
        drainLoopback(now: now, wallClock: wallClock)
    }

    /// State bytes restored so far.
    public mutating func restoreProgress(_ migration: MigrationID, byteCount: UInt64, now: Timestamp) {
        slots[migration]?.target?.restoreProgress(byteCount, now: now)
    }

    /// The daemon is restored and stands by.
    ///
    /// - Parameter state: counted and hashed over the bytes that were read.
    public mutating func restored(_ migration: MigrationID, _ state: StateSummary, now: Timestamp, wallClock: UInt64) {
        slots[migration]?.target?.restored(state, now: now, &effects)
        drainLoopback(now: now, wallClock: wallClock)
    }

    /// The stream broke or the daemon's restore threw.
    public mutating func restoreFailed(_ migration: MigrationID, _ reason: FailureReason, now: Timestamp, wallClock: UInt64) {
        slots[migration]?.target?.restoreFailed(reason, now: now, &effects)
        drainLoopback(now: now, wallClock: wallClock)
    }

    // MARK: The journal

    /// A record is on disk.
    public mutating func journaled(_ migration: MigrationID, record: UInt64, now: Timestamp, wallClock: UInt64) {
        slots[migration]?.source?.journaled(record, failure: nil, now: now, wallClock: wallClock, &effects)
        slots[migration]?.target?.journaled(record, failure: nil, now: now, &effects)
        drainLoopback(now: now, wallClock: wallClock)
    }

    /// A record could not be written: what it stands before does not happen, where that is still a choice.
    public mutating func journalFailed(
        _ migration: MigrationID, record: UInt64, _ reason: FailureReason, now: Timestamp, wallClock: UInt64
    ) {
        slots[migration]?.source?.journaled(record, failure: reason, now: now, wallClock: wallClock, &effects)
        slots[migration]?.target?.journaled(record, failure: reason, now: now, &effects)
        drainLoopback(now: now, wallClock: wallClock)
    }
}
