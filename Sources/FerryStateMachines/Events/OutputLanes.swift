internal import DequeModule
public import FerryWire

/// A daemon's outputs to other daemons: one lane each, kept until acknowledged, and part of the daemon wherever it goes.
///
/// States (system.md §3, §4):
/// ```
/// init ──────▶ suspended ──resume(credential)──▶ speaking
/// restoring ─▶ suspended ◀──────suspend──────────┘
/// ```
/// While suspended (before the activation, from the fence on) outputs are taken in and kept, and nothing is sent, not even a repeat. Every
/// `resume` sends what is unacknowledged again, with the original links, under the new credential.
///
/// What the lanes hold is a function of the inputs and of what receivers acknowledged, in order. So that a copy that replays the daemon's
/// move log holds the same, acknowledgements and ended lanes are inputs too: ``receive(_:from:node:crypto:now:)`` and
/// ``deadlineReached(now:)`` return them for the log, ``replay(_:)`` takes them in.
///
/// The pull contract: after **any** mutating call, call ``nextTransmission(now:)`` until it returns nil, then wait for ``nextDeadline``.
///
/// Invalid input. Our bug: none stops the process; what exceeds the limits is refused by ``admits(_:)`` before anything changes. The peer's
/// fault: an answer that breaks a lane's rules ends that lane. Harmless: answers on lanes that are not there.
public struct OutputLanes: ~Copyable {
    final class Slot {
        var lane: EmitterLane
        /// Sequences that wait on this lane, in order.
        var waiting: Deque<UInt64> = []
        var isReady = false
        /// When the lane last had something to send.
        var usedAt: Timestamp?

        init(_ lane: consuming EmitterLane) { self.lane = lane }
    }

    struct Record {
        var sequence: UInt64
        var byteCount: Int
        var references: Int
    }

    /// Whose outputs they are.
    public let daemon: OriginHash
    /// What the daemon subscribes to, and who subscribes to it.
    public internal(set) var bindings: DaemonBindings
    let limits: OutputLimits
    var slots: [OriginHash: Slot] = [:]
    /// Every output that some lane keeps, once, by sequence.
    var outputs: Deque<Record> = []
    /// Events of these outputs, in the same order.
    var events: Deque<CausalEvent> = []
    var outputByteCount = 0
    /// Records that no lane waits for any more, but one before them is waited for.
    var goneCount = 0
    var referenceCount = 0
    /// Bytes of the bindings as a snapshot carries them.
    var bindingByteCount = DaemonBindings.emptyByteCount
    var ready: Deque<OriginHash> = []
    var earliest: Timestamp?
    var credential: LaneCredential?

    /// No output, no subscription; suspended.
    public init(daemon: OriginHash, limits: OutputLimits = .init()) {
        self.daemon = daemon
        self.limits = limits
        bindings = DaemonBindings()
    }

    /// Goes on with what a snapshot lists; suspended.
    ///
    /// - Returns: nil when the bindings are malformed or there are more lanes than the cap, those of subscribers included.
    public init?(restoring snapshot: SnapshotHeader, limits: OutputLimits = .init()) {
        guard let bindings = try? DaemonBindings(snapshotBytes: snapshot.bindings), let bindingByteCount = try? bindings.measured(),
            Self.lanes(of: bindings, besides: Set(snapshot.outputLanes.map(\.subscriber))) <= limits.laneCount
        else { return nil }
        daemon = snapshot.entity.originHash
        self.limits = limits
        self.bindings = bindings
        self.bindingByteCount = bindingByteCount
        var hints: [OriginHash: OwnerHint] = [:]
        for hint in snapshot.ownerHints { hints[hint.daemon] = hint }
        var kept: [UInt64: (output: CausalEvent, references: Int)] = [:]
        for state in snapshot.outputLanes {
            let hint = hints[state.subscriber]
            // A hint may be forged by a former owner: its epoch is not believed, only its node is asked first.
            let belief = OwnerBelief(node: hint?.node, address: hint?.address ?? "")
            let slot = Slot(
                EmitterLane(
                    outputsOf: daemon, to: state.subscriber, acknowledged: state.acknowledged, belief: belief, limits: limits.lane))
            slots[state.subscriber] = slot
            for output in state.unacknowledged {
                kept[output.link.sequence, default: (output, 0)].references += 1
                slot.lane.append(output)
                slot.waiting.append(output.link.sequence)
            }
        }
        for (output, references) in kept.values.sorted(by: { $0.output.link.sequence < $1.output.link.sequence }) {
            keep(output, references: references)
        }
    }

    // MARK: What waits

    /// Whether nothing is sent.
    public var isSuspended: Bool { credential == nil }

    /// Lanes that are kept.
    public var laneCount: Int { slots.count }

    /// Outputs that wait for their acknowledgement, counted once per receiver.
    public var waitingCount: Int { referenceCount }

    /// Outputs that are kept, waited for or not: memory, and bounded by twice what waits.
    package var keptCount: Int { outputs.count }

    /// Whether the daemon may take in another input.
    ///
    /// - Parameter isDaemon: whether the input comes from a daemon; see ``OutputLimits/windowByteCount``.
    public func hasRoom(forInputOfDaemon isDaemon: Bool) -> Bool {
        let factor = isDaemon ? 2 : 1
        return outputByteCount <= factor * limits.windowByteCount && referenceCount <= factor * limits.windowOutputCount
    }

