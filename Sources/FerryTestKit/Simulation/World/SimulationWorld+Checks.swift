internal import Ferry
internal import FerryCrypto
internal import FerryStateMachines
internal import FerryWire

// The invariants of system.md §7, after every step and where their facts come up.
extension SimulationWorld {
    /// S1, after every step: one owner, or one node that may yet go on as one, and never both.
    func check() {
        for daemon in daemons {
            var owners = 0
            var heirs = 0
            for node in nodes {
                switch node.hosts[daemon.index]?.ownership.claim {
                case .owner: owners += 1
                case .heir: heirs += 1
                case nil, .nobody: break
                }
                if let host = node.standbys[daemon.index], host.isActive { owners += 1 }
            }
            if owners > 1 { violate("S1", "daemon \(daemon.index) has \(owners) owners") }
            if owners == 1, heirs > 0 { violate("S1", "daemon \(daemon.index) has an owner, and another node may still go on as one") }
            if heirs > 1 { violate("S1", "\(heirs) nodes may go on as daemon \(daemon.index)") }
            // Whatever crashed before, from here on it is there.
            if owners == 1 { daemon.mayBeLost = false }
        }
    }

    /// S8: no table is beyond its cap.
    func checkTables() {
        for node in nodes {
            let limits = settings.moveLimits
            if node.dispatcher.rememberedCount > limits.rememberedMoveCount {
                violate("S8", "\(node.endpoint.name) remembers more than \(limits.rememberedMoveCount) moves")
            }
            for role in MoveRole.allCases where node.dispatcher.unendedCount(as: role) > limits.movesPerRole {
                violate("S8", "\(node.endpoint.name) takes part in more than \(limits.movesPerRole) moves as \(role)")
            }
            for case let host? in node.hosts where host.ownership.sortedCursors.count > settings.ownershipLimits.laneCount {
                violate("S8", "daemon \(host.truth.index) has more lanes than \(settings.ownershipLimits.laneCount)")
            }
        }
    }

    /// S2 to S5: an event takes effect on its owner, and on the twin that never moves.
    ///
    /// - Returns: what the input did, as a move log keeps it.
    func take(_ event: CausalEvent, on host: SimulationHost, at node: SimulationNode) -> UInt64 {
        let truth = host.truth
        if !host.isActive || truth.owner != node.endpoint.index {
            violate("S1", "\(node.endpoint.name) processes an event of daemon \(truth.index), and is not its owner")
        }
        guard checkInput(event, of: truth) else {
            violate("S3", "an event that nobody offered is processed")
            return 0
        }
        truth.processedCount += 1
        guard isForDaemon(event, on: host) else { return outcome(event.link, false, []) }
        let input = withoutIdentity(event)
        var outputs = DaemonOutputs(lineage: truth.lineage, link: event.link)
        var twinOutputs = outputs
        let isFailed = Self.process(input, by: &host.daemon, into: &outputs)
        let isTwinFailed = Self.process(input, by: &truth.twin, into: &twinOutputs)
        stir(host, isFailed: isFailed)
        truth.noise = host.noise
        if isFailed { count(.failingCallback) }
        guard isFailed == isTwinFailed, outputs.emitted == twinOutputs.emitted else {
            violate("S5", "daemon \(truth.index) answers otherwise than its twin")
            return 0
        }
        let operations = isFailed ? [] : operations(in: event, answers(outputs.emitted, by: host))
        for operation in operations { perform(operation, by: host, at: event.receivedAt) }
        return outcome(event.link, isFailed, operations)
    }

    /// The same at a copy, without effects on anybody.
    func replay(_ event: CausalEvent, on host: SimulationHost) -> UInt64 {
        let truth = host.truth
        guard isForDaemon(event, on: host) else { return outcome(event.link, false, []) }
        var outputs = DaemonOutputs(lineage: truth.lineage, link: event.link)
        let isFailed = Self.process(withoutIdentity(event), by: &host.daemon, into: &outputs)
        stir(host, isFailed: isFailed)
        let operations = isFailed ? [] : operations(in: event, answers(outputs.emitted, by: host))
        for operation in operations {
            guard let link = host.chain.next(payload: operation.payload, horizon: 0) else { break }
            host.lanes.perform(operation, link: link, at: event.receivedAt)
        }
        return outcome(event.link, isFailed, operations)
    }

