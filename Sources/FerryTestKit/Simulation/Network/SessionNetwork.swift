internal import FerryCrypto
internal import FerryStateMachines
internal import FerryWire

/// The shipping sessions over links that lose, repeat, reorder, alter and cut frames: every message and state goes through the real
/// handshake, packet protection, loss recovery and streams.
final class SessionNetwork: SimulationNetwork {
    unowned let world: SimulationWorld
    /// Every link that was ever opened, by its number less one; those that are closed keep no session.
    private var links: [SessionLinkPair] = []
    private var transfers: [SimulationTransfer] = []

    init(world: SimulationWorld) { self.world = world }

    // MARK: Links

    private func open(_ from: SimulationEndpoint, _ to: SimulationEndpoint) {
        let pair = SessionLinkPair(number: UInt64(links.count + 1), from: from, to: to)
        links.append(pair)
        guard let end = makeEnd(pair, of: from, role: .initiator(expecting: to.key), peer: to) else { return }
        pair.initiator = end
        world.say("\(from.name) dials \(to.name)")
        poll(end)
    }

    private func makeEnd(
        _ pair: SessionLinkPair, of endpoint: SimulationEndpoint, role: SessionConfiguration.Role, peer: SimulationEndpoint
    ) -> SessionEnd? {
        var configuration = SessionConfiguration(
            role: role,
            link: SessionLink(maximumFrameByteCount: 1_452, safeFrameByteCount: 1_200, isLossFree: false, isAddressSpoofable: true),
            hello: SessionHello(bootID: endpoint.boot, isDurable: false, compressorIDs: []))
        configuration.timing.handshakeTimeout = .seconds(4)
        configuration.timing.idleTimeout = OrderedNetwork.idleTimeout
        configuration.timing.keepAliveInterval = .seconds(2)
        // Small, so that a loaded link is felt as a full buffer.
        configuration.limits.maximumMessageByteCount = 64 << 10
        configuration.limits.messageSendBufferByteCount = 128 << 10
        configuration.limits.messageReceiveWindowByteCount = 128 << 10
        configuration.limits.streamWindowByteCount = 32 << 10
        configuration.limits.connectionWindowByteCount = 256 << 10
        do throws(SessionError) {
            let session = try SessionMachine(
                configuration, identity: endpoint.identity, crypto: world.crypto, now: world.clock(of: endpoint))
            return SessionEnd(session, pair: pair, endpoint: endpoint, peer: peer)
        } catch {
            world.violate("S8", "no session: \(error)")
            return nil
        }
    }

    /// The newest session that this endpoint has established with the other.
    private func established(_ from: Int, _ to: Int) -> SessionEnd? {
        for pair in links.reversed() {
            if let end = pair.end(of: from), end.peer.index == to, end.isEstablished, !end.isOver { return end }
        }
        return nil
    }

    private func isDialling(_ from: Int, _ to: Int) -> Bool {
        links.contains { $0.initiator.map { $0.endpoint.index == from && $0.peer.index == to && !$0.isEstablished && !$0.isOver } ?? false }
    }

    // MARK: What goes out

    func send(_ bytes: [UInt8], from: SimulationEndpoint, to: SimulationEndpoint) {
        guard let end = established(from.index, to.index) else {
            if !isDialling(from.index, to.index), to.isUp { open(from, to) }
            return
        }
        do throws(SessionError) {
            try end.session.sendMessage(bytes.rawSpan)
        } catch {
            // Losing a message is legal; a full buffer is why.
            if world.isFaulty { world.count(.fullBuffer) }
        }
        poll(end)
    }

    /// Takes everything that a session has to say, to its link and to the world.
    private func poll(_ end: SessionEnd) {
        takeEvents(of: end)
        var isMore = true
        while isMore {
            let now = world.clock(of: end.endpoint)
            let frame = [UInt8](rawCapacity: 1_500) { isMore = end.session.nextFrame(into: &$0, now: now) }
            if isMore { transmit(frame, from: end) }
        }
        takeEvents(of: end)
        arm(end)
    }

