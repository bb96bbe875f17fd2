public import FerryTransports

extension Transport where Self == UnixSocketTransport {
    /// A socket at `path`, as a composition lists it; without a path it only dials.
    public static func unixSocket(path: String? = nil) -> UnixSocketTransport { UnixSocketTransport(path: path) }
}
