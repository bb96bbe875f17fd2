import FerryWire
import Testing

@Suite("ByteReader and sinks")
struct ByteReaderTests {
    /// Reads from the front of `bytes`.
    private func reading<Value>(
        _ bytes: [UInt8], _ body: (inout ByteReader) throws(WireError) -> Value
    ) -> Result<Value, WireError.Code> {
        var reader = ByteReader(bytes.rawSpan)
        do {
            return .success(try body(&reader))
        } catch {
            return .failure(error.code)
        }
    }

    @Test("integers are little-endian, and every field needs all of its bytes")
    func integers() {
        let bytes: [UInt8] = [8, 7, 6, 5, 4, 3, 2, 1]
        #expect(reading(bytes) { reader throws(WireError) in try reader.readUInt8("x") } == .success(8))
        #expect(reading(bytes) { reader throws(WireError) in try reader.readUInt16("x") } == .success(0x0708))
        #expect(reading(bytes) { reader throws(WireError) in try reader.readUInt32("x") } == .success(0x0506_0708))
        #expect(reading(bytes) { reader throws(WireError) in try reader.readUInt64("x") } == .success(0x0102_0304_0506_0708))
        #expect(reading([]) { reader throws(WireError) in try reader.readUInt8("x") } == .failure(.truncated))
        #expect(reading([1]) { reader throws(WireError) in try reader.readUInt16("x") } == .failure(.truncated))
        #expect(reading([1, 2, 3]) { reader throws(WireError) in try reader.readUInt32("x") } == .failure(.truncated))
        #expect(reading(Array(bytes.dropLast())) { reader throws(WireError) in try reader.readUInt64("x") } == .failure(.truncated))
    }

    @Test("a length is held against its limit first, then against what is left")
    func lengths() {
        let bytes: [UInt8] = [3, 0, 0, 0, 7, 8, 9]
        let short = Array(bytes.dropLast())
        #expect(reading(bytes) { reader throws(WireError) in try reader.readBytes32(limit: 3, "x") } == .success([7, 8, 9]))
        #expect(reading(bytes) { reader throws(WireError) in try reader.readBytes32(limit: 2, "x") } == .failure(.limitExceeded))
        #expect(reading(short) { reader throws(WireError) in try reader.readBytes32(limit: 3, "x") } == .failure(.truncated))
        #expect(reading(short) { reader throws(WireError) in try reader.readBytes32(limit: 2, "x") } == .failure(.limitExceeded))
    }

    @Test("a count never exceeds what the remaining bytes can hold")
    func counts() {
        let bytes: [UInt8] = [2, 0, 0, 0, 1, 1, 2, 2]
        func count(limit: Int, width: Int) -> Result<Int, WireError.Code> {
            reading(bytes) { reader throws(WireError) in try reader.readCount(limit: limit, minimumByteCount: width, "x") }
        }
        #expect(count(limit: 2, width: 2) == .success(2))
        #expect(count(limit: 2, width: 3) == .failure(.truncated))
        #expect(count(limit: 1, width: 2) == .failure(.limitExceeded))
    }

    @Test("a flag is 0 or 1", arguments: 0...255)
    func flags(byte: Int) {
        let flag = reading([UInt8(byte)]) { reader throws(WireError) in try reader.readFlag("x") }
        switch byte {
        case 0: #expect(flag == .success(false))
        case 1: #expect(flag == .success(true))
        default: #expect(flag == .failure(.invalidValue))
        }
    }

    @Test("text is UTF-8")
    func text() {
        #expect(reading([2, 0, 0xC3, 0xA9]) { reader throws(WireError) in try reader.readText16(limit: 2, "x") } == .success("é"))
        #expect(reading([1, 0, 0xC3]) { reader throws(WireError) in try reader.readText16(limit: 2, "x") } == .failure(.invalidText))
        #expect(
            reading([3, 0, 65, 65, 65]) { reader throws(WireError) in try reader.readText16(limit: 2, "x") } == .failure(.limitExceeded))
    }

    @Test("a long text for a person is clipped between scalars", arguments: [1_023, 1_024, 1_025])
    func clipping(byteCount: Int) throws {
        let text = String(repeating: "a", count: byteCount - 2) + "é"
        let decoded = try FailureReason(decoding: FailureReason(.stateFailed, text).encoded())
        #expect(decoded.message == (byteCount <= 1_024 ? text : String(text.dropLast())))
    }
}

extension WireError.Code: Error {}