    private func arm(_ end: SessionEnd) {
        guard let deadline = end.session.nextDeadline, !end.isForgotten else { return }
        let time = max(deadline - end.endpoint.clockLead, world.now)
        guard time < end.armedAt else { return }
        end.armedAt = time
        world.push(
            at: time,
            .work(endpoint: end.endpoint.index, boot: end.boot) { [self] world in
                guard end.armedAt == time, !end.isForgotten else { return }
                end.armedAt = .distantFuture
                end.session.deadlineReached(now: world.clock(of: end.endpoint))
                poll(end)
            })
    }

    private func transmit(_ frame: [UInt8], from end: SessionEnd) {
        world.scan(frame)
        let (from, to) = (end.endpoint.index, end.peer.index)
        guard !end.pair.isCut, !world.links.isBlocked(from, to, at: world.now) else { return }
        if world.chance(world.settings.lossPermille / 3) { return world.count(.loss) }
        var frame = frame
        if world.strikes(.corruption, 10) { frame[world.random.below(frame.count)] ^= UInt8(1 + world.random.below(255)) }
        if world.strikes(.truncation, 10) { frame.removeLast(1 + world.random.below(frame.count - 1)) }
        let arrival = Arrival(from: from, to: to, session: end.pair.number, bytes: frame)
        world.push(after: delay(arrival), .arrival(arrival))
        if world.chance(world.settings.duplicationPermille / 2) {
            world.count(.duplication)
            world.push(after: delay(arrival) + world.random.milliseconds(0...100), .arrival(arrival))
        }
    }

    private func delay(_ arrival: Arrival) -> Duration {
        var base =
            Duration.milliseconds(world.links.latency.lowerBound)
            + world.links.duration(arrival.bytes.count, arrival.from, arrival.to, at: world.now)
        if world.strikes(.reordering, 40) { base += world.random.milliseconds(1...30) }
        if world.strikes(.delay, 10) { base += world.random.milliseconds(50...600) }
        if world.strikes(.burst, 4) { links[Int(arrival.session) - 1].heldUntil = world.now + world.random.milliseconds(50...300) }
        let held = links[Int(arrival.session) - 1].heldUntil
        return held > world.now ? base + (held - world.now) : base
    }

    // MARK: What comes in

    func arrive(_ arrival: Arrival) {
        let pair = links[Int(arrival.session) - 1]
        let to = world.endpoints[arrival.to]
        guard to.isUp, !pair.isCut else { return }
        if let sender = pair.end(of: arrival.from), sender.isForgotten, world.strikes(.delay, 400) {
            // What a process has sent before it crashed may arrive long after it has started again.
            return world.push(after: world.random.milliseconds(20...600), .arrival(arrival))
        }
        world.trace.record(world.now, 8, arrival.session << 8 | UInt64(arrival.to), xxh3(arrival.bytes.rawSpan))
        if pair.initiator?.endpoint === to {
            guard let end = pair.initiator else { return }
            return take(arrival.bytes, by: end)
        }
        if pair.responder == nil, pair.listener == to.index, !pair.wasAccepted {
            pair.wasAccepted = true
            pair.responder = makeEnd(pair, of: to, role: .responder(.anyNode), peer: world.endpoints[pair.dialler])
        }
        if let end = pair.responder { take(arrival.bytes, by: end) }
    }

    private func take(_ frame: [UInt8], by end: SessionEnd) {
        guard end.boot == end.endpoint.bootCount, !end.isForgotten else { return }
        end.session.receive(frame.rawSpan, now: world.clock(of: end.endpoint))
        poll(end)
    }

    private func takeEvents(of end: SessionEnd) {
        while let event = end.session.nextEvent() {
            switch event {
            case .established(let peer): established(end, peer)
            case .messagesReadable: readMessages(of: end)
            case .streamReadable(let stream), .streamOpened(let stream): read(stream, of: end)
            case .streamWritable(let stream): write(stream, of: end)
            case .streamFinished(let stream): finished(stream, of: end)
            case .streamReset(let stream, _): broke(stream, of: end)
            case .messagesWritable: break
            case .closed: closed(end)
            }
        }
    }

