internal import FerryStateMachines
internal import FerryTransports
internal import FerryWire
internal import Synchronization

extension SessionTable {
    /// Runs one session over `link` until it ends.
    func serve(_ link: some TransportLink, dial: Dial?, delegate: any SessionDelegate) async {
        if let batching = link as? any BatchingLink {
            await serve(batching: batching, dial: dial, delegate: delegate)
        } else {
            await serve(batching: SingleFrameLink(link: link), dial: dial, delegate: delegate)
        }
    }

    private func serve(batching link: some BatchingLink, dial: Dial?, delegate: any SessionDelegate) async {
        let core: SessionCore
        do throws(SessionError) {
            let session = try kind.makeSession(sessionConfiguration(for: link, dial), now: clock.now)
            core = SessionCore(session: session, mayLinger: !link.properties.isLossFree, clock: clock)
        } catch {
            if let dial { finish(dial, .failure(FerryError(error))) }
            return await link.close()
        }
        await withDiscardingTaskGroup { group in
            group.addTask { await core.run(over: link) }
            await converse(core, over: link, dial: dial, delegate: delegate)
        }
    }

    private func sessionConfiguration(for link: some TransportLink, _ dial: Dial?) -> SessionConfiguration {
        let properties = link.properties
        let role: SessionConfiguration.Role = dial.map { .initiator(expecting: $0.key) } ?? .responder(configuration.peers)
        var session = SessionConfiguration(
            role: role,
            link: SessionLink(
                maximumFrameByteCount: properties.maximumFrameByteCount, safeFrameByteCount: properties.safeFrameByteCount,
                isLossFree: properties.isLossFree, isAddressSpoofable: properties.isAddressSpoofable),
            hello: configuration.hello)
        session.limits = configuration.limits
        session.timing = configuration.timing
        session.timing.handshakeTimeout = min(configuration.timing.handshakeTimeout, configuration.dialTimeout)
        session.congestion = configuration.congestion
        let twoFrames = 2 * properties.maximumFrameByteCount
        session.congestion.initialWindowByteCount = max(configuration.congestion.initialWindowByteCount, twoFrames)
        session.congestion.burstByteCount = max(configuration.congestion.burstByteCount, properties.maximumFrameByteCount)
        return session
    }

    /// Follows a session from its handshake to its end: one call to the delegate at a time.
    private func converse(_ core: SessionCore, over link: some TransportLink, dial: Dial?, delegate: any SessionDelegate) async {
        guard let peer = await core.waitUntilEstablished() else {
            let reason = core.closeReason ?? SessionCloseReason(.linkClosed, "the link was closed")
            if let dial { await fail(dial, FerryError(reason), delegate) }
            return
        }
        (link as? any AddressValidating)?.addressValidated()
        let session = SessionDriver(core: core, peer: peer, remoteAddress: link.remoteAddress, isInitiator: dial != nil)
        add(session)
        if let dial { finish(dial, .success(session)) }
        emitters.sessionChanged(with: peer.nodeKey)
        await delegate.sessionEstablished(session)
        await deliverMessages(of: session, to: delegate)
        remove(session)
        emitters.sessionChanged(with: peer.nodeKey)
        let reason = core.closeReason ?? SessionCloseReason(.linkClosed, "the link was closed")
        await delegate.sessionClosed(session, reason: reason)
    }

    private func deliverMessages(of session: SessionDriver, to delegate: any SessionDelegate) async {
        var batch = MessageBatch()
        while await session.core.nextMessages(into: &batch) {
            var pace = BatchPace(clock.now)
            defer { delegate.batchReceived() }
            for index in 0..<batch.count {
                if pace.isDue(clock.now) { delegate.batchReceived() }
                let bytes = batch.messages[index]
                let message: PeerMessage
                do throws(WireError) {
                    message = try PeerMessage(decoding: bytes.rawSpan)
                } catch {
                    return session.close(SessionCloseReason(.protocolViolation, "malformed message: \(error.code)"))
                }
                if case .lane(let lane) = message, lane.isAnswer {
                    emitters.receive(lane, from: session.peer.nodeKey)
                } else {
                    await delegate.receive(message, from: session)
                }
            }
        }
    }

    private func add(_ session: SessionDriver) {
        let (key, boot) = (session.peer.nodeKey, session.peer.bootID)
        let (former, surplus) = state.withLock { state -> ([SessionDriver], SessionDriver?) in
            let former = (state.sessions[key] ?? []).filter { $0.peer.bootID != boot }
            state.sessions[key, default: []].append(session)
            let isSurplus = (state.sessions[key]?.count ?? 0) > configuration.maximumSessionCountPerPeer
            return (former, isSurplus ? state.sessions[key]?.removeFirst() : nil)
        }
        // What a process has sent before it ended must not arrive after what the next one says: an event of the first would be taken for
        // the successor of an event of the second.
        for session in former { session.close(SessionCloseReason(.normal, "the peer has started again")) }
        surplus?.close(SessionCloseReason(.normal, "too many sessions with this peer: a newer one replaces this one"))
    }

    private func remove(_ session: SessionDriver) {
        let key = session.peer.nodeKey
        state.withLock { state in
            state.sessions[key]?.removeAll { $0 === session }
            if state.sessions[key]?.isEmpty == true { state.sessions[key] = nil }
        }
    }
}

extension SessionCore {
    /// The peer once the handshake is complete; nil when the session ends before that.
    func waitUntilEstablished() async -> PeerIdentity? {
        while true {
            let ticket = phaseChanged.ticket
            let (peer, isClosed) = withSession { state, _ in (state.peer, state.closeReason != nil) }
            if peer != nil || isClosed { return peer }
            await phaseChanged.waitUninterrupted(after: ticket)
        }
    }

    /// Replaces the contents of `batch` with the next messages; false when the session is closed and every message was taken.
    func nextMessages(into batch: inout MessageBatch) async -> Bool {
        while true {
            let ticket = messagesReadable.ticket
            let isOpen: Bool? = withSession { state, _ in
                batch.fill(from: &state.session)
                if batch.count > 0 { return true }
                return state.closeReason == nil ? nil : false
            }
            if let isOpen { return isOpen }
            await messagesReadable.waitUninterrupted(after: ticket)
        }
    }
}

/// How long answers wait for those to the messages that came with theirs.
private struct BatchPace {
    private static let longestWait = Duration.milliseconds(1)
    private var since: Timestamp

    init(_ now: Timestamp) { since = now }

    mutating func isDue(_ now: Timestamp) -> Bool {
        guard now - since >= Self.longestWait else { return false }
        since = now
        return true
    }
}

/// A few messages that are taken under one lock, in buffers that are used again.
struct MessageBatch {
    /// The most messages taken at once.
    static let maximumCount = 32
    /// No further message is taken beyond this many bytes, and no larger buffer is kept.
    static let maximumByteCount = 65_536

    private(set) var messages = [[UInt8]](repeating: [], count: MessageBatch.maximumCount)
    private(set) var count = 0

    mutating func fill(from session: inout any PeerSession) {
        var byteCount = 0
        for index in 0..<count where messages[index].count > Self.maximumByteCount / Self.maximumCount { messages[index] = [] }
        count = 0
        while count < Self.maximumCount, byteCount < Self.maximumByteCount, session.receiveMessage(into: &messages[count]) {
            byteCount += messages[count].count
            count += 1
        }
    }
}

extension LaneMessage {
    /// Whether an owner says this to an emitter.
    var isAnswer: Bool {
        switch body {
        case .hello, .event: false
        case .welcome, .acknowledgement, .gap, .hold, .moved, .notHere, .violation, .unproven: true
        }
    }
}
