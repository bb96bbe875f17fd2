extension AEADCipher {
    /// Bytes that sealing appends, once the output is known to hold them; for implementations.
    ///
    /// - Throws: `.bufferTooSmall`.
    public func sealedByteCount(_ plaintext: RawSpan, _ output: borrowing OutputRawSpan) throws(CryptoFailure) -> Int {
        let byteCount = plaintext.byteCount + AEADAlgorithm.tagByteCount
        guard output.freeCapacity >= byteCount else {
            throw CryptoFailure(.bufferTooSmall, "sealing needs \(byteCount) bytes, the output has \(output.freeCapacity)")
        }
        return byteCount
    }

    /// Bytes that opening appends, once the ciphertext is known to hold a tag and the output to hold the plaintext; for implementations.
    ///
    /// - Throws: `.authenticationFailed`, `.bufferTooSmall`.
    public func openedByteCount(_ ciphertext: RawSpan, _ output: borrowing OutputRawSpan) throws(CryptoFailure) -> Int {
        let byteCount = ciphertext.byteCount - AEADAlgorithm.tagByteCount
        guard byteCount >= 0 else { throw CryptoFailure(.authenticationFailed, "the ciphertext is shorter than a tag") }
        guard output.freeCapacity >= byteCount else {
            throw CryptoFailure(.bufferTooSmall, "opening needs \(byteCount) bytes, the output has \(output.freeCapacity)")
        }
        return byteCount
    }
}
