internal import FerryStateMachines
internal import FerryWire

// What daemons send each other, by themselves and on channels, and what must have become of it (S2 to S4, "outputs likewise").
extension SimulationWorld {
    private static let channel = ChannelName("news")

    /// What a daemon does in answer to an event, so that a replay does the same; what daemons send is not answered.
    func operations(in event: CausalEvent, _ answers: [[UInt8]]) -> [OutputOperation] {
        var operations = answers.map { OutputOperation(.emit, payload: $0) }
        guard settings.hasDeliveries, let channel = Self.channel, daemon(event.link.origin) == nil else { return operations }
        let draw = xxh3(event.payload.rawSpan)
        let payload = [UInt8](rawCapacity: 8) { $0.append(littleEndian: draw) }
        // Those that were there from the beginning: later ones are not there yet for every replay.
        let other = daemons[Int(draw >> 32) % settings.daemonCount].origin
        switch draw % 16 {
        case 0: operations.append(OutputOperation(.subscribe(channel, of: other)))
        case 1, 2: operations.append(OutputOperation(.publish(channel), payload: payload))
        case 3...7: operations.append(OutputOperation(.deliver(other), payload: payload))
        default: break
        }
        return operations
    }

    /// Whether the daemon sees the event, or its host alone.
    func isForDaemon(_ event: CausalEvent, on host: SimulationHost) -> Bool {
        switch host.lanes.take(event) {
        case .daemon: return true
        case .host: return false
        case .dropped:
            // A copy that has lost its bindings is found out by what it does.
            guard host.isActive || host.wrong != .bindings else { return false }
            violate("S2", "daemon \(host.truth.index) has subscribed to what it drops")
            return false
        }
    }

    /// Whom an output has to reach.
    func expect(_ operation: OutputOperation, _ link: CausalLink, of truth: DaemonTruth) {
        switch operation.kind {
        case .emit: break
        case .deliver(let other), .subscribe(_, let other), .unsubscribe(_, let other):
            if let other = daemon(other) { truth.expect(link.sequence, at: other.index) }
        case .publish: for subscriber in truth.subscribers { truth.expect(link.sequence, at: subscriber) }
        }
    }

    /// S3, S4: an output takes effect once, and those to one daemon in order.
    func checkOutput(_ event: CausalEvent, from sender: DaemonTruth, to truth: DaemonTruth) {
        let sequence = event.link.sequence
        if !sender.arrives(sequence, at: truth.index) {
            let isLate = sequence <= truth.lastOutput(of: sender)
            violate(isLate ? "S3" : "S4", "output \(sequence) of daemon \(sender.index) is not the next one to daemon \(truth.index)")
        }
        truth.processed(sequence, of: sender)
        outputCount += 1
        if case .subscribe = event.content { truth.subscribe(sender.index) }
    }

    /// S2: an owner keeps whatever has not taken effect yet, and knows what has.
    func checkOutputs(_ host: SimulationHost) {
        let truth = host.truth
        for sender in daemons where host.ownership.cursor(of: sender.origin) != truth.lastOutput(of: sender) {
            violate("S2", "the owner of daemon \(truth.index) is at another output of daemon \(sender.index) than was processed")
        }
        let lanes = host.lanes.states
        for receiver in daemons {
            let expected = truth.expected(at: receiver.index)
            guard !expected.isEmpty else { continue }
            let kept = lanes.first { $0.subscriber == receiver.origin }?.unacknowledged.map(\.link.sequence) ?? []
            if Array(kept.suffix(expected.count)) != expected {
                violate("S2", "the owner of daemon \(truth.index) keeps \(kept.count) outputs to \(receiver.index), \(expected.count) wait")
            }
        }
    }

    /// S1: nobody but the one owner sends anything of a daemon, not even again.
    func checkSpeaker(_ host: SimulationHost, at node: SimulationNode) {
        guard !host.isActive || host.truth.owner != node.endpoint.index else { return }
        violate("S1", "\(node.endpoint.name) sends outputs of daemon \(host.truth.index), and is not its owner")
    }

    /// S2: what a daemon takes for accepted has taken effect, and nobody is given up.
    func checkAnswered(_ input: CausalEvent, of truth: DaemonTruth) {
        guard let receiver = daemon(input.link.origin) else { return }
        switch input.content {
        case .acknowledged:
            guard input.link.sequence > receiver.lastOutput(of: truth) else { return }
            violate("S2", "daemon \(truth.index) holds output \(input.link.sequence) to daemon \(receiver.index) for accepted")
        case .laneEnded: violate("S2", "daemon \(truth.index) gives its outputs to daemon \(receiver.index) up")
        default: break
        }
    }

    /// Whether something that a daemon which lives has sent to another that does is on its way.
    var areOutputsOnTheirWay: Bool {
        daemons.contains { sender in
            sender.hasExpectedOutputs && holder(of: sender) != nil
                && daemons.contains { !sender.expected(at: $0.index).isEmpty && holder(of: $0) != nil }
        }
    }
}
