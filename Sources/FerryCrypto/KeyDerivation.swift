internal import FerryWire

extension HashAlgorithm {
    /// Appends HMAC(key, message) (RFC 2104; 32 bytes); intermediate values are wiped.
    ///
    /// - Parameter key: of any length; more than one block is hashed first.
    public func hmac(key: RawSpan, _ message: RawSpan, into output: inout OutputRawSpan) {
        let block = algorithm.blockByteCount
        let digest = algorithm.digestByteCount
        guard key.byteCount <= block else {
            withWipedScratch(byteCount: digest) { (shortKey: inout OutputRawSpan) in
                hash(key, into: &shortKey)
                hmac(key: shortKey.bytes, message, into: &output)
            }
            return
        }
        withWipedScratch(byteCount: block + max(message.byteCount, digest)) { (padded: inout OutputRawSpan) in
            withWipedScratch(byteCount: digest) { (inner: inout OutputRawSpan) in
                appendPad(0x36, key: key, to: &padded)
                padded.append(contentsOf: message)
                hash(padded.bytes, into: &inner)
                padded.removeAll()
                appendPad(0x5c, key: key, to: &padded)
                padded.append(contentsOf: inner.bytes)
                hash(padded.bytes, into: &output)
            }
        }
    }

    private func appendPad(_ pad: UInt8, key: RawSpan, to output: inout OutputRawSpan) {
        for offset in 0..<key.byteCount { output.append(key.byte(at: offset) ^ pad) }
        for _ in key.byteCount..<algorithm.blockByteCount { output.append(pad) }
    }

    /// Appends HKDF-Extract(salt, input key) (RFC 5869 §2.2; 32 bytes).
    public func hkdfExtract(salt: RawSpan, inputKey: RawSpan, into output: inout OutputRawSpan) {
        hmac(key: salt, inputKey, into: &output)
    }

    /// Appends `byteCount` bytes of HKDF-Expand(key, info) (RFC 5869 §2.3); at most 255 digests.
    public func hkdfExpand(key: RawSpan, info: RawSpan, byteCount: Int, into output: inout OutputRawSpan) {
        let digest = algorithm.digestByteCount
        precondition(byteCount <= 255 * digest && byteCount <= output.freeCapacity, "HKDF output too long")
        withWipedScratch(byteCount: digest) { (previous: inout OutputRawSpan) in
            var left = byteCount
            var counter: UInt8 = 0
            while left > 0 {
                counter += 1
                withWipedScratch(byteCount: digest + info.byteCount + 1) { (input: inout OutputRawSpan) in
                    input.append(contentsOf: previous.bytes)
                    input.append(contentsOf: info)
                    input.append(counter)
                    previous.removeAll()
                    hmac(key: key, input.bytes, into: &previous)
                }
                let part = min(left, digest)
                output.append(contentsOf: previous.bytes.extracting(0..<part))
                left -= part
            }
        }
    }

    /// One hash over concatenated parts.
    func hash(_ first: RawSpan, _ second: RawSpan) -> FixedBytes32 {
        let digest = [UInt8](rawCapacity: algorithm.digestByteCount) { output in
            withWipedScratch(byteCount: first.byteCount + second.byteCount) { (input: inout OutputRawSpan) in
                input.append(contentsOf: first)
                input.append(contentsOf: second)
                hash(input.bytes, into: &output)
            }
        }
        guard let value = FixedBytes32(digest) else { preconditionFailure("a hash wrote another length than its own") }
        return value
    }
}

/// Compares without stopping at the first difference; the time depends on the lengths only.
public func equalInConstantTime(_ left: RawSpan, _ right: RawSpan) -> Bool {
    guard left.byteCount == right.byteCount else { return false }
    var difference: UInt8 = 0
    for offset in 0..<left.byteCount { difference |= left.byte(at: offset) ^ right.byte(at: offset) }
    return difference == 0
}
