internal import Crypto
internal import FerryCrypto
internal import FerryWire

#if canImport(FoundationEssentials)
internal import FoundationEssentials
#else
internal import Foundation
#endif

// swift-crypto takes Foundation's byte protocols and has no span API. Raw buffers conform to them, so that nothing is copied on the way
// in; its results are `Data` of its own, copied once on the way out. The module's only unsafe expressions are here.

extension RawSpan {
    /// Lends the bytes in a form that swift-crypto takes; nil when `body` throws.
    func withBytes<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) -> Result? {
        try? unsafe withUnsafeBytes { unsafe try body($0) }
    }
}

extension FixedByteCount {
    /// Copies what swift-crypto returned; nil on another length.
    init?(data: some ContiguousBytes) {
        let copied = unsafe data.withUnsafeBytes { buffer in
            unsafe buffer.count == Self.byteCount ? Self(copying: RawSpan(_unsafeBytes: buffer)) : nil
        }
        guard let copied else { return nil }
        self = copied
    }
}

extension OutputRawSpan {
    /// Appends what swift-crypto returned, from `offset` on; the caller guarantees the free capacity.
    mutating func append(data: some ContiguousBytes, from offset: Int = 0) {
        unsafe data.withUnsafeBytes { buffer in
            let bytes = unsafe RawSpan(_unsafeBytes: buffer)
            append(contentsOf: bytes.extracting(offset..<bytes.byteCount))
        }
    }
}

extension SecretBytes {
    /// Refuses keys of another length and lends the bytes.
    borrowing func with32Bytes<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) throws(CryptoFailure) -> Result {
        guard byteCount == 32 else { throw CryptoFailure(.invalidKey, "a key of \(byteCount) bytes instead of 32") }
        guard let result = unsafe bytes.withBytes({ unsafe try body($0) }) else {
            throw CryptoFailure(.failed, "swift-crypto does not take the key")
        }
        return result
    }

    /// A copy in memory that swift-crypto wipes.
    borrowing func symmetricKey() throws(CryptoFailure) -> SymmetricKey {
        unsafe try with32Bytes { unsafe SymmetricKey(data: $0) }
    }
}

extension AEADAlgorithm {
    /// Seals in swift-crypto; nonce, ciphertext and tag in one piece, or nil.
    func seal(_ plaintext: RawSpan, nonce: AEADNonce, authenticating header: RawSpan, key: SymmetricKey) -> Data? {
        unsafe plaintext.withBytes { plaintext in
            unsafe try header.withUnsafeBytes { header in
                unsafe try nonce.withBytes { nonce in
                    switch self {
                    case .aes256GCM:
                        let nonce = unsafe try AES.GCM.Nonce(data: nonce)
                        return unsafe try AES.GCM.seal(plaintext, using: key, nonce: nonce, authenticating: header).combined
                    case .chaCha20Poly1305:
                        let nonce = unsafe try ChaChaPoly.Nonce(data: nonce)
                        return unsafe try ChaChaPoly.seal(plaintext, using: key, nonce: nonce, authenticating: header).combined
                    }
                }
            }
        } ?? nil
    }

    /// Opens in swift-crypto; nil when the tag does not match.
    func open(_ ciphertext: RawSpan, tag: RawSpan, nonce: AEADNonce, authenticating header: RawSpan, key: SymmetricKey) -> Data? {
        unsafe ciphertext.withBytes { ciphertext in
            unsafe try tag.withUnsafeBytes { tag in
                unsafe try header.withUnsafeBytes { header in
                    unsafe try nonce.withBytes { nonce in
                        switch self {
                        case .aes256GCM:
                            let nonce = unsafe try AES.GCM.Nonce(data: nonce)
                            let box = unsafe try AES.GCM.SealedBox(nonce: nonce, ciphertext: ciphertext, tag: tag)
                            return unsafe try AES.GCM.open(box, using: key, authenticating: header)
                        case .chaCha20Poly1305:
                            let nonce = unsafe try ChaChaPoly.Nonce(data: nonce)
                            let box = unsafe try ChaChaPoly.SealedBox(nonce: nonce, ciphertext: ciphertext, tag: tag)
                            return unsafe try ChaChaPoly.open(box, using: key, authenticating: header)
                        }
                    }
                }
            }
        }
    }
}

extension AEADNonce {
    fileprivate func withBytes<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
        unsafe try withUnsafeTemporaryAllocation(byteCount: 12, alignment: 8) { buffer in
            unsafe buffer.storeBytes(of: prefix, as: UInt32.self)
            unsafe buffer.storeBytes(of: suffix, toByteOffset: 4, as: UInt64.self)
            return unsafe try body(UnsafeRawBufferPointer(buffer))
        }
    }
}
