/// The name of a channel: 1 to 255 bytes of `a-z 0-9 - _ . /`, with no empty, `.` or `..` segment between slashes.
public struct ChannelName: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// The name's bytes, all ASCII.
    public let utf8: [UInt8]

    /// Takes a name, or nil when it breaks the rules.
    public init?(_ text: String) { self.init(utf8: Array(text.utf8)) }

    /// Takes the bytes of a name, or nil when they break the rules.
    public init?(utf8: [UInt8]) {
        guard (1...WireLimits.channelNameByteCount).contains(utf8.count), utf8.allSatisfy(Self.isAllowed) else { return nil }
        for segment in utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false) {
            let isDots = segment.count <= 2 && segment.allSatisfy { $0 == UInt8(ascii: ".") }
            // An empty segment is a leading, trailing or doubled slash, and counts as dots here.
            guard !isDots else { return nil }
        }
        self.utf8 = utf8
    }

    private static func isAllowed(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-")...UInt8(ascii: "/"),
            UInt8(ascii: "_"):
            true
        default: false
        }
    }

    /// Orders by bytes.
    public static func < (left: Self, right: Self) -> Bool { left.utf8.lexicographicallyPrecedes(right.utf8) }

    /// The name.
    public var description: String { String(decoding: utf8, as: UTF8.self) }
}
