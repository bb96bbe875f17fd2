internal import FerryWire

/// The subkey derivation of XChaCha20 (draft-irtf-cfrg-xchacha-03 §2.2), for providers that do not offer it themselves.
enum HChaCha20 {
    /// Appends the 32-byte subkey of a 32-byte key and the first 16 bytes of a 24-byte nonce.
    static func derive(key: RawSpan, prefix: FixedBytes16, into output: inout OutputRawSpan) {
        withWipedScratch(byteCount: 64) { (scratch: inout OutputRawSpan) in
            for constant: UInt32 in [0x6170_7865, 0x3320_646e, 0x7962_2d32, 0x6b20_6574] { scratch.append(littleEndian: constant) }
            scratch.append(contentsOf: key)
            prefix.append(to: &scratch)
            var words = scratch.mutableBytes
            for _ in 0..<10 {
                for column in 0..<4 { quarterRound(&words, column, 4 + column, 8 + column, 12 + column) }
                for diagonal in 0..<4 {
                    quarterRound(&words, diagonal, 4 + (diagonal + 1) % 4, 8 + (diagonal + 2) % 4, 12 + (diagonal + 3) % 4)
                }
            }
            output.append(contentsOf: words.bytes.extracting(0..<16))
            output.append(contentsOf: words.bytes.extracting(48..<64))
        }
    }

    /// RFC 8439 §2.1 on words of the state.
    private static func quarterRound(_ words: inout MutableRawSpan, _ a: Int, _ b: Int, _ c: Int, _ d: Int) {
        addAndRotate(&words, a, b, d, 16)
        addAndRotate(&words, c, d, b, 12)
        addAndRotate(&words, a, b, d, 8)
        addAndRotate(&words, c, d, b, 7)
    }

    private static func addAndRotate(_ words: inout MutableRawSpan, _ sum: Int, _ addend: Int, _ target: Int, _ distance: UInt32) {
        let total = words.bytes.littleEndianUInt32(at: 4 * sum) &+ words.bytes.littleEndianUInt32(at: 4 * addend)
        let mixed = words.bytes.littleEndianUInt32(at: 4 * target) ^ total
        words.storeBytes(of: total.littleEndian, toByteOffset: 4 * sum, as: UInt32.self)
        words.storeBytes(of: (mixed << distance | mixed >> (32 - distance)).littleEndian, toByteOffset: 4 * target, as: UInt32.self)
    }
}
