internal import FerryTransports

/// The relay of a soak: one gate before each node, in a process of its own.
struct RelayRole: Sendable {
    var say: @Sendable (RoleEvent) -> Void

    /// Serves until `commands` ends.
    func run(_ commands: AsyncStream<String>) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            var gates: [String: RelayGate] = [:]
            for await line in commands {
                guard case .relay(let order) = RoleLine.decode(line, as: RoleCommand.self) else {
                    say(.failed(code: "command", message: "not a relay's command: \(line)"))
                    continue
                }
                switch order {
                case .open(let name, let text, let seed):
                    let gate = try await RelayGate(at: try address(text), seed: seed)
                    gates[name] = gate
                    group.addTask { await gate.run() }
                    say(.relay(.opened(gate: name, at: gate.address.description)))
                case .aim(let name, let text): gates[name]?.aim(at: try address(text))
                case .weather(let name, let weather): gates[name]?.setWeather(weather)
                case .cut(let name): await gates[name]?.cut()
                case .count: say(.relay(.counted(total(Array(gates.values)))))
                }
            }
            for gate in gates.values { await gate.cut() }
            group.cancelAll()
        }
    }

    private func address(_ text: String) throws(CommandFailure) -> TransportAddress {
        guard let address = TransportAddress(text) else {
            throw CommandFailure(code: "invalidAddress", message: "\(text) is not of the form scheme:rest")
        }
        return address
    }

    private func total(_ gates: [RelayGate]) -> RelayCounts {
        var total = RelayCounts()
        for gate in gates { total.add(gate.counts) }
        return total
    }
}
