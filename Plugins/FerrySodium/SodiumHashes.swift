internal import CSodium
public import FerryCrypto

/// SHA-256 (FIPS 180-4).
public struct SodiumSHA256: HashAlgorithm {
    /// Initializes the library.
    public init() {
        _ = SodiumLibrary.ready
    }

    /// SHA-256.
    public var algorithm: HashName { .sha256 }

    /// Appends the 32-byte digest.
    public func hash(_ message: RawSpan, into output: inout OutputRawSpan) {
        _ = unsafe message.withPointer { message, count in
            unsafe output.append(byteCount: 32) { unsafe crypto_hash_sha256($0, message, UInt64(count)) == 0 }
        }
    }
}

/// BLAKE2b with a 32-byte digest (RFC 7693).
public struct SodiumBLAKE2b256: HashAlgorithm {
    /// Initializes the library.
    public init() {
        _ = SodiumLibrary.ready
    }

    /// BLAKE2b-256.
    public var algorithm: HashName { .blake2b256 }

    /// Appends the 32-byte digest.
    public func hash(_ message: RawSpan, into output: inout OutputRawSpan) {
        _ = unsafe message.withPointer { message, count in
            unsafe output.append(byteCount: 32) { unsafe crypto_generichash_blake2b($0, 32, message, UInt64(count), nil, 0) == 0 }
        }
    }
}
