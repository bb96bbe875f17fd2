public import FerryChunking
public import FerryWire

extension SnapshotWriter {
    /// Writes an integer of at most 16 bytes, little-endian.
    @inlinable
    public mutating func write<Value: FixedWidthInteger & BitwiseCopyable>(_ value: Value) {
        if overflowCount == 0, encoder.append(littleEndian: value) { return }
        spill(value)
    }

    @usableFromInline
    mutating func spill<Value: FixedWidthInteger & BitwiseCopyable>(_ value: Value) {
        let bytes = [UInt8](rawCapacity: MemoryLayout<Value>.size) { $0.append(littleEndian: value) }
        spill(bytes.rawSpan)
    }

    /// Writes a byte, 0 or 1.
    @inlinable
    public mutating func write(_ value: Bool) { write(value ? 1 as UInt8 : 0) }

    /// Writes the bit pattern, little-endian.
    @inlinable
    public mutating func write(_ value: Double) { write(value.bitPattern) }

    /// Writes an identifier or hash of fixed length.
    public mutating func write(_ value: some FixedByteCount) { write(contentsOf: value.bytes.rawSpan) }

    /// Writes the bytes as they are, without a length.
    @inlinable
    public mutating func write(contentsOf bytes: RawSpan) {
        var taken = 0
        if overflowCount == 0 {
            taken = encoder.append(contentsOf: bytes)
            if taken == bytes.byteCount { return }
        }
        spill(bytes.extracting(taken..<bytes.byteCount))
    }

    /// Writes a 32-bit length and the bytes.
    ///
    /// - Parameter bytes: fewer than 4 GiB, and within the window.
    @inlinable
    public mutating func write(_ bytes: [UInt8]) {
        write(UInt32(truncatingIfNeeded: bytes.count))
        write(contentsOf: bytes.rawSpan)
    }

    /// Writes a 32-bit length and the UTF-8 bytes.
    public mutating func write(_ text: String) { write(Array(text.utf8)) }

    /// Writes four bytes that stand for `name`, so that a reader which has lost its place notices.
    public mutating func writeMark(_ name: StaticString) { write(name.mark) }
}

extension StaticString {
    /// The low half of the XXH3-64 of the text.
    var mark: UInt32 { UInt32(truncatingIfNeeded: xxh3(Array(description.utf8).rawSpan)) }
}
