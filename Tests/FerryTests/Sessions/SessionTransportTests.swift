import FerryInMemory
import FerryStateMachines
import FerryTransports
import FerryUDP
import FerryUnixSocket
import FerryWire
import Foundation
import Testing

@testable import Ferry

/// The same two nodes over every transport.
@Suite struct SessionTransportTests {
    enum Kind: String, CaseIterable {
        case memory
        case unixSocket
        case udp
    }

    private func withNodes(
        over kind: Kind, _ body: @escaping @Sendable (SessionNode, SessionNode, TransportAddress) async throws -> Void
    ) async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "ferry-\(UUID().uuidString.prefix(8))")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let network = InMemoryNetwork()
        let (listening, dialling): (any Transport, any Transport) =
            switch kind {
            case .memory: (InMemoryTransport(network: network, name: "right"), InMemoryTransport(network: network))
            case .unixSocket: (UnixSocketTransport(path: folder.appending(path: "right").path), UnixSocketTransport())
            case .udp: (UDPTransport(host: "127.0.0.1", port: 0), UDPTransport(host: "127.0.0.1"))
            }
        let leftNode = try SessionNode(transports: [dialling])
        let rightNode = try SessionNode(transports: [listening])
        try await rightNode.running { right in
            let address = try #require(right.table.listenAddresses.first)
            try await leftNode.running { left in try await body(left, right, address) }
        }
    }

    @Test(arguments: Kind.allCases)
    func messagesAndAStreamArriveWhole(kind: Kind) async throws {
        try await withNodes(over: kind) { left, right, address in
            let session = try await left.table.session(to: right.key, at: address)
            let accepted = try await right.delegate.wait { $0.established.first }
            let stream = try await session.openStream()
            let id = stream.id
            async let received = drain(try await accepted.incomingStream(id))
            for number in 0..<200 { try await session.send(numbered(UInt64(number), payloadByteCount: 1_000)) }
            let block = [UInt8](repeating: 5, count: 1 << 20)
            for _ in 0..<16 { try await stream.write(block.rawSpan) }
            try await stream.finish()
            #expect(try await received == 16 << 20)
            let messages = try await right.delegate.wait { $0.messages.count >= 200 ? $0.messages : nil }
            #expect(messages == (0..<200).map { numbered(UInt64($0), payloadByteCount: 1_000) })
        }
    }

    @Test(arguments: Kind.allCases)
    func aCloseReachesThePeerWithItsReason(kind: Kind) async throws {
        try await withNodes(over: kind) { left, right, address in
            let session = try await left.table.session(to: right.key, at: address)
            _ = try await right.delegate.wait { $0.established.first }
            session.close(SessionCloseReason(SessionCloseReason.Code(rawValue: 0x123), "enough"))
            let reason = try await right.delegate.wait { $0.closed.first }
            #expect(reason == SessionCloseReason(SessionCloseReason.Code(rawValue: 0x123), "enough", origin: .peer))
        }
    }

    @Test(arguments: Kind.allCases)
    func anotherKeyThanTheExpectedOneIsRefused(kind: Kind) async throws {
        try await withNodes(over: kind) { left, right, address in
            let stranger = try SessionNode(transports: []).key
            let error = await #expect(throws: FerryError.self) { try await left.table.session(to: stranger, at: address) }
            #expect(error?.code == .wrongPeer)
        }
    }
}
