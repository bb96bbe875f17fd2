import FerryInMemory
import FerryTransports
import FerryUDP
import FerryUnixSocket
import Synchronization
import Testing

/// One way to make a transport that listens and one that dials it; every rule of the suite runs over all of them.
enum TransportCase: String, CaseIterable, CustomTestStringConvertible {
    case memory
    case unix
    case udp
    case udpWithoutOffload
    case udpOverIPv6

    var testDescription: String { rawValue }

    static let lossFree: [TransportCase] = [.memory, .unix]

    func withPair(_ body: (any Transport, any Transport) async throws -> Void) async throws {
        switch self {
        case .memory:
            let network = InMemoryNetwork()
            try await body(InMemoryTransport(network: network, name: "listener"), InMemoryTransport(network: network))
        case .unix:
            let folder = try TemporaryFolder()
            defer { folder.remove() }
            try await body(UnixSocketTransport(path: folder.path + "/s"), UnixSocketTransport())
        case .udp:
            try await body(UDPTransport(host: "127.0.0.1", port: 0), UDPTransport())
        case .udpWithoutOffload:
            var configuration = UDPConfiguration()
            configuration.offload = .none
            let listening = UDPTransport(host: "127.0.0.1", port: 0, configuration: configuration)
            try await body(listening, UDPTransport(configuration: configuration))
        case .udpOverIPv6:
            try await body(UDPTransport(host: "::1", port: 0), UDPTransport())
        }
    }

    /// A transport on exactly the address that `listener` got.
    func listening(onTheAddressOf listener: any TransportListener, like transport: any Transport) -> any Transport {
        switch self {
        case .memory, .unix: return transport
        case .udp, .udpWithoutOffload, .udpOverIPv6:
            let port = listener.localAddress.rest.split(separator: ":").last.flatMap { Int($0) }
            return UDPTransport(host: self == .udpOverIPv6 ? "::1" : "127.0.0.1", port: port)
        }
    }

    /// An address of this kind where nobody listens.
    var deadAddress: TransportAddress? {
        switch self {
        case .memory: TransportAddress("memory:nobody")
        case .unix: TransportAddress("unix:/nowhere/at/all.sock")
        case .udp, .udpWithoutOffload, .udpOverIPv6: nil
        }
    }
}

/// Two connected links and the listener between them.
struct Connection {
    var near: any BatchingLink
    var far: any BatchingLink
    var listener: any TransportListener
}

extension TransportCase {
    /// Opens one link, runs `body` and closes everything.
    func withConnection(_ body: (Connection) async throws -> Void) async throws {
        try await withPair { listening, dialling in
            try await connect(listening, dialling) { try await body($0) }
        }
    }
}

private func connect(_ listening: any Transport, _ dialling: any Transport, _ body: (Connection) async throws -> Void) async throws {
    let listener = try await require(listening.listen())
    let address = listener.localAddress
    let near = try await require(dialling.connect(to: address) as? any BatchingLink)
    // A datagram link exists at the other end from its first frame on.
    try await near.send(bytes: [1])
    let far = try await require(accept(listener) as? any BatchingLink)
    #expect(try await far.receiveBytes() == [1])
    try await body(Connection(near: near, far: far, listener: listener))
    await near.close()
    await far.close()
    await listener.close()
}

func accept(_ listener: some TransportListener) async throws -> (any TransportLink)? {
    try await listener.accept()
}

func require<Value>(_ value: Value?) throws -> Value { try #require(value) }

/// Counts over task boundaries.
final class Counter: Sendable {
    private let count = Atomic(0)

    var value: Int { count.load(ordering: .relaxed) }

    func add() { count.add(1, ordering: .relaxed) }
}
