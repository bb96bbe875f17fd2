import FerryTransports
import FerryUDP
import Testing

/// Two ends of one link over the loopback interface and the listener between them.
func withPair(
    _ configuration: UDPConfiguration = UDPConfiguration(),
    sender: UDPConfiguration.Offload? = nil, receiver: UDPConfiguration.Offload? = nil,
    host: String = "127.0.0.1", dial: String? = nil, _ body: (UDPLink, UDPLink, UDPListener) async throws -> Void
) async throws {
    var near = configuration
    var far = configuration
    if let sender { near.offload = sender }
    if let receiver { far.offload = receiver }
    let listener = try #require(try await UDPTransport(host: host, port: 0, configuration: far).listen())
    let port = try #require(listener.localAddress.rest.split(separator: ":").last)
    let address = dial.map { TransportAddress(scheme: "udp", rest: "\($0):\(port)") } ?? listener.localAddress
    let link = try await UDPTransport(configuration: near).connect(to: address)
    try await link.send(bytes: [0])
    let accepted = try #require(try await listener.accept())
    let first = try await accepted.receiveBytes()
    #expect(first == [0])
    try await body(link, accepted, listener)
    await link.close()
    await accepted.close()
    await listener.close()
}

extension BatchingLink {
    func sendBatch(bytes: [UInt8], frameByteCount: Int) async throws(TransportError) {
        try await sendBatch(unsafe _overrideLifetime(bytes.span.bytes, borrowing: bytes), frameByteCount: frameByteCount)
    }

    /// The frames of the next batch, or nil once the link is closed.
    func receiveFrames() async throws -> [[UInt8]]? {
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: maximumBatchByteCount, alignment: 16)
        defer { unsafe memory.deallocate() }
        var output = unsafe OutputRawSpan(buffer: memory, initializedCount: 0)
        let size = try await receiveBatch(into: &output)
        let bytes = unsafe [UInt8](memory.prefix(output.finalize(for: memory)))
        guard let size else { return nil }
        return stride(from: 0, to: bytes.count, by: size).map { Array(bytes[$0..<min($0 + size, bytes.count)]) }
    }
}

extension TransportLink {
    func send(bytes: [UInt8]) async throws(TransportError) {
        try await send(unsafe _overrideLifetime(bytes.span.bytes, borrowing: bytes))
    }

    /// The next frame, or nil once the link is closed.
    func receiveBytes() async throws -> [UInt8]? {
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: properties.maximumFrameByteCount, alignment: 16)
        defer { unsafe memory.deallocate() }
        var output = unsafe OutputRawSpan(buffer: memory, initializedCount: 0)
        let isOpen = try await receive(into: &output)
        let count = unsafe output.finalize(for: memory)
        return isOpen ? unsafe [UInt8](memory.prefix(count)) : nil
    }
}

/// Fails unless `body` throws a transport error of this code.
func expectCode(_ code: TransportError.Code, _ body: () async throws -> Void, sourceLocation: SourceLocation = #_sourceLocation) async {
    do {
        try await body()
        Issue.record("expected \(code), nothing was thrown", sourceLocation: sourceLocation)
    } catch let error as TransportError {
        #expect(error.code == code, sourceLocation: sourceLocation)
    } catch {
        Issue.record("expected \(code), got \(error)", sourceLocation: sourceLocation)
    }
}
