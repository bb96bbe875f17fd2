internal import DequeModule

/// Events that wait to be taken; each kind is announced once until the application has reacted, which bounds the queue.
struct EventQueue: Sendable {
    private var events: Deque<SessionEvent> = []

    /// Adds an event.
    mutating func append(_ event: SessionEvent) { events.append(event) }

    /// Takes the oldest one.
    mutating func next() -> SessionEvent? { events.popFirst() }
}