    /// A daemon that is not a function of its inputs: now and then its state differs from run to run. Without a digest it does not where
    /// it answers nothing either, since nobody could tell.
    private func stir(_ host: SimulationHost, isFailed: Bool) {
        guard host.truth.isNoisy, host.truth.hasDigest || !isFailed else { return }
        if random.chance(300) { host.noise = random.next() }
    }

    /// One without a digest shows it in what it answers.
    private func answers(_ emitted: [[UInt8]], by host: SimulationHost) -> [[UInt8]] {
        guard host.truth.isNoisy, !host.truth.hasDigest else { return emitted }
        let noise = host.noise
        return emitted + [[UInt8](rawCapacity: 8) { $0.append(littleEndian: noise) }]
    }

    private func outcome(_ link: CausalLink, _ isFailed: Bool, _ operations: [OutputOperation]) -> UInt64 {
        var outcome = InputOutcome(link: link, failure: isFailed ? "failed" : nil)
        for operation in operations {
            switch operation.kind {
            case .emit, .publish: outcome.output(operation.payload)
            case .deliver(let other), .subscribe(_, let other), .unsubscribe(_, let other): outcome.delivery(to: other, operation.payload)
            }
        }
        return outcome.hash
    }

    private static func process(_ event: CausalEvent, by daemon: inout any SimulatedDaemon, into outputs: inout DaemonOutputs) -> Bool {
        do {
            try daemon.process(event, into: &outputs)
            return outputs.failure != nil
        } catch {
            return true
        }
    }

    /// S3, S4: whether somebody has offered the event, and it is that one's next.
    private func checkInput(_ event: CausalEvent, of truth: DaemonTruth) -> Bool {
        guard let emitter = emitters.firstIndex(where: { $0.endpoint.origin == event.link.origin }) else {
            guard let sender = daemon(event.link.origin) else { return false }
            checkOutput(event, from: sender, to: truth)
            return true
        }
        guard event.payload.count >= SimulationEmitter.identityByteCount else { return false }
        let identity = event.payload.rawSpan
        checkOrder(
            truth, emitter, incarnation: identity.littleEndianUInt32(at: 0), ordinal: identity.littleEndianUInt32(at: 4),
            sequence: event.link.sequence)
        return true
    }

    /// What the daemon sees of an emitter's event.
    private func withoutIdentity(_ event: CausalEvent) -> CausalEvent {
        guard daemon(event.link.origin) == nil else { return event }
        var event = event
        event.payload.removeFirst(min(SimulationEmitter.identityByteCount, event.payload.count))
        return event
    }

    private func checkOrder(_ truth: DaemonTruth, _ emitter: Int, incarnation: UInt32, ordinal: UInt32, sequence: UInt64) {
        let lane = truth.lanes[emitter]
        let name = "event \(incarnation).\(ordinal) of emitter \(emitter) on daemon \(truth.index)"
        let isNext = incarnation == lane.incarnation ? ordinal == lane.ordinal + 1 : incarnation > lane.incarnation && ordinal == 1
        if !isNext {
            let isLate = incarnation < lane.incarnation || (incarnation == lane.incarnation && ordinal <= lane.ordinal)
            violate(isLate ? "S3" : "S4", "\(name) follows \(lane.incarnation).\(lane.ordinal)")
        }
        if sequence <= lane.sequence { violate("S4", "\(name) has sequence \(sequence), after \(lane.sequence)") }
        truth.lanes[emitter] = DaemonTruth.Lane(incarnation: incarnation, ordinal: ordinal, sequence: sequence)
    }

    /// S5: the chain goes on whoever owns the daemon.
    private func perform(_ operation: OutputOperation, by host: SimulationHost, at time: UInt64) {
        let payload = operation.payload
        guard let link = host.chain.next(payload: payload, horizon: 0) else { return }
        let truth = host.truth
        do {
            try truth.head.validateSuccessor(link, payload: truth.headPayload.rawSpan)
        } catch {
            violate("S5", "the chain of daemon \(truth.index) breaks: \(error)")
        }
        truth.head = link
        truth.headPayload = payload
        expect(operation, link, of: truth)
        host.lanes.perform(operation, link: link, at: time)
    }

