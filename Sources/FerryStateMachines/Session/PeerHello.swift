internal import FerryWire

/// What each side says about itself once the keys are in place (docs/protocol-session.md §4): the first message of the message channel.
struct PeerHello: Sendable, Equatable {
    /// Compressors at most.
    static let maximumCompressorCount = 16
    /// Largest window or message that a number may announce: 2^40 bytes.
    static let maximumByteCount: UInt64 = 1 << 40

    var version: UInt16
    var bootID: BootID
    var isDurable: Bool
    var compressorIDs: [UInt8]
    var maximumMessageByteCount: UInt64
    var messageWindowByteCount: UInt64
    var streamWindowByteCount: UInt64
    var connectionWindowByteCount: UInt64
    var maximumStreamCount: UInt64
    var idleTimeoutMilliseconds: UInt64
    var maximumAckDelayMicroseconds: UInt64

    init(_ configuration: SessionConfiguration) {
        version = HandshakeOffer.version
        bootID = configuration.hello.bootID
        isDurable = configuration.hello.isDurable
        compressorIDs = configuration.hello.compressorIDs
        maximumMessageByteCount = UInt64(configuration.limits.maximumMessageByteCount)
        messageWindowByteCount = UInt64(configuration.limits.messageReceiveWindowByteCount)
        streamWindowByteCount = UInt64(configuration.limits.streamWindowByteCount)
        connectionWindowByteCount = UInt64(configuration.limits.connectionWindowByteCount)
        maximumStreamCount = UInt64(configuration.limits.maximumStreamCount)
        idleTimeoutMilliseconds = UInt64(max(1, configuration.timing.idleTimeout.wholeNanoseconds / 1_000_000))
        maximumAckDelayMicroseconds = UInt64(max(0, configuration.timing.maximumAckDelay.wholeNanoseconds / 1000))
    }

    init?(_ bytes: RawSpan) {
        var reader = RecordReader(bytes)
        guard let version = reader.bigEndianUInt16(), let boot = reader.take(16), let bootID = BootID(copying: boot),
            let flags = reader.byte(), let compressorCount = reader.byte(), compressorCount <= Self.maximumCompressorCount,
            let compressors = reader.take(Int(compressorCount))
        else { return nil }
        var numbers: [UInt64] = []
        for _ in 0..<7 {
            guard let number = reader.varint(), number <= Self.maximumByteCount else { return nil }
            numbers.append(number)
        }
        guard numbers[0] >= 1024, numbers[1] >= MessageStream.initialCredit, numbers[5] >= 1, numbers[6] <= 16_384_000 else { return nil }
        self.version = version
        self.bootID = bootID
        isDurable = flags & 1 == 1
        compressorIDs = [UInt8](copying: compressors)
        maximumMessageByteCount = numbers[0]
        messageWindowByteCount = numbers[1]
        streamWindowByteCount = numbers[2]
        connectionWindowByteCount = numbers[3]
        maximumStreamCount = numbers[4]
        idleTimeoutMilliseconds = numbers[5]
        maximumAckDelayMicroseconds = numbers[6]
    }

    /// The message; bytes after the known fields are left for later versions.
    var bytes: [UInt8] {
        var writer = RecordWriter(capacity: MessageStream.maximumHelloByteCount)
        writer.begin(limit: MessageStream.maximumHelloByteCount)
        var head: [UInt8] = []
        head.append(bigEndian: version)
        head += bootID.bytes
        head.append(isDurable ? 1 : 0)
        head.append(UInt8(min(compressorIDs.count, Self.maximumCompressorCount)))
        head += compressorIDs.prefix(Self.maximumCompressorCount)
        writer.append(head.rawSpan)
        for number in [
            maximumMessageByteCount, messageWindowByteCount, streamWindowByteCount, connectionWindowByteCount, maximumStreamCount,
            idleTimeoutMilliseconds, maximumAckDelayMicroseconds,
        ] {
            writer.append(varint: number)
        }
        return [UInt8](copying: writer.bytes)
    }
}
