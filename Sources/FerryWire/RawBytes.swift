// The one place that bridges arrays to raw spans and loads integers from bytes. `[UInt8].span.bytes` is unsafe under strict
// memory safety, so every other file goes through these helpers.

extension [UInt8] {
    /// The array's bytes, borrowed.
    public var rawSpan: RawSpan {
        @_lifetime(borrow self)
        borrowing get {
            unsafe _overrideLifetime(span.bytes, borrowing: self)
        }
    }

    /// Builds an array by writing into raw spare capacity.
    ///
    /// - Parameter byteCount: the most bytes that `body` may append.
    public init<E: Error>(rawCapacity byteCount: Int, _ body: (inout OutputRawSpan) throws(E) -> Void) throws(E) {
        var failure: E?
        unsafe self.init(unsafeUninitializedCapacity: byteCount) { buffer, count in
            var output = unsafe OutputRawSpan(buffer: UnsafeMutableRawBufferPointer(buffer), initializedCount: 0)
            do throws(E) {
                try body(&output)
            } catch {
                failure = error
            }
            count = unsafe output.finalize(for: UnsafeMutableRawBufferPointer(buffer))
        }
        if let failure { throw failure }
    }

    /// Copies a raw span.
    public init(copying bytes: RawSpan) {
        self.init(rawCapacity: bytes.byteCount) { $0.append(contentsOf: bytes) }
    }

    /// Appends a copy of a raw span.
    public mutating func append(contentsOf bytes: RawSpan) {
        unsafe bytes.withUnsafeBytes { unsafe append(contentsOf: $0) }
    }

    /// Parses hex digits, two a byte; nil on an odd count or any other character.
    public init?(hex: some StringProtocol) {
        let digits = hex.utf8
        guard digits.count.isMultiple(of: 2) else { return nil }
        self.init()
        reserveCapacity(digits.count / 2)
        var high: UInt8?
        for digit in digits {
            guard let value = digit.hexDigitValue else { return nil }
            if let upper = high {
                append(upper << 4 | value)
                high = nil
            } else {
                high = value
            }
        }
    }

    /// Lower-case hex, two digits a byte.
    public var hex: String {
        let digits: StaticString = "0123456789abcdef"
        return unsafe String(unsafeUninitializedCapacity: count * 2) { output in
            for (index, byte) in enumerated() {
                unsafe output[2 * index] = digits.utf8Start[Int(byte >> 4)]
                unsafe output[2 * index + 1] = digits.utf8Start[Int(byte & 15)]
            }
            return count * 2
        }
    }
}

extension UInt8 {
    fileprivate var hexDigitValue: UInt8? {
        switch self {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): self - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): self - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): self - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}

extension RawSpan {
    /// Loads a little-endian integer; traps when out of bounds, so callers check lengths first.
    @inlinable
    public func littleEndianUInt64(at offset: Int) -> UInt64 {
        UInt64(littleEndian: unsafe unsafeLoadUnaligned(fromByteOffset: checked(offset, 8), as: UInt64.self))
    }

    /// Loads a little-endian integer; traps when out of bounds, so callers check lengths first.
    @inlinable
    public func littleEndianUInt32(at offset: Int) -> UInt32 {
        UInt32(littleEndian: unsafe unsafeLoadUnaligned(fromByteOffset: checked(offset, 4), as: UInt32.self))
    }

    /// Loads a little-endian integer; traps when out of bounds, so callers check lengths first.
    @inlinable
    public func littleEndianUInt16(at offset: Int) -> UInt16 {
        UInt16(littleEndian: unsafe unsafeLoadUnaligned(fromByteOffset: checked(offset, 2), as: UInt16.self))
    }

    /// Loads one byte; traps when out of bounds, so callers check lengths first.
    @inlinable
    public func byte(at offset: Int) -> UInt8 {
        unsafe unsafeLoad(fromByteOffset: checked(offset, 1), as: UInt8.self)
    }

    @inlinable
    func checked(_ offset: Int, _ count: Int) -> Int {
        precondition(offset >= 0 && offset <= byteCount - count, "raw span load out of bounds")
        return offset
    }
}

extension OutputRawSpan {
    /// Appends an integer in little-endian order; the caller guarantees the free capacity.
    @inlinable
    public mutating func append(littleEndian value: some FixedWidthInteger & BitwiseCopyable) {
        unsafe append(value.littleEndian, as: type(of: value.littleEndian))
    }

    /// Appends a copy of `bytes`; traps when the free capacity is smaller.
    @inlinable
    public mutating func append(contentsOf bytes: RawSpan) {
        precondition(bytes.byteCount <= freeCapacity, "output span overflow")
        unsafe withUnsafeMutableBytes { buffer, count in
            unsafe bytes.withUnsafeBytes { source in
                if let base = source.baseAddress, let destination = buffer.baseAddress {
                    unsafe (destination + count).copyMemory(from: base, byteCount: source.count)
                }
                count += source.count
            }
        }
    }
}
