extension FailureReason: WireEncodable, WireDecodable {
    /// Writes `code u16 | attempts u8 | message text`; the message is clipped, so that a failure can always be told.
    public func encode(into sink: inout some ByteSink & ~Copyable & ~Escapable) {
        sink.append(littleEndian: code.rawValue)
        sink.append(littleEndian: attempts)
        sink.append(clipping16: message, limit: WireLimits.textByteCount)
    }

    /// Reads any code, also an unknown one.
    ///
    /// - Throws: `.truncated`, `.limitExceeded`, `.invalidText`.
    public init(from reader: inout ByteReader) throws(WireError) {
        let code = Code(rawValue: try reader.readUInt16("failure code"))
        let attempts = try reader.readUInt8("attempts")
        self.init(code, try reader.readText16(limit: WireLimits.textByteCount, "failure message"), attempts: attempts)
    }
}