    /// Whether what is kept could travel: so it is at every source that heeds ``hasRoom(forInputOfDaemon:)``, whatever its own limits are.
    public var canTravel: Bool {
        outputByteCount <= WireLimits.unacknowledgedByteCount && referenceCount <= WireLimits.unacknowledgedOutputCount
    }

    /// Whether one answer stays within the limits; otherwise it counts as a throw, and nothing of it is performed.
    public func admits(_ operations: [OutputOperation]) -> Bool {
        var byteCount = 0
        var count = 0
        var bindings = bindingByteCount
        var newLanes: Set<OriginHash> = []
        func address(_ destination: OriginHash) {
            count += 1
            if slots[destination] == nil, !self.bindings.roster.contains(destination) { newLanes.insert(destination) }
        }
        for operation in operations {
            switch operation.kind {
            case .emit: continue
            case .deliver(let destination): address(destination)
            case .subscribe(let channel, let publisher):
                bindings += Self.ledgerByteCount(channel)
                address(publisher)
            case .unsubscribe(_, let publisher): address(publisher)
            case .publish(let channel):
                for subscriber in self.bindings.roster.subscribers(of: channel) { address(subscriber) }
            }
            byteCount += 44 + operation.content.encodedByteCount + operation.payload.count
        }
        return byteCount <= limits.answerByteCount && count <= limits.answerOutputCount && bindings <= WireLimits.bindingsByteCount
            && (newLanes.isEmpty || reservedLaneCount + newLanes.count <= limits.laneCount)
    }

    /// Lanes that there are, and those that a publication would open: every subscriber has one for sure, so that none makes it fail.
    private var reservedLaneCount: Int { slots.count + bindings.roster.subscriberCount { slots[$0] == nil } }

    private static func lanes(of bindings: DaemonBindings, besides lanes: Set<OriginHash>) -> Int {
        lanes.count + bindings.roster.subscriberCount { !lanes.contains($0) }
    }

    // MARK: Outputs

    /// Takes an operation into the lanes that it concerns; ``admits(_:)`` was asked before.
    ///
    /// - Parameters:
    ///   - link: of the daemon's chain; every operation takes one.
    ///   - time: when the input was taken in.
    public mutating func perform(_ operation: OutputOperation, link: CausalLink, at time: UInt64) {
        let output = CausalEvent(link: link, payload: operation.payload, receivedAt: time, content: operation.content)
        switch operation.kind {
        case .emit: return
        case .deliver(let destination):
            keep(output, references: 1)
            append(output, to: destination)
        case .publish(let channel):
            let subscribers = bindings.roster.subscribers(of: channel)
            if subscribers.isEmpty { return }
            keep(output, references: subscribers.count)
            for subscriber in subscribers { append(output, to: subscriber) }
        case .subscribe(let channel, let publisher):
            let entry = SubscriptionLedger.Entry(publisher: publisher.rawValue, channel: channel)
            if !bindings.ledger.contains(publisher: publisher.rawValue, channel: channel) {
                bindingByteCount += Self.ledgerByteCount(channel)
            }
            bindings.ledger.record(entry)
            keep(output, references: 1)
            append(output, to: publisher)
        case .unsubscribe(let channel, let publisher):
            if bindings.ledger.contains(publisher: publisher.rawValue, channel: channel) {
                bindingByteCount -= Self.ledgerByteCount(channel)
            }
            bindings.ledger.forget(publisher: publisher.rawValue, channel: channel)
            keep(output, references: 1)
            append(output, to: publisher)
        }
    }

    /// Looks at an input before the daemon does: subscriptions are the host's, what is published is the daemon's if it subscribed.
    public mutating func take(_ input: CausalEvent) -> InputRoute {
        let emitter = input.link.origin
        switch input.content {
        case .data: return .daemon
        case .published(let channel):
            return bindings.ledger.contains(publisher: emitter.rawValue, channel: channel) ? .daemon : .dropped
        case .subscribe(let channel):
            if bindings.roster.contains(emitter, on: channel) { return .host }
            guard bindingByteCount + Self.rosterByteCount(channel) <= WireLimits.bindingsByteCount else { return .dropped }
            let hasLane = slots[emitter] != nil || bindings.roster.contains(emitter)
            guard hasLane || reservedLaneCount < limits.laneCount else { return .dropped }
            bindingByteCount += Self.rosterByteCount(channel)
            bindings.roster.insert(emitter, on: channel)
            return .host
        case .unsubscribe(let channel):
            if bindings.roster.contains(emitter, on: channel) { bindingByteCount -= Self.rosterByteCount(channel) }
            bindings.roster.remove(emitter, from: channel)
            return .host
        case .acknowledged, .laneEnded:
            replay(input)
            return .host
        case .credential: return .host
        }
    }

    /// Does what an acknowledgement or the end of a lane did at the source.
    public mutating func replay(_ input: CausalEvent) {
        guard let slot = slots[input.link.origin] else { return }
        switch input.content {
        case .acknowledged:
            slot.lane.acknowledgedElsewhere(input.link.sequence)
            release(slot, through: input.link.sequence)
        case .laneEnded: end(input.link.origin)
        default: return
        }
    }

    private static func ledgerByteCount(_ channel: ChannelName) -> Int { 8 + 2 + channel.utf8.count + 1 }
    private static func rosterByteCount(_ channel: ChannelName) -> Int { 2 + channel.utf8.count + 8 }
}
