/// When an unanswered message goes out again: the interval doubles up to its bound.
struct NetMeshBackoff: Hashable, Sendable {
    private(set) var deadline: Timestamp?
    private var interval: Duration = .zero

    /// Starts over for a message sent now.
    mutating func start(_ now: Timestamp, first: Duration) {
        interval = first
        deadline = now + first
    }

    /// Nothing is unanswered.
    mutating func stop() { deadline = nil }

    /// Whether the message is due again; if so the next time is set.
    mutating func isDue(_ now: Timestamp, longest: Duration) -> Bool {
        guard let deadline, deadline <= now else { return false }
        interval = min(interval + interval, max(longest, interval))
        self.deadline = now + interval
        return true
    }
}
