public import FerryCrypto
public import FerryWire

extension EmitterLane {
    /// Takes in an answer on this lane.
    ///
    /// - Parameter node: the authenticated peer that sent it, or the own node.
    public mutating func receive(_ answer: LaneMessage.Body, from node: NodeKey, crypto: CryptoProvider, now: Timestamp) {
        guard failure == nil else { return }
        switch answer {
        case .welcome(let cursor, let epoch):
            guard believe(node, epoch) else { return }
            refuse(now)
            open(cursor: cursor, epoch: epoch, now: now)
        case .acknowledgement(let cursor, let epoch):
            _ = takeProgress(to: cursor, by: node, epoch, now: now)
        case .gap(let cursor, let epoch):
            // What was in flight behind an event that is held is answered so: sending it again before the hold is over would never end.
            guard takeProgress(to: cursor, by: node, epoch, now: now), phase == .open, !isProbing, rewoundAt != cursor else { return }
            rewoundAt = cursor
            sentCount = 0
        case .hold(_, let retryAfter):
            guard node == belief.node || phase == .discovering || belief.node == nil else { return }
            refuse(now)
            // A day is longer than every move and keeps the sum in range.
            let interval = min(Duration.nanoseconds(Int64(clamping: retryAfter)), .seconds(86_400))
            hold(until: now + min(max(interval, .milliseconds(1)), limits.retry.upperBound))
        case .moved(let moved):
            follow(moved, crypto: crypto)
        case .notHere:
            guard node == belief.node, phase != .discovering, defect != .discovery else { return }
            seek()
        case .violation:
            guard node == belief.node else { return }
            // Of a daemon's lane a hint of its former owner proves nothing: whom it names cannot end what the daemon has promised.
            guard chain != nil || belief.epoch > .none else {
                if phase != .discovering { seek() }
                return
            }
            fail(.violation, "the owner refuses the lane")
        case .unproven:
            // Everything in flight is answered alike; one hello answers them all.
            guard node == belief.node, phase == .open, credential != nil else { return }
            phase = .opening
            attemptCount = 0
            retryAt = nil
            rewind()
        case .hello, .event:
            return
        }
    }

    /// The owner says how far it is; a lane that is held goes on if that is news, and stays held if it is not.
    ///
    /// - Returns: whether the word counts.
    private mutating func takeProgress(to cursor: UInt64, by node: NodeKey, _ epoch: Epoch, now: Timestamp) -> Bool {
        let former = belief.epoch
        guard let known = acknowledged, believe(node, epoch) else { return false }
        var wasHeld = false
        if case .held = phase { wasHeld = true }
        acknowledge(cursor, epoch, now: now)
        if wasHeld, cursor > known || epoch > former { reopen() }
        return true
    }

    /// Silence between two answers counts for no more than the longest interval between repetitions: a partition is nobody's doing.
    private mutating func refuse(_ now: Timestamp) {
        guard !waiting.isEmpty else { return }
        if let refusedAt, refusedAt < now { refusedFor += min(now - refusedAt, limits.retry.upperBound) }
        refusedAt = now
    }

    private mutating func seek() {
        attemptCount = max(attemptCount, 1)
        phase = .discovering
        helloIsDue = true
        retryAt = nil
    }

    /// Whether an answer counts, taking over the pair that it proves when it is newer.
    private mutating func believe(_ node: NodeKey, _ epoch: Epoch) -> Bool {
        if defect == .staleAnswer { return true }
        if epoch > belief.epoch {
            // An acknowledgement that nobody asked for would let any peer take the lane over.
            guard node == belief.node || isAsking else { return false }
            // The address is a hint that came with the node; another node needs another one.
            let address = belief.node == node ? belief.address : ""
            belief = OwnerBelief(node: node, address: address, epoch: epoch)
            rewoundAt = nil
            sentCount = 0
            return true
        }
        guard epoch == belief.epoch, epoch > .none else { return false }
        return node == belief.node
    }