    private func established(_ end: SessionEnd, _ peer: PeerIdentity) {
        end.isEstablished = true
        end.peerIdentity = peer
        closeFormer(end, peer)
        if world.endpoints[end.peer.index].key != peer.nodeKey { world.violate("S7", "a session with another node than was dialled") }
        if end.pair.isReopening { world.count(.linkReopen) }
        end.pair.isReopening = false
        later(end) { $0.sessionEstablished(at: end.endpoint, with: peer) }
        for transfer in transfers where transfer.from == end.endpoint.index && transfer.to == end.peer.index {
            if transfer.session != 0 || transfer.isOver { continue }
            start(transfer, on: end)
        }
    }

    /// As hosts do: what a process has sent before it ended must not arrive after what the next one says.
    private func closeFormer(_ end: SessionEnd, _ peer: PeerIdentity) {
        for pair in links {
            guard let former = pair.end(of: end.endpoint.index), former !== end, former.peer === end.peer, former.isEstablished,
                !former.isOver, former.peerIdentity?.bootID != peer.bootID
            else { continue }
            former.session.close(SessionCloseReason(.normal, "the peer has started again"), now: world.clock(of: end.endpoint))
            poll(former)
        }
    }

    /// Machines are called one after the other, never from within a session.
    private func later(_ end: SessionEnd, _ body: @escaping (SimulationWorld) -> Void) {
        world.after(.zero, endpoint: end.endpoint.index, boot: end.boot, body)
    }

    private func readMessages(of end: SessionEnd) {
        guard let peer = end.peerIdentity else { return }
        var message: [UInt8] = []
        while end.session.receiveMessage(into: &message) {
            let bytes = message
            later(end) { $0.receive(bytes, from: peer, at: end.peer.index, to: end.endpoint) }
        }
    }

    private func closed(_ end: SessionEnd) {
        guard !end.isOver else { return }
        end.isOver = true
        for transfer in transfers where transfer.session == end.pair.number { fail(transfer, at: end) }
        guard end.isEstablished else { return }
        // Only the last session's end is a loss.
        if established(end.endpoint.index, end.peer.index) == nil {
            later(end) { $0.sessionLost(at: end.endpoint, with: end.peer) }
        }
    }

    // MARK: Faults

    /// Closes the link under the newest session of two endpoints: nothing arrives on it any more, and both ends are told.
    ///
    /// - Returns: false when there is none.
    func cut(_ one: Int, _ other: Int) -> Bool {
        guard let pair = (established(one, other) ?? established(other, one))?.pair, !pair.isCut else { return false }
        pair.isCut = true
        for end in [pair.initiator, pair.responder] {
            guard let end, !end.isOver else { continue }
            world.after(world.random.milliseconds(0...50), endpoint: end.endpoint.index, boot: end.boot) { [self] world in
                end.session.close(SessionCloseReason(.linkClosed, "the link was closed"), now: world.clock(of: end.endpoint))
                poll(end)
            }
        }
        let (from, to) = (world.endpoints[one], world.endpoints[other])
        world.after(world.random.milliseconds(60...500)) { [self] _ in
            guard from.isUp, to.isUp, established(one, other) == nil, !isDialling(one, other) else { return }
            open(from, to)
            links[links.count - 1].isReopening = true
        }
        return true
    }

    func changed(_ endpoint: SimulationEndpoint) {
        guard !endpoint.isUp else { return }
        for pair in links {
            for end in [pair.initiator, pair.responder] {
                guard let end, end.endpoint === endpoint else { continue }
                end.isForgotten = true
                end.isOver = true
            }
        }
        transfers.removeAll { $0.from == endpoint.index }
    }

    // MARK: Transfers

