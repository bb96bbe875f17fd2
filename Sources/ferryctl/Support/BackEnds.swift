internal import Ferry
internal import FerryChunking
internal import FerryCrypto
internal import FerryInMemory
internal import FerrySodium
internal import FerrySwiftCrypto
internal import FerryTransports
internal import FerryUDP
internal import FerryUnixSocket
internal import FerryZstd

extension DemoCrypto {
    /// The back-end's primitives.
    var provider: CryptoProvider {
        switch self {
        case .default: .composite
        case .sodium: .sodium
        case .swiftCrypto: .swiftCrypto
        }
    }
}

extension CryptoProvider {
    /// libsodium, with swift-crypto's AES-256-GCM for long frames: it is several times faster there, and slower below a few KiB.
    static var composite: CryptoProvider {
        var provider = CryptoProvider.sodium
        guard let long = try? CryptoProvider.swiftCrypto.aead(for: .aes256GCM) else { return provider }
        provider.aeads = provider.aeads.map { $0.algorithm == .aes256GCM ? SizeRoutedAEAD(short: $0, long: long) : $0 }
        return provider
    }
}

extension DemoCompression {
    /// In order of preference: what a node compresses with comes first.
    var compressors: [any Compressor] {
        switch self {
        case .adaptive: [Zstd(), Uncompressed()]
        case .zstd: [Zstd(), Uncompressed()]
        case .none: [Uncompressed()]
        }
    }
}

extension InMemoryNetwork {
    /// A network whose largest frame is given; nil for the default.
    convenience init(frameByteCount: Int?) {
        var limits = Limits()
        if let frameByteCount {
            limits.maximumFrameByteCount = frameByteCount
            limits.maximumBatchByteCount = max(frameByteCount, limits.maximumBatchByteCount)
        }
        self.init(limits: limits)
    }
}

/// Makes the transport that an address names: this is where the command line picks plug-ins.
enum TransportChoice {
    /// A transport that listens on `address`.
    ///
    /// - Parameter frameByteCount: the largest frame of a unix socket; nil for the default. A memory network knows its own, udp its path's.
    static func listening(
        on address: TransportAddress, network: InMemoryNetwork?, frameByteCount: Int? = nil
    ) throws(CommandFailure) -> any Transport {
        switch address.scheme {
        case "udp":
            let (host, port) = try hostAndPort(address)
            return UDPTransport(host: host, port: port)
        case "unix": return UnixSocketTransport(path: address.rest, configuration: unixSocket(frameByteCount))
        case "memory" where network != nil: return InMemoryTransport(network: network ?? InMemoryNetwork(), name: address.rest)
        default: throw unknownScheme(address.scheme)
        }
    }

    /// A transport that only dials.
    static func dialling(
        scheme: String, network: InMemoryNetwork?, frameByteCount: Int? = nil
    ) throws(CommandFailure) -> any Transport {
        switch scheme {
        case "udp": return UDPTransport()
        case "unix": return UnixSocketTransport(configuration: unixSocket(frameByteCount))
        case "memory" where network != nil: return InMemoryTransport(network: network ?? InMemoryNetwork())
        default: throw unknownScheme(scheme)
        }
    }

    private static func unixSocket(_ frameByteCount: Int?) -> UnixSocketConfiguration {
        var configuration = UnixSocketConfiguration()
        guard let frameByteCount else { return configuration }
        configuration.maximumFrameByteCount = frameByteCount
        configuration.maximumBatchByteCount = max(frameByteCount, configuration.maximumBatchByteCount)
        return configuration
    }

    private static func hostAndPort(_ address: TransportAddress) throws(CommandFailure) -> (String, Int) {
        guard let colon = address.rest.lastIndex(of: ":"), let port = Int(address.rest[address.rest.index(after: colon)...]),
            (0...65_535).contains(port)
        else { throw CommandFailure(code: "invalidAddress", message: "\(address) is not of the form udp:host:port", status: .usage) }
        let host = address.rest[..<colon].trimmingPrefix("[")
        return (host.hasSuffix("]") ? String(host.dropLast()) : String(host), port)
    }

    private static func unknownScheme(_ scheme: String) -> CommandFailure {
        CommandFailure(code: "invalidAddress", message: "no transport for \"\(scheme):\"; there are udp: and unix:", status: .usage)
    }
}
