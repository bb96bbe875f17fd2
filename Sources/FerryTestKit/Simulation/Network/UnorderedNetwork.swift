internal import FerryStateMachines

/// Loses, repeats and reorders whole messages, which no session does; knows no sessions but the boots of both ends.
final class UnorderedNetwork: SimulationNetwork {
    unowned let world: SimulationWorld
    private var transfers: [SimulationTransfer] = []

    init(world: SimulationWorld) { self.world = world }

    func send(_ bytes: [UInt8], from: SimulationEndpoint, to: SimulationEndpoint) {
        let random = world.chance(world.settings.lossPermille)
        if random { return world.count(.loss) }
        if world.links.isBlocked(from.index, to.index, at: world.now) { return }
        // Both boots, so that nothing of a session that died with its node is ever accepted in the next.
        let session = UInt64(from.bootCount) << 32 | UInt64(to.bootCount)
        let arrival = Arrival(from: from.index, to: to.index, session: session, bytes: bytes)
        world.push(after: delay(arrival), .arrival(arrival))
        if world.chance(world.settings.duplicationPermille) {
            world.count(.duplication)
            world.push(after: delay(arrival) + world.random.milliseconds(0...400), .arrival(arrival))
        }
    }

    private func delay(_ arrival: Arrival) -> Duration {
        let base = world.undelayed(arrival)
        if world.isActive(.reordering), world.random.chance(150) {
            world.count(.reordering)
            return base + world.random.milliseconds(5...60)
        }
        if world.isActive(.delay), world.random.chance(60) {
            world.count(.delay)
            return base + world.random.milliseconds(50...1_500)
        }
        return base
    }

    func arrive(_ arrival: Arrival) {
        let from = world.endpoints[arrival.from]
        let to = world.endpoints[arrival.to]
        guard to.isUp, UInt64(from.bootCount) << 32 | UInt64(to.bootCount) == arrival.session else { return }
        world.receive(arrival.bytes, from: from.peer, at: arrival.from, to: to)
    }

    func changed(_ endpoint: SimulationEndpoint) {
        let boot = endpoint.bootCount
        for other in world.endpoints where other.index != endpoint.index {
            world.after(world.random.milliseconds(5...800), endpoint: other.index, boot: other.bootCount) { world in
                guard other.isUp else { return }
                if endpoint.isUp, endpoint.bootCount == boot {
                    world.sessionEstablished(at: other, with: endpoint.peer)
                } else if endpoint.bootCount == boot {
                    world.sessionLost(at: other, with: endpoint)
                }
            }
        }
        guard !endpoint.isUp else { return }
        for transfer in transfers where transfer.from == endpoint.index || transfer.to == endpoint.index { fail(transfer) }
    }

    // MARK: Transfers

    func begin(_ transfer: SimulationTransfer) {
        let to = world.endpoints[transfer.to]
        transfer.toBoot = to.bootCount
        transfers.append(transfer)
        guard to.isUp, !world.links.isBlocked(transfer.from, transfer.to, at: world.now) else { return fail(transfer) }
        world.after(world.random.milliseconds(2...30)) { [self] world in
            guard !transfer.isOver else { return }
            transfer.stream = transfer.number
            world.transferOpened(transfer)
            carry(transfer)
        }
    }

    private func carry(_ transfer: SimulationTransfer) {
        let pieceByteCount = min(16 << 10, transfer.bytes.count - transfer.arrived.count)
        let wait =
            world.random.milliseconds(world.links.latency)
            + world.links.duration(pieceByteCount, transfer.from, transfer.to, at: world.now)
        world.after(wait) { [self] world in
            guard !transfer.isOver else { return }
            if world.links.isBlocked(transfer.from, transfer.to, at: world.now)
                || (!world.settings.isLossy && world.chance(world.settings.lossPermille / 8))
            {
                return fail(transfer)
            }
            let start = transfer.arrived.count
            transfer.arrived += transfer.bytes[start..<start + pieceByteCount]
            transfer.writtenByteCount = transfer.arrived.count
            guard transfer.arrived.count == transfer.bytes.count else {
                world.transferAdvanced(transfer)
                return carry(transfer)
            }
            transfer.isWhole = true
            world.transferAdvanced(transfer)
            world.after(world.random.milliseconds(world.links.latency)) { [self] world in
                guard !transfer.isOver else { return }
                transfer.isOver = true
                transfers.removeAll { $0 === transfer }
                world.transferAcknowledged(transfer)
            }
        }
    }

    private func fail(_ transfer: SimulationTransfer) {
        guard !transfer.isOver else { return }
        transfer.isOver = true
        transfers.removeAll { $0 === transfer }
        world.after(world.random.milliseconds(1...200)) { $0.transferFailed(transfer) }
        world.after(world.random.milliseconds(1...200)) { $0.transferBroken(transfer) }
    }

    func cancel(_ transfer: SimulationTransfer) { fail(transfer) }
}