    func begin(_ transfer: SimulationTransfer) {
        transfers.append(transfer)
        if let end = established(transfer.from, transfer.to) { return start(transfer, on: end) }
        let (from, to) = (world.endpoints[transfer.from], world.endpoints[transfer.to])
        if !isDialling(from.index, to.index) { open(from, to) }
        world.after(.seconds(4)) { [self] world in
            guard transfer.session == 0, !transfer.isOver else { return }
            end(transfer)
            world.transferFailed(transfer)
        }
    }

    private func start(_ transfer: SimulationTransfer, on end: SessionEnd) {
        do throws(SessionError) {
            let stream = try end.session.openStream()
            transfer.session = end.pair.number
            transfer.stream = stream.rawValue
            transfer.toBoot = world.endpoints[transfer.to].bootCount
            later(end) { [self] world in
                guard !transfer.isOver else { return }
                world.transferOpened(transfer)
                write(stream, of: end)
                poll(end)
            }
        } catch {
            self.end(transfer)
            world.transferFailed(transfer)
        }
    }

    private func transfer(_ stream: StreamID, _ end: SessionEnd) -> SimulationTransfer? {
        transfers.first { $0.session == end.pair.number && $0.stream == stream.rawValue }
    }

    private func write(_ stream: StreamID, of end: SessionEnd) {
        guard let transfer = transfer(stream, end), transfer.from == end.endpoint.index, !transfer.isOver else { return }
        do throws(SessionError) {
            let rest = Array(transfer.bytes[transfer.writtenByteCount...])
            if !rest.isEmpty { transfer.writtenByteCount += try end.session.write(rest.rawSpan, to: stream) }
            if transfer.writtenByteCount == transfer.bytes.count, !transfer.isFinished {
                transfer.isFinished = true
                try end.session.finish(stream)
            }
        } catch {
            fail(transfer, at: end)
        }
    }

    private func read(_ stream: StreamID, of end: SessionEnd) {
        guard let transfer = transfer(stream, end), transfer.to == end.endpoint.index else { return }
        while true {
            var result = StreamReadResult.blocked
            do throws(SessionError) {
                let piece = try [UInt8](rawCapacity: 16 << 10) { (output) throws(SessionError) in
                    result = try end.session.read(from: stream, into: &output)
                }
                transfer.arrived += piece
            } catch {
                return
            }
            switch result {
            case .bytes: continue
            case .blocked: return world.transferAdvanced(transfer)
            case .finished:
                transfer.isWhole = true
                if transfer.arrived != transfer.bytes { world.violate("S2", "a state arrives with other bytes") }
                return world.transferAdvanced(transfer)
            case .reset: return world.transferBroken(transfer)
            }
        }
    }

    private func finished(_ stream: StreamID, of end: SessionEnd) {
        guard let transfer = transfer(stream, end), transfer.from == end.endpoint.index else { return }
        self.end(transfer)
        world.transferAcknowledged(transfer)
    }

    private func broke(_ stream: StreamID, of end: SessionEnd) {
        if let transfer = transfer(stream, end) { fail(transfer, at: end) }
    }

    private func fail(_ transfer: SimulationTransfer, at end: SessionEnd) {
        if transfer.from == end.endpoint.index {
            transfer.isOver = true
            world.transferFailed(transfer)
        } else {
            world.transferBroken(transfer)
        }
    }

    private func end(_ transfer: SimulationTransfer) {
        transfer.isOver = true
        transfers.removeAll { $0 === transfer && $0.isWhole }
    }

    func cancel(_ transfer: SimulationTransfer) {
        guard transfer.session != 0 else { return end(transfer) }
        transfer.isOver = true
        let pair = links[Int(transfer.session) - 1]
        for end in [pair.initiator, pair.responder] {
            guard let end, !end.isOver else { continue }
            later(end) { [self] _ in
                end.session.reset(StreamID(rawValue: transfer.stream), code: 0)
                poll(end)
            }
            return
        }
    }
}
