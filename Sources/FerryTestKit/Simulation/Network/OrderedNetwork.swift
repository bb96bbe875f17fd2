internal import FerryStateMachines
internal import FerryWire

/// Sessions as `PeerSession` promises them, without their frames: whole messages in order while a session lives; when it is lost, all that
/// is on its way is lost with it, and each end learns of it in its own time.
final class OrderedNetwork: SimulationNetwork {
    /// How long a session outlives silence.
    static let idleTimeout = Duration.seconds(6)

    struct Link {
        /// The session that each end has open, the lower endpoint first; 0 for none.
        var open: (UInt64, UInt64) = (0, 0)
        /// Nothing of sessions up to this one arrives any more.
        var dead: UInt64 = 0
        var isDialling = false
        var wasClosed = false
        /// When the last message arrives, towards the higher and towards the lower endpoint.
        var last: (Timestamp, Timestamp) = (.zero, .zero)
        /// The boots that the newest session was established between.
        var boots: (BootID, BootID)?
    }

    unowned let world: SimulationWorld
    private var links: [Link]
    private var sessionCount: UInt64 = 0
    private var transfers: [SimulationTransfer] = []

    init(world: SimulationWorld) {
        self.world = world
        links = [Link](repeating: Link(), count: world.endpoints.count * world.endpoints.count)
    }

    private func place(_ one: Int, _ other: Int) -> Int { min(one, other) * world.endpoints.count + max(one, other) }

    /// The session that `from` has open with `to`; 0 for none.
    private func session(of from: Int, with to: Int) -> UInt64 {
        let open = links[place(from, to)].open
        return from < to ? open.0 : open.1
    }

    private func setSession(of from: Int, with to: Int, _ session: UInt64) {
        if from < to { links[place(from, to)].open.0 = session } else { links[place(from, to)].open.1 = session }
    }

    // MARK: Messages

    func send(_ bytes: [UInt8], from: SimulationEndpoint, to: SimulationEndpoint) {
        let session = session(of: from.index, with: to.index)
        guard session != 0 else { return dial(from, to) }
        let arrival = Arrival(from: from.index, to: to.index, session: session, bytes: bytes)
        let place = place(from.index, to.index)
        let isUpwards = from.index < to.index
        var time = world.now + latency(arrival)
        let last = isUpwards ? links[place].last.0 : links[place].last.1
        let blocked = world.links.blocked(from.index, to.index)
        if blocked > world.now { time = max(time, blocked + world.random.milliseconds(1...50)) }
        time = max(time, last)
        if isUpwards { links[place].last.0 = time } else { links[place].last.1 = time }
        world.push(at: time, .arrival(arrival))
    }

    private func latency(_ arrival: Arrival) -> Duration {
        let base = world.undelayed(arrival)
        if world.isActive(.delay), world.random.chance(20) {
            world.count(.delay)
            return base + world.random.milliseconds(50...1_000)
        }
        if world.isActive(.burst), world.random.chance(10) {
            // What follows waits behind it, and all of it arrives at once.
            world.count(.burst)
            return base + world.random.milliseconds(100...400)
        }
        return base
    }

    func arrive(_ arrival: Arrival) {
        let link = links[place(arrival.from, arrival.to)]
        guard arrival.session > link.dead, session(of: arrival.to, with: arrival.from) == arrival.session, let boots = link.boots else {
            return
        }
        let to = world.endpoints[arrival.to]
        guard to.isUp else { return }
        let boot = arrival.from < arrival.to ? boots.0 : boots.1
        world.receive(arrival.bytes, from: world.endpoints[arrival.from].peer(boot: boot), at: arrival.from, to: to)
    }

    // MARK: Sessions

    private func dial(_ from: SimulationEndpoint, _ to: SimulationEndpoint) {
        let place = place(from.index, to.index)
        guard !links[place].isDialling else { return }
        links[place].isDialling = true
        let boots = (from.bootCount, to.bootCount)
        world.after(world.random.milliseconds(4...30)) { [self] world in
            links[place].isDialling = false
            guard from.isUp, to.isUp, (from.bootCount, to.bootCount) == boots,
                !world.links.isBlocked(from.index, to.index, at: world.now), !world.links.isBlocked(to.index, from.index, at: world.now)
            else { return }
            establish(from, to)
        }
    }

    private func establish(_ from: SimulationEndpoint, _ to: SimulationEndpoint) {
        let (low, high) = from.index < to.index ? (from, to) : (to, from)
        let place = place(low.index, high.index)
        sessionCount += 1
        // A session that one end still believes in is replaced: hosts keep several, and the newest one carries.
        links[place].dead = sessionCount - 1
        links[place].open = (sessionCount, sessionCount)
        links[place].last = (world.now, world.now)
        links[place].boots = (low.boot, high.boot)
        if links[place].wasClosed {
            links[place].wasClosed = false
            world.count(.linkReopen)
        }
        for end in [low, high] { breakTransfers(of: end, before: sessionCount, with: end === low ? high : low) }
        world.announceSession(of: from, with: to)
        for transfer in transfers where transfer.session == 0 && self.place(transfer.from, transfer.to) == place { open(transfer) }
    }