    /// S2, S3: what an emitter takes for accepted has taken effect.
    func checkAccepted(_ lane: SimulationEmitter.Lane, of emitter: SimulationEmitter) {
        let truth = lane.daemon.lanes[emitter.index]
        let processed = truth.incarnation == lane.incarnation ? UInt64(truth.ordinal) : 0
        guard lane.machine.acceptedCount <= processed else {
            let accepted = lane.machine.acceptedCount
            return violate(
                "S2", "emitter \(emitter.index) holds \(accepted) events on daemon \(lane.daemon.index) for accepted, \(processed) are")
        }
        if let failure = lane.machine.failure {
            violate("S2", "the lane of emitter \(emitter.index) to daemon \(lane.daemon.index) failed: \(failure)")
        }
    }

    /// S1, S2, S5, S6: who becomes the owner is the only one, of a later epoch, and holds exactly what took effect.
    func activated(_ host: SimulationHost, on node: SimulationNode) {
        let truth = host.truth
        let epoch = host.ownership.epoch
        let isSame = epoch == truth.epoch && truth.owner == node.endpoint.index
        if epoch < truth.epoch || (epoch == truth.epoch && !isSame && host.isActive) {
            violate("S1", "daemon \(truth.index) is owned at epoch \(epoch) after \(truth.epoch)")
        }
        truth.epoch = epoch
        truth.owner = node.endpoint.index
        trace.record(now, 7, UInt64(truth.index), epoch.rawValue)
        check()
        checkState(host)
    }

    /// S2 to S5 on the whole state.
    func checkState(_ host: SimulationHost) {
        let truth = host.truth
        if host.wrong == .state { violate("S5", "a copy of daemon \(truth.index) that differs has become the owner") }
        for emitter in emitters {
            let cursor = host.ownership.cursor(of: emitter.endpoint.origin)
            let sequence = truth.lanes[emitter.index].sequence
            if cursor != sequence { violate("S2", "the owner of daemon \(truth.index) is at \(cursor) of \(sequence)") }
        }
        checkOutputs(host)
        if host.chain.head != truth.head { violate("S5", "the owner of daemon \(truth.index) has another chain head") }
        // One that throws has no state, and so must its twin.
        if (try? host.daemon.snapshot()) != (try? truth.twin.snapshot()) || host.noise != truth.noise {
            violate("S2", "daemon \(truth.index) differs from its twin")
        }
        if !host.keypair.canSign { violate("S6", "the owner of daemon \(truth.index) has lost its key") }
    }

    /// S1, S2, S5: what a node says as an owner, the one owner says, under its epoch, and of what took effect.
    func checkAnswer(_ body: LaneMessage.Body, to emitter: OriginHash, of origin: OriginHash, by node: SimulationNode) {
        guard let truth = daemon(origin) else { return }
        switch body {
        case .acknowledgement(let cursor, let epoch), .welcome(let cursor, let epoch), .gap(let cursor, let epoch):
            let name = "\(node.endpoint.name) answers for daemon \(truth.index)"
            if truth.owner != node.endpoint.index { violate("S1", "\(name), and is not its owner") }
            if epoch != truth.epoch { violate("S5", "\(name) under epoch \(epoch) instead of \(truth.epoch)") }
            let processed = processedSequence(of: emitter, on: truth)
            if cursor > processed { violate("S2", "\(name) that \(cursor) is processed, and \(processed) is") }
        default: break
        }
    }

    /// The last event of an emitter that took effect; 0 for none.
    private func processedSequence(of emitter: OriginHash, on truth: DaemonTruth) -> UInt64 {
        if let emitter = emitters.first(where: { $0.endpoint.origin == emitter }) { return truth.lanes[emitter.index].sequence }
        return daemon(emitter).map { truth.lastOutput(of: $0) } ?? 0
    }

    /// S6: a rollback leaves the source exactly as it was.
    func resumed(_ host: SimulationHost) {
        guard let frozen = host.frozen else { return }
        host.frozen = nil
        guard let facts = try? host.facts() else { return violate("S6", "daemon \(host.truth.index) has no state since it was fenced") }
        if facts.state != frozen.state || facts.cursors != frozen.cursors || facts.head != frozen.head || facts.outputs != frozen.outputs {
            violate("S6", "daemon \(host.truth.index) changed while it was fenced")
        }
        if facts.epoch < frozen.epoch { violate("S6", "daemon \(host.truth.index) fell back to epoch \(facts.epoch)") }
    }

    /// S9: the losing node keeps no key.
    func checkWiped(_ host: SimulationHost) {
        if host.keypair.canSign { violate("S9", "daemon \(host.truth.index) has moved, and its key is still here") }
    }
}
