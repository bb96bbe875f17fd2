internal import CBlake2
internal import CXXHash

/// XXH3-64 with seed 0, as parent hashes and chunk checks use it.
public func xxh3(_ bytes: RawSpan) -> UInt64 {
    unsafe bytes.withUnsafeBytes { unsafe XXH3_64bits($0.baseAddress, $0.count) }
}

/// XXH3-64 with seed 0 of an integer's eight little-endian bytes.
func xxh3(littleEndian value: UInt64) -> UInt64 {
    unsafe withUnsafeBytes(of: value.littleEndian) { unsafe XXH3_64bits($0.baseAddress, $0.count) }
}

/// The parent hash of whatever follows an event: XXH3-64 of the link's 32 bytes and the payload, without joining them on the heap.
public func forwardHash(_ link: CausalLink, _ payload: RawSpan) -> UInt64 {
    let words = (
        link.origin.rawValue.littleEndian, link.horizon.littleEndian, link.sequence.littleEndian, link.parent.littleEndian
    )
    return unsafe withUnsafeBytes(of: words) { link in
        unsafe payload.withUnsafeBytes { payload in
            unsafe ferry_xxh3_pair(link.baseAddress, link.count, payload.baseAddress, payload.count)
        }
    }
}

/// Keyed BLAKE2s (RFC 7693 keyed mode) with a 32-byte digest; net-mesh writes it H(key, message).
///
/// - Parameter key: at most 32 bytes.
public func keyedBlake2s(key: RawSpan, _ message: RawSpan) -> FixedBytes32 {
    let digest = [UInt8](rawCapacity: 32) { keyedBlake2s(key: key, message, into: &$0) }
    guard let bytes = FixedBytes32(digest) else { preconditionFailure("blake2s wrote 32 bytes") }
    return bytes
}

/// Keyed BLAKE2s appended to memory of the caller's choice, for digests that are secret.
package func keyedBlake2s(key: RawSpan, _ message: RawSpan, into output: inout OutputRawSpan) {
    precondition(key.byteCount <= 32, "BLAKE2s keys have at most 32 bytes")
    precondition(output.freeCapacity >= 32, "output span overflow")
    unsafe output.withUnsafeMutableBytes { buffer, count in
        let digest = unsafe buffer.baseAddress.map { unsafe ($0 + count).assumingMemoryBound(to: UInt8.self) }
        unsafe message.withUnsafeBytes { message in
            unsafe key.withUnsafeBytes { key in
                _ = unsafe blake2s(digest, message.baseAddress, key.baseAddress, 32, message.count, key.count)
            }
        }
        count += 32
    }
}

extension FixedBytes32 {
    /// Keyed BLAKE2s of `message` under an ASCII label.
    package init(label: String, _ message: [UInt8]) {
        self = keyedBlake2s(key: Array(label.utf8).rawSpan, message.rawSpan)
    }

    /// The first eight bytes, little-endian.
    var leadingUInt64: UInt64 { head.low }
}

extension EntityID {
    /// The daemon's name on every wire.
    public var originHash: OriginHash { OriginHash(rawValue: FixedBytes32(label: "net-origin-v1", bytes).leadingUInt64) }
}

extension NodeKey {
    /// The node's short name.
    public var nodeID: NodeID { NodeID(rawValue: FixedBytes32(label: "net-node-id-v1", bytes).leadingUInt64) }

    /// The origin under which the node itself emits events.
    public var originHash: OriginHash { OriginHash(rawValue: FixedBytes32(label: "net-origin-v1", bytes).leadingUInt64) }
}

extension MigrationID {
    /// The id of the given attempt of an order: the first half of H("ferry-migration-id", order ‖ attempt).
    public init(order: OrderID, attempt: UInt8) {
        self.init(rawValue: FixedBytes32(label: "ferry-migration-id", order.bytes + [attempt]).head)
    }
}
