internal import DequeModule
public import FerryWire

/// What a copy of a daemon was sent before it serves: the next event of some lanes, to be taken in as soon as it does, as if it had been
/// on its way until then.
///
/// Nothing here is accepted, and every sender is answered `hold`: whatever is not parked, or is forgotten with the copy, is sent again.
/// It only spares the pause the way to an emitter and back.
public struct ParkedEvents<Sender: Sendable>: Sendable {
    /// Lanes of which an event is kept.
    public static var maximumCount: Int { 256 }
    /// Payload bytes that are kept in all.
    public static var maximumByteCount: Int { 65_536 }

    private var events: Deque<(message: LaneMessage, sender: Sender)> = []
    private var byteCount = 0

    /// Keeps nothing yet.
    public init() {}

    /// Keeps an event that is answered `hold`, unless one of its lane is kept already or there is no room; anything else is ignored.
    public mutating func park(_ message: LaneMessage, from sender: Sender) {
        guard case .event(let event) = message.body, events.count < Self.maximumCount,
            byteCount + event.payload.count <= Self.maximumByteCount,
            !events.contains(where: { $0.message.emitter == message.emitter })
        else { return }
        byteCount += event.payload.count
        events.append((message, sender))
    }

    /// What was kept, oldest first; each is to be taken in like any that arrives now.
    public mutating func takeAll() -> [(message: LaneMessage, sender: Sender)] {
        defer {
            events = []
            byteCount = 0
        }
        return Array(events)
    }
}
