/// Stand-in until compiled.
final class SessionNetwork: SimulationNetwork {
    unowned let world: SimulationWorld
    init(world: SimulationWorld) { self.world = world }
    func cut(_ one: Int, _ other: Int) -> Bool { false }
    func send(_ bytes: [UInt8], from: SimulationEndpoint, to: SimulationEndpoint) {}
    func begin(_ transfer: SimulationTransfer) {}
    func cancel(_ transfer: SimulationTransfer) {}
    func changed(_ endpoint: SimulationEndpoint) {}
    func arrive(_ arrival: Arrival) {}
}
