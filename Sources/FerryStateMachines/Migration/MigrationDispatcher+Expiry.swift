internal import FerryWire

// The orders' expiry, where this node is the source.
extension MigrationDispatcher {
    /// Gives up what is not committed when its order has lapsed: `abandon` leaves everything later alone.
    mutating func giveUpLapsed(_ slot: MoveSlot, now: Timestamp, wallClock: UInt64) {
        guard slot.source?.canLapse ?? false else { return }
        let expiry = slot.attempt.order.expiresAt
        guard expiry <= wallClock else {
            // The wall clock was set back, or the timer came early.
            slot.lapseDeadline = now + .nanoseconds(Int64(clamping: expiry - wallClock))
            return
        }
        slot.source?.abandon(FailureReason(.orderExpired, "the order lapsed before the commit"), now: now, &effects)
    }
}

extension MoveSlot {
    /// When a source that is not committed looks at the wall clock next.
    var nextLapseDeadline: Timestamp? { source?.canLapse ?? false ? lapseDeadline : nil }
}

extension SourceMachine {
    /// Whether the order's expiry still ends the attempt.
    var canLapse: Bool {
        switch state {
        case .describing, .offered, .fencing, .freezing, .opening, .streaming, .following, .stopping, .releasing, .released:
            !environment.lacks(.expiryBeforeCommit)
        case .committing, .committed, .taking, .done, .resuming, .abandoned, .declined: false
        }
    }
}
