/// Every maximum of the formats, in one place; decoders hold each length and count against it before they allocate.
public enum WireLimits {
    /// Snapshot bytes in one net-mesh `SnapshotReady`, and payload bytes of one event in a net-mesh `BufferedEvents`.
    public static let netMeshChunkByteCount = 7_000
    /// Chunks of one net-mesh snapshot.
    public static let netMeshChunkCount = 700_000
    /// Bytes of one net-mesh snapshot that a node puts together; the format itself would allow 700,000 chunks.
    public static let netMeshSnapshotByteCount = 64 << 20
    /// Bytes of one net-mesh message that fit a packet of its transport: 8,108 without the four of the event frame's length.
    public static let netMeshMessageByteCount = 8_108 - 4
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

    /// Bytes of one message of the Ferry profile.
    public static let messageByteCount = 1 << 20
    /// Payload bytes of one event: whatever carries it fits a message.
    public static let eventPayloadByteCount = (1 << 20) - (1 << 10)
    /// Payload bytes of one output of a daemon: the last one travels in the snapshot header, beside as many cursors, bindings, hints and
    /// unacknowledged outputs as there may be.
    public static let outputPayloadByteCount = 128 << 10
    /// Move-log entries in one `BufferedEvents` of the Ferry profile.
    public static let bufferedEventCount = 16_384
    /// Lanes whose cursors a Release or a snapshot header lists.
    public static let cursorCount = 16_384
    /// Subscribers whose lanes a snapshot header lists.
    public static let outputLaneCount = 1_024
    /// Unacknowledged outputs in a snapshot header, one per output and subscriber that waits for it.
    public static let unacknowledgedOutputCount = 8_192
    /// Bytes of the different outputs among them.
    public static let unacknowledgedByteCount = 288 << 10
    /// Owner hints in a snapshot header.
    public static let ownerHintCount = 256
    /// UTF-8 bytes of the address in one of them.
    public static let hintAddressByteCount = 64
    /// Bytes of a snapshot header: with everything around it, it fits a message.
    public static let snapshotHeaderByteCount = (1 << 20) - (4 << 10)
    /// Bytes of the bindings in a snapshot header.
    public static let bindingsByteCount = 96 << 10
    /// Plain bytes of a state.
    public static let stateByteCount: UInt64 = 1 << 48
    /// UTF-8 bytes of a text that only a person reads: the message of a failure, the cause of a stall. Longer ones are clipped.
    public static let textByteCount = 1_024
    /// UTF-8 bytes of the name of a daemon kind.
    public static let kindNameByteCount = 255
    /// UTF-8 bytes of a transport address.
    public static let addressByteCount = 1_024
}
