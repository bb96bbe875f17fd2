internal import CoreMetrics
internal import FerryCrypto
internal import FerryStateMachines
internal import FerryTransports
internal import FerryWire
internal import Logging

/// One daemon's half of the event plane: what it sends, and who may speak for those that send to it.
struct OutputPlane: ~Copyable {
    var lanes: OutputLanes
    var fence: EmitterFence
    /// What could not be sent at once; nothing overtakes it.
    var pending: LaneTransmission?
    /// Whether the carrier has taken over sending until nothing is left.
    var isCarrying = false
    var isRegistered = false
    var endedReceiverCount: UInt64 = 0
    var reclaimedAt = Timestamp.zero

    init(daemon: OriginHash, limits: OutputLimits) {
        lanes = OutputLanes(daemon: daemon, limits: limits)
        fence = EmitterFence()
    }

    init?(restoring snapshot: SnapshotHeader, limits: OutputLimits) {
        guard let lanes = OutputLanes(restoring: snapshot, limits: limits) else { return nil }
        self.lanes = lanes
        fence = EmitterFence(cursors: snapshot.cursors)
    }

    /// What a snapshot carries; more than it takes, so that the move is declined, if there are ever more subscriptions than it takes.
    var bindings: [UInt8] {
        (try? lanes.bindings.snapshotBytes()) ?? [UInt8](repeating: 0, count: WireLimits.bindingsByteCount + 1)
    }
}

// What a daemon takes in.
extension DaemonHost {
    /// Decides whether a message may speak for its emitter; nil when it may.
    ///
    /// - Parameter isNode: whether the emitter is the node that sent the message.
    func objection(to message: LaneMessage, from node: NodeKey, isNode: Bool) -> LaneMessage.Body? {
        // Who does not serve takes nothing in, so that it may answer anyone, and learns nothing that its next owner would not know.
        guard case .active = ownership.standing else { return nil }
        let verdict: EmitterFence.Verdict
        switch message.body {
        case .hello(let credential):
            verdict = plane.fence.admit(
                hello: credential, of: message.emitter, from: node, isNode: isNode, crypto: context.emitters.crypto)
        case .event(let event):
            verdict = plane.fence.admit(event: event.emitterEpoch, of: message.emitter, from: node, isNode: isNode)
        default:
            return nil
        }
        switch verdict {
        case .pass: return nil
        case .raised(let input):
            log(input)
            return nil
        case .unproven: return .unproven
        case .refused: return .violation
        }
    }

    /// Lets the daemon, or its host, take in an event; what it answers is in `outputs` and has no effect yet.
    ///
    /// - Returns: why the answer does not count, if it does not.
    func take(_ event: CausalEvent) -> (any Error)? {
        keepProof(of: event.link.origin)
        // Whatever comes of it: a copy starts from the lanes that have a cursor.
        horizon.insert(event.link.origin)
        switch plane.lanes.take(event) {
        case .daemon:
            if let failure = perform(event) { return failure }
            guard plane.lanes.admits(outputs.operations) else {
                return FerryError(.limitExceeded, "the outputs of one event exceed what travels with the daemon")
            }
            return nil
        case .host:
            outputs.reopen(link: event.link)
            return nil
        case .dropped:
            outputs.reopen(link: event.link)
            return FerryError(.limitExceeded, "nobody asked for the event, or there is no room for its subscription")
        }
    }

    /// Gives every operation its place in the chain and in the lanes.
    ///
    /// - Parameter epoch: under which observers are told; nil in a replay, which nobody is told of.
    func applyOutputs(at time: UInt64, epoch: Epoch?) {
        for operation in outputs.operations {
            guard let link = chain.next(payload: operation.payload, horizon: horizon.rawValue) else { break }
            plane.lanes.perform(operation, link: link, at: time)
            guard let epoch else { continue }
            let output = CausalEvent(link: link, payload: operation.payload, receivedAt: time, content: operation.content)
            for observer in context.observers { observer.daemon(origin, epoch: epoch, emitted: output) }
        }
    }

    /// Does what an input of the host did at the source, if it is one.
    ///
    /// - Throws: `.protocolViolation` when the log has brought more than any source keeps: a copy's memory is bounded by the wire's limits.
    func replayHostInput(_ input: CausalEvent) throws(FailureReason) -> Bool {
        switch input.content {
        case .acknowledged, .laneEnded:
            plane.lanes.replay(input)
            return true
        case .credential:
            guard plane.fence.replay(input) else {
                throw FailureReason(.protocolViolation, "the log proves the epochs of more emitters than there can be lanes")
            }
            return true
        case .data, .subscribe, .unsubscribe, .published:
            guard plane.lanes.canTravel else {
                throw FailureReason(.protocolViolation, "the log makes the copy keep more outputs than travel with a daemon")
            }
            return false
        }
    }

    /// What an emitter has proven travels from its first event on.
    private func keepProof(of emitter: OriginHash) {
        if let input = plane.fence.keep(emitter) { log(input) }
    }

    private func log(_ input: CausalEvent) {
        live?.append(input, outcome: InputOutcome(link: input.link, failure: nil).hash)
    }
}

