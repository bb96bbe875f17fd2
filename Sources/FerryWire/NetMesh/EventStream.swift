/// The framing of a chain's outputs in subprotocol 0x0400: per event `u32 (32 + payload length) | link | payload`, without a time
/// (net-mesh migration §B.5).
public struct EventStream: Hashable, Sendable {
    /// Bytes in front of each link.
    private static let lengthByteCount = 4

    /// The well-formed events at the beginning.
    public var events: [CausalEvent]
    /// How many bytes they took.
    public var byteCount: Int
    /// Why reading stopped before the end; nil when nothing was left.
    public var failure: Failure?

    /// What is wrong with the first entry that is not an event.
    public enum Failure: Hashable, Sendable {
        /// It ends before its length says.
        case truncated
        /// Its length leaves no room for a link.
        case tooShort
    }

    /// Reads events until the first malformed one, and keeps those before it.
    ///
    /// - Parameter receivedAt: Unix time in nanoseconds, which the stream does not carry.
    public init(reading bytes: RawSpan, receivedAt: UInt64) {
        events = []
        byteCount = 0
        failure = nil
        var reader = ByteReader(bytes)
        while reader.remainingByteCount > 0 {
            do {
                let length = Int(try reader.readUInt32("event length"))
                guard length >= CausalLink.byteCount else {
                    failure = .tooShort
                    return
                }
                var body = ByteReader(try reader.readSpan(byteCount: length, "event"))
                let link: CausalLink = try body.read("event link")
                events.append(CausalEvent(link: link, payload: [UInt8](copying: body.readRest()), receivedAt: receivedAt))
                byteCount = reader.offset
            } catch {
                failure = .truncated
                return
            }
        }
    }

    /// Bytes that an event takes in the stream; nil when its payload is too long for the length field.
    public static func byteCount(of event: CausalEvent) -> Int? {
        let body = CausalLink.byteCount + event.payload.count
        return body <= Int(UInt32.max) ? lengthByteCount + body : nil
    }

    /// Writes events in order until one has no encoding or no room, and says how many it wrote, so that no event is left out unnoticed.
    public static func write(_ events: some Collection<CausalEvent>, into output: inout OutputRawSpan) -> Int {
        var count = 0
        for event in events {
            guard let byteCount = byteCount(of: event), byteCount <= output.freeCapacity else { break }
            output.append(littleEndian: UInt32(byteCount - lengthByteCount))
            event.link.append(to: &output)
            output.append(contentsOf: event.payload.rawSpan)
            count += 1
        }
        return count
    }
}