    private mutating func open(cursor: UInt64, epoch: Epoch, now: Timestamp) {
        silentSince = nil
        shownTo = belief.node
        if let acknowledged {
            guard cursor >= acknowledged || cursor >= lastSequence else {
                regress(to: cursor, epoch, now: now)
                return
            }
            acceptUnknown(cursor)
            acknowledge(cursor, epoch, now: now)
        } else if chain == nil {
            // What lies between it and the first output was never meant for this lane, or was acknowledged before the lane was forgotten.
            acknowledged = min(cursor, waiting.first.map { $0.link.sequence - 1 } ?? cursor)
            acknowledgedEpoch = epoch
            acceptUnknown(cursor)
            acknowledge(cursor, epoch, now: now)
        } else {
            acknowledged = cursor
            acknowledgedEpoch = epoch
            lastSequence = cursor
            if let chain, chain.head.sequence != cursor, chain.head.sequence < cursor {
                // A predecessor of this emitter went further: go on above what it had processed.
                let head = CausalLink(origin: emitter, horizon: 0, sequence: cursor, parent: 0)
                self.chain = ChainBuilder(head: head, headPayload: [])
            }
            number()
        }
        guard failure == nil else { return }
        regressionCount = 0
        if phase != .open { sentCount = 0 }
        phase = .open
        isProbing = false
        helloIsDue = false
        attemptCount = 0
        retryAt = nil
        if sentCount > 0 { arm(now) }
    }

    /// A daemon's lane that was forgotten while nothing waited goes on where the other daemon knows it to be.
    private mutating func acceptUnknown(_ cursor: UInt64) {
        guard chain == nil, cursor > lastSequence else { return }
        guard waiting.isEmpty else {
            fail(.violation, "the receiver has processed up to \(cursor), the daemon has sent \(lastSequence)")
            return
        }
        lastSequence = cursor
    }

    /// An owner says that it has processed less than was acknowledged before.
    private mutating func regress(to cursor: UInt64, _ epoch: Epoch, now: Timestamp) {
        guard let acknowledged, cursor < acknowledged else { return }
        // After a move it may not be known who had accepted so much: then one late answer is no proof, and repetition is.
        if epoch > acknowledgedEpoch, acknowledgedEpoch > .none { return loseAccepted(cursor, acknowledged) }
        // Of the same owner a welcome that an acknowledgement has overtaken says nothing new. Only while nobody answers otherwise does
        // it count, and then not more often than it is asked for.
        guard phase == .discovering, now >= (regressedAt ?? now) else { return }
        regressionCount += 1
        regressedAt = now + limits.retry.lowerBound
        retryAt = regressedAt
        if regressionCount >= limits.attemptsBeforeDiscovery { loseAccepted(cursor, acknowledged) }
    }

    private mutating func loseAccepted(_ cursor: UInt64, _ acknowledged: UInt64) {
        fail(.acceptedEventsLost, "the owner has processed up to \(cursor), an earlier one had accepted \(acknowledged)")
    }

    private mutating func acknowledge(_ cursor: UInt64, _ epoch: Epoch, now: Timestamp) {
        guard let known = acknowledged, cursor >= known, cursor <= lastSequence else { return }
        acknowledgedEpoch = epoch
        guard cursor > known else { return }
        refusedFor = .zero
        refusedAt = nil
        acknowledged = cursor
        regressionCount = 0
        isProbing = false
        isAsking = false
        while numberedCount > 0, let first = waiting.first, first.link.sequence <= cursor {
            waiting.removeFirst()
            waitingByteCount -= first.payload.count
            acceptedCount += 1
            silentSince = nil
            numberedCount -= 1
            sentCount = max(0, sentCount - 1)
        }
        attemptCount = 0
        retryAt = nil
        // An owner that acknowledges is found and awake, whatever the lane was waiting for.
        phase = .open
        if sentCount > 0 { arm(now) }
    }

    /// Whoever says so has proven nothing, so the belief stays what it is.
    private mutating func hold(until: Timestamp) {
        // Everything that was in flight is answered with a hold of its own; the first one counts.
        silentSince = nil
        if case .held = phase { return }
        phase = .held(until: until)
        attemptCount = 0
    }

    /// The owner that had everyone wait says that it serves: all that is unacknowledged goes out at once.
    private mutating func reopen() {
        guard failure == nil else { return }
        phase = .open
        isProbing = false
        sentCount = 0
        retryAt = nil
    }

    private mutating func follow(_ moved: Moved, crypto: CryptoProvider) {
        guard moved.daemon.originHash == daemon, moved.epoch > belief.epoch, HandOverProofs.isValid(moved, crypto: crypto) else { return }
        belief = OwnerBelief(
            node: defect == .beliefIsPair ? belief.node : moved.target, address: moved.targetAddress, epoch: moved.epoch)
        rewoundAt = nil
        attemptCount = 0
        silentSince = nil
        retryAt = nil
        // The new owner mostly serves a little later: one event asks for its answer, and a window would be refused one by one.
        isProbing = true
        isAsking = false
        phase = acknowledged == nil ? .opening : .open
        rewind()
    }
}
