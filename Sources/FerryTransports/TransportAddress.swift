/// `scheme:rest`, as in `udp:127.0.0.1:4747`, `udp:[::1]:4747`, `unix:/run/ferry.sock`, `memory:left`.
///
/// A node key (`#5f2c…`) is not part of it: whoever parses an endpoint takes the key off first.
public struct TransportAddress: Hashable, Sendable, CustomStringConvertible {
    /// Names the transport.
    public var scheme: String
    /// What only that transport understands.
    public var rest: String

    /// Joins the two parts.
    public init(scheme: String, rest: String) {
        self.scheme = scheme
        self.rest = rest
    }

    /// Splits at the first colon; nil when there is none or a part is empty.
    public init?(_ text: String) {
        guard let colon = text.firstIndex(of: ":") else { return nil }
        let rest = text[text.index(after: colon)...]
        guard colon != text.startIndex, !rest.isEmpty else { return nil }
        self.init(scheme: String(text[..<colon]), rest: String(rest))
    }

    /// `scheme:rest`.
    public var description: String { "\(scheme):\(rest)" }
}
