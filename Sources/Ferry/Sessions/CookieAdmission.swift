internal import FerryStateMachines
internal import FerryTransports
internal import FerryWire

/// Lets strangers in as long as few links are half-open, and has them prove their address first beyond that (RFC 9000 §8.1.2).
struct CookieAdmission: LinkAdmission {
    /// Half-open links up to which an offer gets a link at once.
    static let freeHalfOpenCount = 64
    /// The same for one source.
    static let freeHalfOpenCountOfSource = 8

    let mint: CookieMint
    let clock: NodeClock

    func admit(_ frame: RawSpan, from remote: TransportAddress, load: LinkLoad, reply: inout OutputRawSpan) -> LinkVerdict {
        let address = Array(remote.description.utf8)
        let now = clock.now
        if mint.isProved(frame, from: address.rawSpan, now: now) { return .accept }
        // Only an offer is answered, so the answer tells offers from everything else.
        guard mint.reply(to: frame, from: address.rawSpan, now: now, into: &reply) else { return .drop }
        let isCalm = load.halfOpenCount < Self.freeHalfOpenCount && load.halfOpenCountOfSource < Self.freeHalfOpenCountOfSource
        return isCalm ? .accept : .reply
    }
}
