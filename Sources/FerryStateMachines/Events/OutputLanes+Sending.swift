internal import DequeModule
public import FerryCrypto
public import FerryWire

extension OutputLanes {
    // MARK: Moves

    /// Sends nothing from now on, not even a repeat: the daemon is fenced.
    public mutating func suspend() {
        credential = nil
        ready = []
        earliest = nil
        for slot in slots.values { slot.isReady = false }
    }

    /// Sends, first of all again what is unacknowledged: the daemon is active under the credential's epoch.
    public mutating func resume(under credential: LaneCredential) {
        self.credential = credential
        // Sorted, so that the order on the wire does not depend on how a dictionary hashes.
        for destination in slots.keys.sorted() {
            guard let slot = slots[destination] else { continue }
            slot.lane.speak(under: credential)
            makeReady(destination, slot)
        }
    }

    /// What a snapshot and a Release list, sorted by receiver.
    public var states: [OutputLaneState] {
        var states: [OutputLaneState] = []
        for destination in slots.keys.sorted() {
            guard let slot = slots[destination] else { continue }
            var waiting: [CausalEvent] = []
            for sequence in slot.waiting {
                if let index = index(of: sequence) { waiting.append(events[index]) }
            }
            states.append(
                OutputLaneState(subscriber: destination, acknowledged: slot.lane.acknowledged ?? 0, unacknowledged: waiting))
        }
        return states
    }

    /// Where the receivers are believed to be, as many as a snapshot takes, sorted by receiver.
    public var hints: [OwnerHint] {
        var hints: [OwnerHint] = []
        for destination in slots.keys.sorted() where hints.count < WireLimits.ownerHintCount {
            guard let belief = slots[destination]?.lane.belief, let node = belief.node else { continue }
            let address = belief.address.utf8.count <= WireLimits.hintAddressByteCount ? belief.address : ""
            hints.append(OwnerHint(daemon: destination, node: node, epoch: belief.epoch, address: address))
        }
        return hints
    }

    // MARK: Answers and time

    /// Takes in an answer of the receiver's owner.
    ///
    /// - Returns: what it changed, as an input for the daemon's move log; nil when it changed nothing that travels.
    public mutating func receive(
        _ answer: LaneMessage.Body, from destination: OriginHash, node: NodeKey, crypto: CryptoProvider, now: Timestamp
    ) -> CausalEvent? {
        guard credential != nil, let slot = slots[destination] else { return nil }
        let before = slot.lane.acknowledged
        slot.lane.receive(answer, from: node, crypto: crypto, now: now)
        // Whom the daemon has chosen itself may keep it waiting; who has chosen the daemon may not stop it for ever.
        let isRefusing = slot.lane.refusedFor >= limits.refusalTime && bindings.roster.contains(destination)
        if slot.lane.failure != nil || isRefusing { return end(destination) }
        makeReady(destination, slot)
        guard let cursor = slot.lane.acknowledged, cursor != before ?? 0 else { return nil }
        release(slot, through: cursor)
        let link = CausalLink(origin: destination, horizon: 0, sequence: cursor, parent: 0)
        return CausalEvent(link: link, payload: [], receivedAt: 0, content: .acknowledged)
    }

    /// The oldest message that is due, or nil.
    public mutating func nextTransmission(now: Timestamp) -> LaneTransmission? {
        guard credential != nil else { return nil }
        while let destination = ready.first {
            if let slot = slots[destination] {
                if let transmission = slot.lane.nextTransmission(now: now) {
                    slot.usedAt = now
                    return transmission
                }
                slot.isReady = false
                note(slot.lane.nextDeadline)
            }
            ready.removeFirst()
        }
        return nil
    }

    /// When ``deadlineReached(now:)`` wants to be called; at times earlier than a lane needs it.
    public var nextDeadline: Timestamp? { credential == nil ? nil : earliest }

    /// Repeats what is unanswered; early, late and repeated calls are harmless.
    ///
    /// - Returns: lanes that have ended since nobody owns the receiver, as inputs for the daemon's move log.
    public mutating func deadlineReached(now: Timestamp) -> [CausalEvent] {
        guard credential != nil, let deadline = earliest, deadline <= now else { return [] }
        earliest = nil
        var ended: [CausalEvent] = []
        for destination in slots.keys.sorted() {
            guard let slot = slots[destination] else { continue }
            slot.lane.deadlineReached(now: now)
            if slot.lane.failure != nil {
                ended.append(end(destination))
            } else {
                makeReady(destination, slot)
            }
        }
        return ended
    }

