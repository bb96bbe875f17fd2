internal import FerryCrypto
internal import FerryWire

/// An identity envelope: exactly 209 bytes, the first one 1; nothing behind that is judged before it is opened.
enum EnvelopeInspection {
    static func fields(_ bytes: [UInt8]) throws(WireError) -> JSONValue.Members {
        guard let envelope = IdentityEnvelope(copying: bytes.rawSpan) else { throw problem(with: bytes) }
        return fields(of: envelope)
    }

    private static func problem(with bytes: [UInt8]) -> WireError {
        let length = "an envelope has \(IdentityEnvelope.byteCount) bytes, not \(bytes.count)"
        if bytes.count < IdentityEnvelope.byteCount { return WireError(.truncated, length) }
        if bytes.count > IdentityEnvelope.byteCount { return WireError(.trailingBytes, length) }
        return WireError(.unknownVersion, "envelope version \(bytes[0])")
    }

    private static func fields(of envelope: IdentityEnvelope) -> JSONValue.Members {
        [
            ("version", .integer(Int(IdentityEnvelope.version))), ("targetStaticPub", .string(envelope.targetStaticKey.hex)),
            ("targetPublic", .string(envelope.targetStaticKey.hex)), ("ephemeralPub", .string(envelope.ephemeralKey.hex)),
            ("ephemeralPublic", .string(envelope.ephemeralKey.hex)), ("ciphertext", .hex(envelope.ciphertext)),
            ("signerPub", .string(envelope.signer.hex)), ("signature", .string(envelope.signature.hex)),
            ("length", .integer(IdentityEnvelope.byteCount)),
        ]
    }

    /// The fields of an envelope that a snapshot carries, or null.
    static func object(_ bytes: [UInt8]?) -> JSONValue {
        guard let bytes, let envelope = IdentityEnvelope(copying: bytes.rawSpan) else { return .null }
        return .object(fields(of: envelope))
    }
}
