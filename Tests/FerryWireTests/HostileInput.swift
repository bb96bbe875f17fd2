import FerryWire
import Testing

/// Feeds every prefix and every changed byte of a valid input to a decoder; each must end in a value or a `WireError`.
///
/// - Parameter accept: judges what a changed input decoded to, for instance that it encodes to exactly that input.
func checkHostileInputs(
    _ valid: [UInt8], name: String, decode: (RawSpan) throws(WireError) -> Bool, sourceLocation: SourceLocation = #_sourceLocation
) {
    for count in 0..<valid.count {
        _ = try? decode(Array(valid[..<count]).rawSpan)
    }
    // All values for short inputs, every bit and all bits for long ones, so that the work stays bounded.
    let masks: [UInt8] = valid.count <= 64 ? Array(1...255) : [1, 2, 4, 8, 16, 32, 64, 128, 255]
    let stride = max(1, valid.count / 1_000)
    var changed = valid
    var unfaithful: [Int] = []
    for index in Swift.stride(from: 0, to: valid.count, by: stride) {
        for mask in masks {
            changed[index] = valid[index] ^ mask
            if let isFaithful = try? decode(changed.rawSpan), !isFaithful { unfaithful.append(index) }
        }
        changed[index] = valid[index]
    }
    #expect(unfaithful.isEmpty, "\(name): changed at \(unfaithful), it decodes to a value with other bytes", sourceLocation: sourceLocation)
}

/// Checks that whatever decodes from a changed input has exactly that input as its encoding.
func checkCanonical<Value: WireEncodable & WireDecodable>(
    _ type: Value.Type, _ valid: [UInt8], name: String, sourceLocation: SourceLocation = #_sourceLocation
) {
    checkHostileInputs(
        valid, name: name,
        decode: { bytes throws(WireError) in
            try Value(decoding: bytes).encoded() == [UInt8](copying: bytes)
        }, sourceLocation: sourceLocation)
}