    /// Ends the session of two endpoints; all that is on its way is lost, and each end notices within `notice` milliseconds.
    ///
    /// - Returns: false when they have none.
    @discardableResult
    func close(_ one: Int, _ other: Int, notice: ClosedRange<Int>) -> Bool {
        let place = place(one, other)
        let newest = max(links[place].open.0, links[place].open.1)
        guard newest != 0 else { return false }
        links[place].dead = newest
        links[place].wasClosed = true
        for (end, peer) in [(one, other), (other, one)] where session(of: end, with: peer) != 0 {
            world.after(world.random.milliseconds(notice)) { [self] _ in lose(end, peer, newest) }
        }
        return true
    }

    private func lose(_ end: Int, _ peer: Int, _ dead: UInt64) {
        let open = session(of: end, with: peer)
        guard open != 0, open <= dead else { return }
        setSession(of: end, with: peer, 0)
        breakTransfers(of: world.endpoints[end], before: dead + 1, with: world.endpoints[peer])
        world.announceLoss(at: world.endpoints[end], of: world.endpoints[peer])
    }

    func changed(_ endpoint: SimulationEndpoint) {
        guard !endpoint.isUp else { return }
        for other in world.endpoints where other.index != endpoint.index {
            setSession(of: endpoint.index, with: other.index, 0)
            close(endpoint.index, other.index, notice: world.random.chance(300) ? 1_000...6_000 : 1...100)
        }
        for transfer in transfers where transfer.from == endpoint.index {
            end(transfer)
            world.after(world.random.milliseconds(1...500)) { $0.transferBroken(transfer) }
        }
    }

    // MARK: Transfers

    func begin(_ transfer: SimulationTransfer) {
        transfers.append(transfer)
        let (from, to) = (world.endpoints[transfer.from], world.endpoints[transfer.to])
        if session(of: from.index, with: to.index) != 0 { return open(transfer) }
        dial(from, to)
        world.after(.seconds(4)) { [self] world in
            guard transfer.session == 0, !transfer.isOver else { return }
            end(transfer)
            world.transferFailed(transfer)
        }
    }

    private func open(_ transfer: SimulationTransfer) {
        transfer.session = session(of: transfer.from, with: transfer.to)
        transfer.stream = transfer.number
        transfer.toBoot = world.endpoints[transfer.to].bootCount
        world.after(.zero) { [self] world in
            guard !transfer.isOver else { return }
            world.transferOpened(transfer)
            carry(transfer)
        }
    }

    private func carry(_ transfer: SimulationTransfer) {
        let pieceByteCount = min(16 << 10, transfer.bytes.count - transfer.arrived.count)
        var wait =
            world.random.milliseconds(world.links.latency)
            + world.links.duration(pieceByteCount, transfer.from, transfer.to, at: world.now)
        for (one, other) in [(transfer.from, transfer.to), (transfer.to, transfer.from)] {
            let blocked = world.links.blocked(one, other)
            if blocked > world.now { wait = max(wait, blocked - world.now + world.random.milliseconds(1...50)) }
        }
        world.after(wait) { [self] world in
            guard !transfer.isOver else { return }
            // Ends notice in their own time that nothing arrives any more.
            guard transfer.session > links[place(transfer.from, transfer.to)].dead else { return }
            let start = transfer.arrived.count
            transfer.arrived += transfer.bytes[start..<start + pieceByteCount]
            transfer.writtenByteCount = transfer.arrived.count
            transfer.isWhole = transfer.arrived.count == transfer.bytes.count
            world.transferAdvanced(transfer)
            if transfer.isWhole { acknowledge(transfer) } else { carry(transfer) }
        }
    }

    private func acknowledge(_ transfer: SimulationTransfer) {
        world.after(world.random.milliseconds(world.links.latency)) { [self] world in
            guard !transfer.isOver, transfer.session > links[place(transfer.from, transfer.to)].dead else { return }
            end(transfer)
            world.transferAcknowledged(transfer)
        }
    }

    private func end(_ transfer: SimulationTransfer) {
        transfer.isOver = true
        transfers.removeAll { $0 === transfer }
    }

    /// What one end learns when a session is gone.
    private func breakTransfers(of end: SimulationEndpoint, before session: UInt64, with peer: SimulationEndpoint) {
        for transfer in transfers where transfer.session != 0 && transfer.session < session {
            if transfer.from == end.index, transfer.to == peer.index {
                self.end(transfer)
                world.transferFailed(transfer)
                // The other end learns of it no later than by its own notice.
                world.after(world.random.milliseconds(1...500)) { $0.transferBroken(transfer) }
            } else if transfer.to == end.index, transfer.from == peer.index {
                world.transferBroken(transfer)
            }
        }
    }

    func cancel(_ transfer: SimulationTransfer) {
        guard !transfer.isOver else { return }
        end(transfer)
        world.after(world.random.milliseconds(1...20)) { $0.transferFailed(transfer) }
        world.after(world.random.milliseconds(1...20)) { $0.transferBroken(transfer) }
    }
}