    /// A session with a node was established or lost: what was sent there is sent again.
    public mutating func sessionChanged(with node: NodeKey, now: Timestamp) {
        guard credential != nil else { return }
        for destination in slots.keys.sorted() {
            guard let slot = slots[destination] else { continue }
            slot.lane.sessionChanged(with: node, now: now)
            makeReady(destination, slot)
        }
    }

    /// Forgets lanes that wait for nothing and were last used before `time`; not while a move is on, whose two ends must agree.
    public mutating func reclaim(unusedSince time: Timestamp) {
        for (destination, slot) in slots where slot.waiting.isEmpty && (slot.usedAt ?? time) <= time && slot.lane.acknowledged != nil {
            slots[destination] = nil
        }
    }

    // MARK: Keeping

    mutating func append(_ output: CausalEvent, to destination: OriginHash) {
        let slot = slots[destination] ?? open(destination)
        slot.waiting.append(output.link.sequence)
        slot.lane.append(output)
        makeReady(destination, slot)
    }

    private mutating func open(_ destination: OriginHash) -> Slot {
        let slot = Slot(
            EmitterLane(outputsOf: daemon, to: destination, acknowledged: nil, belief: OwnerBelief(node: nil), limits: limits.lane))
        slot.lane.credential = credential
        slots[destination] = slot
        return slot
    }

    mutating func keep(_ output: CausalEvent, references: Int) {
        outputs.append(Record(sequence: output.link.sequence, byteCount: output.typedByteCount, references: references))
        events.append(output)
        outputByteCount += output.typedByteCount
        referenceCount += references
    }

    mutating func release(_ slot: Slot, through cursor: UInt64) {
        while let sequence = slot.waiting.first, sequence <= cursor {
            slot.waiting.removeFirst()
            drop(sequence)
        }
    }

    @discardableResult
    mutating func end(_ destination: OriginHash) -> CausalEvent {
        if let slot = slots.removeValue(forKey: destination) { release(slot, through: .max) }
        bindings.roster.removeAll(of: destination)
        bindingByteCount = (try? bindings.measured()) ?? bindingByteCount
        let link = CausalLink(origin: destination, horizon: 0, sequence: 0, parent: 0)
        return CausalEvent(link: link, payload: [], receivedAt: 0, content: .laneEnded)
    }

    private mutating func drop(_ sequence: UInt64) {
        guard let index = index(of: sequence) else { return }
        referenceCount -= 1
        outputs[index].references -= 1
        guard outputs[index].references == 0 else { return }
        outputByteCount -= outputs[index].byteCount
        goneCount += 1
        while let first = outputs.first, first.references == 0 {
            outputs.removeFirst()
            events.removeFirst()
            goneCount -= 1
        }
        if goneCount > 64, goneCount * 2 > outputs.count { compact() }
    }

    /// Removes what has gone behind an output that one receiver has not taken in for long, while the others have.
    private mutating func compact() {
        var keptOutputs: Deque<Record> = []
        var keptEvents: Deque<CausalEvent> = []
        for index in outputs.indices where outputs[index].references > 0 {
            keptOutputs.append(outputs[index])
            keptEvents.append(events[index])
        }
        outputs = keptOutputs
        events = keptEvents
        goneCount = 0
    }

    func index(of sequence: UInt64) -> Int? {
        var low = 0
        var high = outputs.count
        while low < high {
            let middle = (low + high) / 2
            if outputs[middle].sequence < sequence { low = middle + 1 } else { high = middle }
        }
        return low < outputs.count && outputs[low].sequence == sequence ? low : nil
    }

    private mutating func makeReady(_ destination: OriginHash, _ slot: Slot) {
        guard credential != nil else { return }
        note(slot.lane.nextDeadline)
        guard !slot.isReady else { return }
        slot.isReady = true
        ready.append(destination)
    }

    private mutating func note(_ deadline: Timestamp?) {
        guard let deadline else { return }
        earliest = min(earliest ?? deadline, deadline)
    }
}
