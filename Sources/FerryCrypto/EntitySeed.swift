internal import FerryWire

/// Reads a daemon's 32-byte seed from where people keep one: 32 raw bytes, or 64 hex digits that a line break may follow.
package enum EntitySeed {
    /// Two hex digits a byte and a line break of two characters.
    private static let longestByteCount = 2 * 32 + 2

    /// Reads a file that only its owner can read.
    ///
    /// - Throws: `.identityFile` naming path and cause, as for a node's identity; `.invalidKey` when the contents are no seed.
    package static func read(contentsOf path: String, allocator: any SecretAllocator) throws(CryptoFailure) -> SecretBytes {
        let contents = try SecretFile.read(path, byteCounts: 32...longestByteCount, allocator: allocator)
        return try parse(contents.bytes, allocator: allocator)
    }

    /// Reads an open descriptor to its end.
    ///
    /// - Throws: `.identityFile` when it cannot be read or goes on after a seed; `.invalidKey` when the contents are no seed.
    package static func read(descriptor: Int32, allocator: any SecretAllocator) throws(CryptoFailure) -> SecretBytes {
        let contents = try SecretFile.read(
            descriptor: descriptor, name: "standard input", limit: longestByteCount, allocator: allocator)
        return try parse(contents.bytes, allocator: allocator)
    }

    /// Takes 32 raw bytes, or 64 hex digits with or without a line break.
    ///
    /// - Throws: `.invalidKey`, which tells nothing of the contents.
    package static func parse(_ contents: RawSpan, allocator: any SecretAllocator) throws(CryptoFailure) -> SecretBytes {
        if contents.byteCount == 32 { return SecretBytes(copying: contents, allocator: allocator) }
        guard contents.byteCount >= 64, isLineBreak(contents.extracting(64..<contents.byteCount)) else { throw invalidSeed }
        return try SecretBytes(byteCount: 32, allocator: allocator) { output throws(CryptoFailure) in
            for offset in stride(from: 0, to: 64, by: 2) {
                guard let high = digit(contents.byte(at: offset)), let low = digit(contents.byte(at: offset + 1)) else { throw invalidSeed }
                output.append(high << 4 | low)
            }
        }
    }

    private static func isLineBreak(_ bytes: RawSpan) -> Bool {
        switch bytes.byteCount {
        case 0: true
        case 1: bytes.byte(at: 0) == UInt8(ascii: "\n")
        case 2: bytes.byte(at: 0) == UInt8(ascii: "\r") && bytes.byte(at: 1) == UInt8(ascii: "\n")
        default: false
        }
    }

    private static func digit(_ character: UInt8) -> UInt8? {
        switch character {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): character - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): character - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): character - UInt8(ascii: "A") + 10
        default: nil
        }
    }

    private static var invalidSeed: CryptoFailure { CryptoFailure(.invalidKey, "a seed is 32 raw bytes or 64 hex digits") }
}
