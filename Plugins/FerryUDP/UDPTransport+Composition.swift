public import FerryTransports

extension Transport where Self == UDPTransport {
    /// Datagrams on `host` and `port`, as a composition lists them; without a port it only dials.
    public static func udp(host: String = "0.0.0.0", port: Int? = nil) -> UDPTransport { UDPTransport(host: host, port: port) }
}
