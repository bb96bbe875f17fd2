/// One cipher from two back-ends: short messages go to the one with the smaller fixed cost, long ones to the one with the higher rate.
///
/// Both must be the same algorithm, so that either opens what the other has sealed.
public struct SizeRoutedAEAD: AEAD {
    private let short: any AEAD
    private let long: any AEAD
    private let thresholdByteCount: Int

    /// The algorithm of both.
    public var algorithm: AEADAlgorithm { short.algorithm }

    /// Joins two back-ends of one algorithm; two different ones are the caller's mistake, and trap.
    ///
    /// - Parameters:
    ///   - short: takes messages of fewer than `thresholdByteCount` bytes.
    ///   - long: takes the rest.
    public init(short: any AEAD, long: any AEAD, thresholdByteCount: Int = 4_096) {
        precondition(short.algorithm == long.algorithm, "both back-ends must be the same algorithm")
        self.short = short
        self.long = long
        self.thresholdByteCount = thresholdByteCount
    }

    /// Prepares the key in both back-ends.
    ///
    /// - Throws: `.invalidKey` unless the key has 32 bytes.
    public func makeCipher(key: borrowing SecretBytes) throws(CryptoFailure) -> any AEADCipher {
        SizeRoutedCipher(
            short: try short.makeCipher(key: key), long: try long.makeCipher(key: key), thresholdByteCount: thresholdByteCount)
    }
}

private final class SizeRoutedCipher: AEADCipher {
    private let short: any AEADCipher
    private let long: any AEADCipher
    private let thresholdByteCount: Int

    init(short: any AEADCipher, long: any AEADCipher, thresholdByteCount: Int) {
        self.short = short
        self.long = long
        self.thresholdByteCount = thresholdByteCount
    }

    func seal(_ plaintext: RawSpan, nonce: AEADNonce, authenticating header: RawSpan, into output: inout OutputRawSpan)
        throws(CryptoFailure)
    {
        let cipher = plaintext.byteCount < thresholdByteCount ? short : long
        try cipher.seal(plaintext, nonce: nonce, authenticating: header, into: &output)
    }

    func open(_ ciphertext: RawSpan, nonce: AEADNonce, authenticating header: RawSpan, into output: inout OutputRawSpan)
        throws(CryptoFailure)
    {
        let cipher = ciphertext.byteCount < thresholdByteCount ? short : long
        try cipher.open(ciphertext, nonce: nonce, authenticating: header, into: &output)
    }
}
