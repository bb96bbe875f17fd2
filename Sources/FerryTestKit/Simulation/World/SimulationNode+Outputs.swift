internal import FerryCrypto
internal import FerryStateMachines
internal import FerryWire

// Daemons as emitters: what `DaemonHost+Outputs` does around the shipping lanes and fence.
extension SimulationNode {
    // MARK: What others send

    /// Decides whether a message may speak for its emitter; nil when it may.
    func objection(to message: LaneMessage, from sender: SimulationEndpoint, _ host: SimulationHost) -> LaneMessage.Body? {
        guard host.isActive else { return nil }
        let isNode = message.emitter == sender.origin
        let verdict: EmitterFence.Verdict
        switch message.body {
        case .hello(let credential):
            verdict = host.fence.admit(hello: credential, of: message.emitter, from: sender.key, isNode: isNode, crypto: world.crypto)
        case .event(let event):
            verdict = host.fence.admit(event: event.emitterEpoch, of: message.emitter, from: sender.key, isNode: isNode)
        default: return nil
        }
        switch verdict {
        case .pass: return nil
        case .raised(let input):
            log(input, of: host)
            return nil
        case .unproven: return .unproven
        case .refused: return .violation
        }
    }

    /// An input of the host, for the log of a daemon that moves.
    func log(_ input: CausalEvent, of host: SimulationHost) {
        log(input, InputOutcome(link: input.link, failure: nil).hash, of: host)
    }

    /// Does what an input of the host did at the source, if it is one.
    func replayHostInput(_ input: CausalEvent, on host: SimulationHost) -> Bool {
        switch input.content {
        case .acknowledged, .laneEnded: host.lanes.replay(input)
        case .credential: _ = host.fence.replay(input)
        case .data, .subscribe, .unsubscribe, .published: return false
        }
        return true
    }

    // MARK: What its daemons send

    /// Takes in what an owner answers to a daemon here.
    func takeAnswer(_ message: LaneMessage, from sender: SimulationEndpoint) {
        guard let daemon = world.daemon(message.emitter), let host = hosts[daemon.index] else { return }
        let hadRoom = host.lanes.hasRoom(forInputOfDaemon: false)
        if let input = host.lanes.receive(message.body, from: message.daemon, node: sender.key, crypto: world.crypto, now: now) {
            take(input, of: host)
        }
        if !hadRoom, host.lanes.hasRoom(forInputOfDaemon: false) { tellHeld(host) }
        sendOutputs(host)
    }

    private func take(_ input: CausalEvent, of host: SimulationHost) {
        world.checkAnswered(input, of: host.truth)
        log(input, of: host)
    }

    /// Repeats what is unanswered.
    func repeatOutputs() {
        for case let host? in hosts {
            for input in host.lanes.deadlineReached(now: now) { take(input, of: host) }
            sendOutputs(host)
        }
    }

    func sessionChanged(with node: NodeKey) {
        for case let host? in hosts {
            host.lanes.sessionChanged(with: node, now: now)
            sendOutputs(host)
        }
    }

    /// Sends what is due of a daemon that is active; one that has just become it shows who it is.
    func sendOutputs(_ host: SimulationHost) {
        guard host.isActive || world.has(.speakAfterFence) else { return }
        if host.lanes.isSuspended {
            guard host.lanes.laneCount > 0 else { return }
            do throws(CryptoFailure) {
                host.lanes.resume(under: try LaneCredential(signing: host.keypair, epoch: host.ownership.epoch, node: endpoint.key))
            } catch {
                return world.violate("S6", "daemon \(host.truth.index) cannot prove its outputs: \(error)")
            }
        }
        while let transmission = host.lanes.nextTransmission(now: now) {
            world.checkSpeaker(host, at: self)
            switch transmission.destination {
            case .node(let key, _):
                if let to = world.endpoint(of: key) { carry(transmission.message, to: to) }
            case .everyone: for node in world.nodes { carry(transmission.message, to: node.endpoint) }
            }
        }
        world.arm(endpoint, host.lanes.nextDeadline)
    }

    /// Sends to another node, or to a neighbour on this one, which takes a moment as well.
    func carry(_ message: LaneMessage, to other: SimulationEndpoint) {
        guard other === endpoint else { return world.send(.lane(message), from: endpoint, to: other) }
        later(.microseconds(100)) { $0.receive(message, from: $0.endpoint) }
    }
}
