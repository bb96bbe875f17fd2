internal import FerryChunking
internal import FerryCrypto
internal import FerryTransports
internal import FerryWire

/// What the machine can do: the primitives and the sockets of a transfer, without any protocol.
///
/// One task checks, compresses, seals and sends chunk by chunk; another receives, opens, decompresses, checks and stores. Nothing is
/// acknowledged but a count of bytes in flight, which keeps a datagram socket from overflowing.
struct TransferLimit {
    static let chunkByteCount = 256 << 10
    static let windowByteCount = 2 << 20
    /// Check u64, plain length u32, length of the record u32.
    static let headerByteCount = 16
    /// A lost datagram would be waited for for ever.
    static let timeout = Duration.seconds(60)

    var links: LimitLinks
    var provider: CryptoProvider
    var compressor: any Compressor

    /// Moves `data` once, and returns how long that took.
    ///
    /// The links are closed when it fails.
    func measure(_ data: [UInt8]) async throws -> Duration {
        guard let aead = provider.aeads.first else { throw CommandFailure(code: "crypto", message: "the provider lists no cipher") }
        let key = [UInt8](rawCapacity: AEADAlgorithm.keyByteCount) { provider.random.fill(&$0) }
        let window = FlightWindow(limit: Self.windowByteCount)
        let sending = try cipher(aead, key)
        let receiving = try cipher(aead, key)
        let start = ContinuousClock.now
        try await withThrowingTaskGroup(of: Bool.self) { group in
            group.addTask {
                try await send(data, through: sending, aead.algorithm, window)
                return false
            }
            group.addTask {
                try await receive(data.count, through: receiving, aead.algorithm, window)
                return true
            }
            group.addTask {
                try await Task.sleep(for: Self.timeout)
                throw CommandFailure(code: "lost", message: "a frame was lost while the limit was measured")
            }
            do {
                while try await group.next() == false {}
            } catch {
                window.open()
                await links.close()
                throw error
            }
            group.cancelAll()
        }
        return start.duration(to: .now)
    }

    private func cipher(_ aead: any AEAD, _ key: [UInt8]) throws -> any AEADCipher {
        let secret = SecretBytes(byteCount: key.count, allocator: provider.secrets) { $0.append(contentsOf: key.rawSpan) }
        return try aead.makeCipher(key: secret)
    }

    private var recordCapacity: Int {
        Self.headerByteCount + max(Self.chunkByteCount, compressor.maximumCompressedByteCount(for: Self.chunkByteCount))
    }

    private func send(_ data: [UInt8], through cipher: any AEADCipher, _ algorithm: AEADAlgorithm, _ window: FlightWindow) async throws {
        let record = RawBuffer(capacity: recordCapacity)
        let batch = RawBuffer(capacity: links.sender.maximumBatchByteCount)
        let frameByteCount = links.frameByteCount
        let partByteCount = frameByteCount - AEADAlgorithm.tagByteCount
        var counter: UInt64 = 0
        for start in stride(from: 0, to: data.count, by: Self.chunkByteCount) {
            try encode(data.rawSpan.extracting(start..<min(start + Self.chunkByteCount, data.count)), into: record)
            var offset = 0
            while offset < record.byteCount {
                let end = min(offset + partByteCount, record.byteCount)
                let nonce = algorithm.nonce(counter: counter)
                try batch.append { output throws(CryptoFailure) in
                    try cipher.seal(record.bytes.extracting(offset..<end), nonce: nonce, authenticating: RawSpan(), into: &output)
                }
                counter += 1
                offset = end
                if offset == record.byteCount || batch.capacity - batch.byteCount < frameByteCount {
                    await window.enter(batch.byteCount)
                    try await links.sender.sendBatch(batch.bytes, frameByteCount: frameByteCount)
                    batch.removeAll()
                }
            }
        }
    }

    private func encode(_ chunk: RawSpan, into record: RawBuffer) throws {
        record.removeAll()
        let check = xxh3(chunk)
        record.append { output in
            output.append(littleEndian: check)
            output.append(littleEndian: UInt32(chunk.byteCount))
            output.append(littleEndian: UInt32(0))
        }
        if compressor.id != 0 {
            try record.append { output throws(ChunkingError) in try compressor.compress(chunk, level: 1, into: &output) }
        }
        // As in a state stream: what compression does not shrink travels as it is.
        if compressor.id == 0 || record.byteCount - Self.headerByteCount >= chunk.byteCount {
            record.truncate(to: Self.headerByteCount)
            record.append { output in output.append(contentsOf: chunk) }
        }
        record.store(UInt32(record.byteCount), at: 12)
    }

    private func receive(_ total: Int, through cipher: any AEADCipher, _ algorithm: AEADAlgorithm, _ window: FlightWindow) async throws {
        let batch = RawBuffer(capacity: links.receiver.maximumBatchByteCount)
        let record = RawBuffer(capacity: recordCapacity)
        let state = RawBuffer(capacity: total)
        var counter: UInt64 = 0
        while state.byteCount < total {
            guard let each = try await batch.fill({ try await links.receiver.receiveBatch(into: &$0) }) else {
                throw CommandFailure(code: "closed", message: "the link closed while the limit was measured")
            }
            for start in stride(from: 0, to: batch.byteCount, by: each) {
                let frame = batch.bytes.extracting(start..<min(start + each, batch.byteCount))
                let nonce = algorithm.nonce(counter: counter)
                counter += 1
                try record.append { output throws(CryptoFailure) in
                    try cipher.open(frame, nonce: nonce, authenticating: RawSpan(), into: &output)
                }
                if record.byteCount == Int(record.bytes.littleEndianUInt32(at: 12)) { try decode(record, into: state) }
            }
            window.leave(batch.byteCount)
        }
    }

    private func decode(_ record: RawBuffer, into state: RawBuffer) throws {
        let check = record.bytes.littleEndianUInt64(at: 0)
        let plainByteCount = Int(record.bytes.littleEndianUInt32(at: 8))
        let stored = record.bytes.extracting(Self.headerByteCount..<record.byteCount)
        let start = state.byteCount
        try state.append { output throws(ChunkingError) in
            if stored.byteCount == plainByteCount {
                output.append(contentsOf: stored)
            } else {
                try compressor.decompress(stored, into: &output)
            }
        }
        guard xxh3(state.bytes.extracting(start..<state.byteCount)) == check else {
            throw CommandFailure(code: "corrupt", message: "a chunk arrived altered while the limit was measured")
        }
        record.removeAll()
    }
}
