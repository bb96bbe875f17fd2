internal import FerryStateMachines
internal import FerryWire
internal import Logging
internal import Synchronization

extension NetMeshCore {
    /// Where an event goes.
    private enum Route: Sendable {
        case process
        case wait
        case ended(NetMeshDelivery)
        case refused(FailureReason)
    }

    /// Takes an event in: processed here, kept for the daemon's move, or sent after it; never dropped without an error.
    ///
    /// - Parameter isCounted: whether the caller's activity covers this.
    /// - Throws: `.daemonNotFound`, `.processFailed`, `.busy`, `.notReady`, `.shuttingDown`.
    func deliver(_ event: CausalEvent, to origin: OriginHash, isCounted: Bool = false) async throws(FerryError) -> NetMeshDelivery {
        try requireReady()
        try await admission.enter(origin)
        if !isCounted { activity.begin() }
        defer {
            admission.leave(origin)
            if !isCounted { activity.end() }
        }
        var isAdmitted = false
        var blocked: (host: NetMeshDaemonHost, ticket: UInt64)?
        while true {
            let step = progressed.ticket
            switch route(event, for: origin, isAdmitted: isAdmitted) {
            case .ended(let delivery):
                // It is sent again on silence, and nothing else may arm the timer for that.
                if case .forwarded = delivery { rearm() }
                return delivery
            case .wait:
                await pause(until: progressed, after: step)
                continue
            case .refused(let reason): throw FerryError(.busy, reason.netMeshDescription, cause: reason)
            case .process: break
            }
            // From here on the dispatcher has counted the event as seen; asked again, it would be a duplicate.
            isAdmitted = true
            // The dispatcher knows of a move's end before the daemon does.
            if let blocked { await pause(until: blocked.host.changed, after: blocked.ticket) }
            blocked = nil
            guard let host = registry.host(origin) ?? state.withLock({ $0.departures[origin] }) else {
                throw Self.notFound(origin)
            }
            let ticket = host.changed.ticket
            switch await host.deliver(event, registeredIn: registry) {
            case .processed(let outputs): return .processed(outputs: outputs)
            // Replaced or retired meanwhile: it is another host's, or goes another way.
            case .failed(let error) where error.code == .stale: break
            case .failed(let error): throw error
            // Out of the registry before it was released, so it is not found a second time.
            case .notServing(.gone): break
            case .notServing: blocked = (host, ticket)
            }
        }
    }

    /// Waits for others; whoever steps the node need not wait for this meanwhile.
    private func pause(until signal: Signal, after ticket: UInt64) async {
        activity.end()
        await signal.waitUninterrupted(after: ticket)
        activity.begin()
    }

    private func route(_ event: CausalEvent, for origin: OriginHash, isAdmitted: Bool) -> Route {
        consult { state, now in
            // What is captured now goes into one more batch; were there always one more, the move would never end.
            if state.isReplaying(origin) { return .wait }
            switch state.dispatcher.capture(event, for: origin, now: now) {
            case .captured: return .ended(.captured)
            case .forward(let node): return .ended(.forwarded(to: node))
            case .refused(let reason): return .refused(reason)
            case .notMoving: break
            }
            if isAdmitted { return .process }
            switch state.dispatcher.hold(event, for: origin, now: now) {
            case .notHere, .deliver: return .process
            case .held: return .ended(.held)
            case .duplicate: return .ended(state.arrivals[origin] == nil ? .duplicate : .held)
            case .refused(let reason): return .refused(reason)
            }
        }
    }

    /// Takes an event of a channel in for every member, one after the other.
    ///
    /// - Throws: the first refusal, after all members had their turn.
    func receive(
        _ event: CausalEvent, on channel: ChannelName, from publisher: UInt64, isCounted: Bool = false
    ) async throws(FerryError) {
        var first: FerryError?
        for origin in await memberships.members(of: channel, at: publisher) {
            do throws(FerryError) {
                _ = try await deliver(event, to: origin, isCounted: isCounted)
            } catch {
                logger.warning(
                    "an event of a channel was refused",
                    metadata: ["daemon": "\(origin)", "channel": "\(channel)", "error": "\(error.code)"])
                first = first ?? error
            }
        }
        if let first { throw first }
    }

    /// Subscribes a daemon: the publisher first, so that no ledger lists what nobody sends.
    ///
    /// - Throws: `.daemonNotFound`, `.daemonMoving`; what the carrier throws.
    func subscribe(_ origin: OriginHash, to entry: SubscriptionLedger.Entry) async throws {
        try requireReady()
        guard let host = registry.host(origin) else { throw Self.notFound(origin) }
        guard await host.standing == .serving else { throw Self.moving(origin) }
        try await memberships.join(entry, for: host)
        guard await host.record(entry) else {
            // Its move began meanwhile, and its snapshot does not know of the channel.
            try? await memberships.leave(publisher: entry.publisher, channel: entry.channel, for: host)
            throw Self.moving(origin)
        }
    }

    /// Unsubscribes a daemon; siblings keep their memberships.
    ///
    /// - Throws: `.daemonNotFound`, `.daemonMoving`; what the carrier throws.
    func unsubscribe(_ origin: OriginHash, from channel: ChannelName, at publisher: UInt64) async throws {
        try requireReady()
        guard let host = registry.host(origin) else { throw Self.notFound(origin) }
        guard await host.forget(publisher: publisher, channel: channel) else { throw Self.moving(origin) }
        try await memberships.leave(publisher: publisher, channel: channel, for: host)
    }

    static func notFound(_ origin: OriginHash) -> FerryError {
        FerryError(.daemonNotFound, "daemon \(origin) is not on this node")
    }

    static func moving(_ origin: OriginHash) -> FerryError { FerryError(.daemonMoving, "daemon \(origin) is moving") }
}

extension NetMeshCore.State {
    /// Whether the daemon's captured inputs are being replayed, batch by batch, on this node's order and from this node.
    fileprivate func isReplaying(_ origin: OriginHash) -> Bool {
        guard let move = moves[origin], move.retryAt == nil, move.order.source == dispatcher.localNode else { return false }
        return dispatcher.phase(of: origin) == .replay
    }
}
