public import FerryWire

extension SnapshotReader {
    /// Reads an integer, little-endian.
    ///
    /// - Throws: `.truncated`, `.checkpointMissing`.
    @inlinable
    public mutating func read<Value: FixedWidthInteger & BitwiseCopyable>(_ type: Value.Type) throws(FerryError) -> Value {
        guard unread.count >= MemoryLayout<Value>.size else { throw lacking(MemoryLayout<Value>.size) }
        let value = window.load(littleEndianAt: unread.lowerBound, as: type)
        unread = (unread.lowerBound + MemoryLayout<Value>.size)..<unread.upperBound
        return value
    }

    /// Reads a byte that is 0 or 1.
    ///
    /// - Throws: `.fieldMismatch` for another byte; `.truncated`, `.checkpointMissing`.
    public mutating func readBool() throws(FerryError) -> Bool {
        switch try read(UInt8.self) {
        case 0: return false
        case 1: return true
        case let byte: throw FerryError(.fieldMismatch, "a flag is \(byte), neither 0 nor 1")
        }
    }

    /// Reads a bit pattern.
    ///
    /// - Throws: `.truncated`, `.checkpointMissing`.
    public mutating func readDouble() throws(FerryError) -> Double { Double(bitPattern: try read(UInt64.self)) }

    /// Reads an identifier or hash of fixed length.
    ///
    /// - Throws: `.truncated`, `.checkpointMissing`.
    public mutating func read<Value: FixedByteCount>(_ type: Value.Type) throws(FerryError) -> Value {
        guard unread.count >= Value.byteCount, let value = Value(copying: window.span(unread)) else { throw lacking(Value.byteCount) }
        unread = (unread.lowerBound + Value.byteCount)..<unread.upperBound
        return value
    }

    /// Fills the free capacity of `output`, without awaiting.
    ///
    /// - Throws: `.truncated`, `.checkpointMissing`.
    public mutating func read(into output: inout OutputRawSpan) throws(FerryError) {
        guard unread.count >= output.freeCapacity else { throw lacking(output.freeCapacity) }
        takeWindow(output.freeCapacity, into: &output)
    }

    /// Reads a 32-bit length and as many bytes.
    ///
    /// - Parameter limit: the most bytes that are accepted; memory is reserved only for bytes that are decoded.
    /// - Throws: `.limitExceeded`, `.truncated`, `.checkpointMissing`.
    public mutating func readBytes(limit: Int) throws(FerryError) -> [UInt8] {
        let byteCount = Int(try read(UInt32.self))
        guard byteCount <= limit else { throw FerryError(.limitExceeded, "a field of \(byteCount) bytes exceeds \(limit)") }
        guard byteCount <= unread.count else { throw lacking(byteCount) }
        let start = unread.lowerBound
        unread = (start + byteCount)..<unread.upperBound
        return [UInt8](copying: window.span(start..<(start + byteCount)))
    }

    /// Reads a 32-bit length and as many bytes of UTF-8.
    ///
    /// - Throws: `.fieldMismatch` when they are not UTF-8; `.limitExceeded`, `.truncated`, `.checkpointMissing`.
    public mutating func readText(limit: Int) throws(FerryError) -> String {
        guard let text = String(validating: try readBytes(limit: limit), as: UTF8.self) else {
            throw FerryError(.fieldMismatch, "a text is not UTF-8")
        }
        return text
    }

    /// Checks that ``SnapshotWriter/writeMark(_:)`` wrote this name here.
    ///
    /// - Throws: `.fieldMismatch`, `.truncated`, `.checkpointMissing`.
    public mutating func readMark(_ name: StaticString) throws(FerryError) {
        guard try read(UInt32.self) == name.mark else { throw FerryError(.fieldMismatch, "the mark \(name) is not here") }
    }
}
