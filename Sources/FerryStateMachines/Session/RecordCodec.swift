internal import FerryWire

/// The kinds of record inside a data packet (docs/protocol-session.md §5); numbered as RFC 9000 §19 where it has the same record.
enum RecordType {
    static let padding: UInt64 = 0x00
    static let ping: UInt64 = 0x01
    static let ack: UInt64 = 0x02
    static let resetStream: UInt64 = 0x04
    static let stopSending: UInt64 = 0x05
    static let message: UInt64 = 0x06
    /// 0x08 to 0x0B: bit 0 says that the stream ends here, bit 1 that a length follows.
    static let stream: UInt64 = 0x08
    static let streamEnd: UInt64 = 0x01
    static let streamLength: UInt64 = 0x02
    static let maximumData: UInt64 = 0x10
    static let maximumStreamData: UInt64 = 0x11
    static let maximumMessageData: UInt64 = 0x12
    static let maximumStreams: UInt64 = 0x13
    static let close: UInt64 = 0x1C
}

/// Variable-length integers (RFC 9000 §16).
enum Varint {
    /// The largest value.
    static let maximum: UInt64 = (1 << 62) - 1

    /// Bytes of the shortest form.
    static func byteCount(_ value: UInt64) -> Int {
        if value < 1 << 6 { return 1 }
        if value < 1 << 14 { return 2 }
        return value < 1 << 30 ? 4 : 8
    }
}

/// Reads records from plaintext that a hostile peer may have written: every read is checked, none traps.
struct RecordReader: ~Escapable {
    private let bytes: RawSpan
    private(set) var offset = 0

    @_lifetime(copy bytes)
    init(_ bytes: RawSpan) { self.bytes = bytes }

    /// How many bytes are left.
    var remaining: Int { bytes.byteCount - offset }

    /// The next byte.
    @_lifetime(self: copy self)
    mutating func byte() -> UInt8? {
        guard remaining > 0 else { return nil }
        offset += 1
        return bytes.byte(at: offset - 1)
    }

    /// The next integer.
    @_lifetime(self: copy self)
    mutating func varint() -> UInt64? {
        guard remaining > 0 else { return nil }
        let first = bytes.byte(at: offset)
        let count = 1 << Int(first >> 6)
        guard remaining >= count else { return nil }
        var value = UInt64(first & 0x3F)
        for index in 1..<max(count, 1) {
            value = value << 8 | UInt64(bytes.byte(at: offset + index))
        }
        offset += count
        return value
    }

    /// The next integer, if it is a count that fits what is left.
    @_lifetime(self: copy self)
    mutating func lengthPrefix() -> Int? {
        guard let value = varint(), value <= UInt64(remaining) else { return nil }
        return Int(value)
    }

    /// The next `count` bytes.
    @_lifetime(copy self)
    mutating func take(_ count: Int) -> RawSpan? {
        guard count >= 0, remaining >= count else { return nil }
        offset += count
        return bytes.extracting(offset - count..<offset)
    }

    /// Skips bytes that are zero.
    @_lifetime(self: copy self)
    mutating func skipPadding() {
        while remaining > 0, bytes.byte(at: offset) == 0 { offset += 1 }
    }
}

/// Builds the plaintext of one packet in a buffer that is allocated once.
struct RecordWriter: ~Copyable {
    private var storage: RawStorage
    /// Bytes written so far.
    private(set) var count = 0
    /// Bytes that this packet may have.
    private(set) var limit = 0

    init(capacity: Int) { storage = RawStorage(byteCount: capacity) }

    /// Bytes still free in this packet.
    var free: Int { limit - count }

    /// Starts a packet of at most `limit` bytes.
    mutating func begin(limit: Int) {
        self.limit = min(limit, storage.byteCount)
        count = 0
    }

    /// What was written.
    var bytes: RawSpan {
        @_lifetime(borrow self)
        borrowing get { storage.bytes(0, count) }
    }

    /// Appends a value of any size below 2^62 in its shortest form; the caller has checked `free`.
    mutating func append(varint value: UInt64) {
        switch Varint.byteCount(value) {
        case 1: storage.write(UInt8(value), at: count)
        case 2: storage.write(bigEndian: UInt16(value) | 0x4000, at: count)
        case 4: storage.write(bigEndian: UInt32(value) | 0x8000_0000, at: count)
        default: storage.write(bigEndian: value | 0xC000_0000_0000_0000, at: count)
        }
        count += Varint.byteCount(value)
    }

    /// Appends bytes; the caller has checked `free`.
    mutating func append(_ bytes: RawSpan) {
        storage.write(bytes, at: count)
        count += bytes.byteCount
    }

    /// Appends `byteCount` bytes of a ring; the caller has checked `free`.
    mutating func append(_ byteCount: Int, of ring: borrowing ByteRing, at offset: UInt64) {
        ring.copy(byteCount, at: offset, into: &storage, at: count)
        count += byteCount
    }

    /// Appends padding records up to `total` bytes, or to the limit.
    mutating func pad(to total: Int) {
        let target = min(total, limit)
        guard target > count else { return }
        storage.clear(count, target - count)
        count = target
    }
}
