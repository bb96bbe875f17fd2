/// Every maximum of the formats, in one place; decoders hold each length and count against it before they allocate.
public enum WireLimits {
    /// Snapshot bytes in one net-mesh `SnapshotReady`, and payload bytes of one event in a net-mesh `BufferedEvents`.
    public static let netMeshChunkByteCount = 7_000
    /// Chunks of one net-mesh snapshot.
    public static let netMeshChunkCount = 700_000
    /// Events in one net-mesh `BufferedEvents`.
    public static let netMeshBufferedEventCount = 1_000_000
    /// UTF-8 bytes of the text in a net-mesh failure.
    public static let netMeshFailureTextByteCount = 65_535
    /// Bytes of a channel name.
    public static let channelNameByteCount = 255
    /// Bytes of a channel token: its length field has 16 bits.
    public static let channelTokenByteCount = 65_535
    /// Bytes of an identity envelope, exactly.
    public static let identityEnvelopeByteCount = 209
    /// Sequences that one continuity proof may span.
    public static let continuityProofSpan: UInt64 = 100_000

    /// Payload bytes of one event on a lane.
    public static let eventPayloadByteCount = 1 << 20
    /// UTF-8 bytes of a text that a person reads: a refusal's detail, a progress line.
    public static let textByteCount = 1_024
    /// UTF-8 bytes of a name: a daemon kind, a compressor.
    public static let nameByteCount = 255
    /// UTF-8 bytes of a transport address.
    public static let addressByteCount = 1_024
}
