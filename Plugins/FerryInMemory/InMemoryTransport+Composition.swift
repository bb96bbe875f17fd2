public import FerryTransports

extension Transport where Self == InMemoryTransport {
    /// Links within `network`, as a composition lists them; without a name it only dials.
    public static func inMemory(_ network: InMemoryNetwork, name: String? = nil) -> InMemoryTransport {
        InMemoryTransport(network: network, name: name)
    }
}