// What it sends.
extension DaemonHost {
    /// Says nothing more, not even again what was said: the daemon has stopped here.
    func silence() {
        plane.lanes.suspend()
        plane.pending = nil
    }

    /// Sends on established sessions what is due, and has the carrier do the rest.
    func sendOutputs() {
        speakIfActive()
        guard !plane.lanes.isSuspended, !plane.isCarrying else { return }
        let now = context.emitters.clock.now
        if let transmission = transmit(now) {
            plane.pending = transmission
            plane.isCarrying = true
            carrier.work.signal()
        }
        if let deadline = plane.lanes.nextDeadline { carrier.arm(after: now, until: deadline) }
    }

    /// A key signs once per epoch, and only for a daemon that sends at all.
    private func speakIfActive() {
        guard plane.lanes.isSuspended, plane.lanes.laneCount > 0, case .active(let epoch) = ownership.standing, let keypair else { return }
        do {
            let credential = try LaneCredential(signing: keypair, epoch: epoch, node: context.emitters.ownKey)
            plane.lanes.resume(under: credential)
        } catch {
            context.logger.error("a daemon cannot prove its outputs", metadata: ["daemon": "\(origin)", "error": "\(error)"])
            return
        }
        if !plane.isRegistered { plane.isRegistered = context.emitters.carry(self) }
    }

    /// Sends until something takes waiting, dialling or this node's own daemons; that is returned.
    private func transmit(_ now: Timestamp) -> LaneTransmission? {
        var sessions: SessionTable?
        while let transmission = plane.pending.take() ?? plane.lanes.nextTransmission(now: now) {
            sessions = sessions ?? context.emitters.route?.sessions
            guard case .node(let key, _) = transmission.destination, key != context.emitters.ownKey,
                let session = sessions?.existing(key), session.trySend(.lane(transmission.message))
            else { return transmission }
        }
        return nil
    }

    /// Takes in what has arrived.
    ///
    /// - Returns: what the carrier has to send next; nil when nothing is due.
    func carrierStep() -> LaneTransmission? {
        takeIn(carrier.takeArrivals())
        speakIfActive()
        let now = context.emitters.clock.now
        guard !plane.lanes.isSuspended, let transmission = transmit(now) else {
            plane.isCarrying = false
            if let deadline = plane.lanes.nextDeadline { carrier.arm(after: now, until: deadline) }
            return nil
        }
        plane.isCarrying = true
        return transmission
    }

    private func takeIn(_ arrivals: OutputCarrier.Arrivals) {
        let now = context.emitters.clock.now
        let hadRoom = plane.lanes.hasRoom(forInputOfDaemon: false)
        for (answer, node) in arrivals.answers {
            let input = plane.lanes.receive(answer.body, from: answer.daemon, node: node, crypto: context.emitters.crypto, now: now)
            if let input { take(laneInput: input) }
        }
        for node in arrivals.changedSessions { plane.lanes.sessionChanged(with: node, now: now) }
        for input in plane.lanes.deadlineReached(now: now) { take(laneInput: input) }
        if !hadRoom, plane.lanes.hasRoom(forInputOfDaemon: false) { tellHeld() }
        // Both ends of a move must agree on the lanes, so none is forgotten meanwhile.
        if live == nil, case .active = ownership.standing, plane.reclaimedAt + .seconds(60) <= now {
            plane.lanes.reclaim(unusedSince: plane.reclaimedAt)
            plane.reclaimedAt = now
        }
    }

    private func take(laneInput input: CausalEvent) {
        log(input)
        guard input.content == .laneEnded else { return }
        plane.endedReceiverCount += 1
        context.metrics.failedDeliveries.increment()
        context.logger.warning(
            "outputs have no receiver any more", metadata: ["daemon": "\(origin)", "receiver": "\(input.link.origin)"])
    }

    /// Whether a message that waits for room is still to be sent.
    var isSpeaking: Bool { !plane.lanes.isSuspended }

    /// Carries what could not be sent at once, until the daemon has gone or the task is cancelled.
    nonisolated func carryOutputs(_ route: EmitterTable.Route) async {
        while !Task.isCancelled, !carrier.isClosed {
            let ticket = carrier.work.ticket
            guard let transmission = await carrierStep() else {
                await carrier.work.wait(after: ticket)
                continue
            }
            await carry(transmission, route)
        }
    }

    private nonisolated func carry(_ transmission: LaneTransmission, _ route: EmitterTable.Route) async {
        let ownKey = context.emitters.ownKey
        switch transmission.destination {
        case .node(ownKey, _):
            await route.deliverHere(transmission.message, from: ownKey)
        case .node(let key, let address):
            while let session = route.sessions.existing(key) {
                let ticket = session.messageRoomTicket
                guard await isSpeaking else { return }
                if session.trySend(.lane(transmission.message)) { return }
                do throws(CancellationError) {
                    try await session.waitForMessageRoom(after: ticket)
                } catch {
                    return
                }
            }
            route.sessions.dialInBackground(key, at: TransportAddress(address))
        case .everyone:
            for session in route.sessions.established { _ = session.trySend(.lane(transmission.message)) }
            route.sessions.dialKnownPeers()
            await route.deliverHere(transmission.message, from: ownKey)
        }
    }
}
