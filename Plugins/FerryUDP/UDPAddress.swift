internal import FerryTransports
internal import Glibc
internal import NIOCore
internal import NIOPosix

/// Between `udp:host:port` and what the kernel understands.
enum UDPAddress {
    static let scheme = "udp"

    /// Splits `host:port`; an IPv6 host stands in brackets.
    ///
    /// - Throws: `.invalidAddress`.
    static func parse(_ address: TransportAddress) throws(TransportError) -> (host: String, port: Int) {
        guard address.scheme == scheme else { throw TransportError(.invalidAddress, "\(address) is no \(scheme) address") }
        let rest = address.rest
        guard let colon = rest.lastIndex(of: ":"), let port = UInt16(rest[rest.index(after: colon)...]), port != 0 else {
            throw TransportError(.invalidAddress, "\(address) has no port from 1 to 65535 at its end")
        }
        var host = rest[..<colon]
        if host.hasPrefix("["), host.hasSuffix("]") {
            host = host.dropFirst().dropLast()
        } else if host.contains(":") {
            throw TransportError(.invalidAddress, "\(address): an IPv6 address stands in brackets")
        }
        guard !host.isEmpty else { throw TransportError(.invalidAddress, "\(address) has no host") }
        return (String(host), Int(port))
    }

    /// Looks up names on a thread that may block.
    ///
    /// - Throws: `.unreachable` for a name that does not resolve.
    static func resolve(host: String, port: Int) async throws(TransportError) -> SocketAddress {
        if let address = try? SocketAddress(ipAddress: host, port: port) { return address }
        do {
            return try await NIOThreadPool.singleton.runIfActive { try SocketAddress.makeAddressResolvingHost(host, port: port) }
        } catch {
            throw TransportError(.unreachable, "the host name \(host) does not resolve", cause: error)
        }
    }

    /// As people write it: an IPv4 address that arrived over IPv6 is an IPv4 address.
    static func describe(_ address: SocketAddress) -> TransportAddress {
        let port = address.port ?? 0
        let host = address.ipAddress ?? "?"
        let mapped = "::ffff:"
        if host.hasPrefix(mapped), host.contains(".") {
            return TransportAddress(scheme: scheme, rest: "\(host.dropFirst(mapped.count)):\(port)")
        }
        return TransportAddress(scheme: scheme, rest: address.protocol == .inet6 ? "[\(host)]:\(port)" : "\(host):\(port)")
    }
}

extension TransportError {
    init(_ error: Errno, _ context: String) {
        let code: Code =
            switch error.number {
            case EADDRINUSE: .addressInUse
            case EACCES, EPERM: .permissionDenied
            case EADDRNOTAVAIL, EAFNOSUPPORT, EINVAL: .invalidAddress
            case ENETUNREACH, EHOSTUNREACH, ENETDOWN: .unreachable
            default: .system
            }
        self.init(code, "\(context): \(error.text)", cause: error)
    }
}
