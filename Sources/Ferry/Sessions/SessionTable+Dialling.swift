internal import FerryStateMachines
package import FerryTransports
package import FerryWire
internal import Synchronization

/// One attempt to reach a peer; everybody who wants that peer meanwhile waits for the same one.
final class Dial: Sendable {
    let key: NodeKey
    let address: TransportAddress
    let finished = Signal()
    private let outcome = Mutex<Result<SessionDriver, FerryError>?>(nil)

    init(key: NodeKey, address: TransportAddress) {
        self.key = key
        self.address = address
    }

    var result: Result<SessionDriver, FerryError>? { outcome.withLock { $0 } }

    /// The first outcome stays.
    func finish(_ result: Result<SessionDriver, FerryError>) {
        outcome.withLock { if $0 == nil { $0 = result } }
        finished.signal()
    }
}

/// When a peer that could not be reached may be dialled in the background again.
struct Backoff: Sendable {
    var failure: FerryError
    var interval: Duration
    var notBefore: Timestamp
}

extension SessionTable {
    /// The newest session with `key`, dialled if there is none; calls for one peer share one dial.
    ///
    /// - Parameter address: where the peer listens; nil for a peer of the configuration, or one that has a session already.
    /// - Throws: `FerryError` with `.noAddress`, `.noTransport`, `.invalidEndpoint`, `.refused`, `.unreachable`, `.timedOut`, `.wrongPeer`,
    ///   `.notAdmitted`, `.tooManySessions`, `.sessionClosed`, `.notReady` or `.shuttingDown`; `CancellationError`, after which the dial
    ///   goes on for whoever else waits.
    package func session(to key: NodeKey, at address: TransportAddress? = nil) async throws -> SessionDriver {
        switch try prepare(key, address) {
        case .existing(let session): return session
        case .dial(let dial):
            while true {
                let ticket = dial.finished.ticket
                if let result = dial.result { return try result.get() }
                try await dial.finished.waitOrCancel(after: ticket)
            }
        }
    }

    /// Sends on the newest session with `key` without waiting; where there is none, dials in the background.
    ///
    /// - Returns: false when nothing was queued: no session yet, or no room. Every protocol message is retried, so that is legal.
    package func trySend(_ message: PeerMessage, to key: NodeKey, at address: TransportAddress? = nil) -> Bool {
        if let session = existing(key) { return session.trySend(message) }
        dialInBackground(key, at: address)
        return false
    }

    /// Starts a dial unless there is a session or a dial already, or the last failure is too recent.
    package func dialInBackground(_ key: NodeKey, at address: TransportAddress? = nil) {
        let now = clock.now
        let isTooEarly = state.withLock { $0.backoff[key].map { now < $0.notBefore } ?? false }
        if !isTooEarly { _ = try? prepare(key, address) }
    }

    /// Starts a background dial to every peer of the configuration that has no session.
    func dialKnownPeers() {
        for key in configuration.addresses.keys where existing(key) == nil { dialInBackground(key) }
    }

    private enum Preparation: Sendable {
        case existing(SessionDriver)
        case dial(Dial)
    }

    private func prepare(_ key: NodeKey, _ address: TransportAddress?) throws(FerryError) -> Preparation {
        let preparation = try state.withLock { (state: inout State) throws(FerryError) -> Preparation in
            if let session = state.newestSession(key) { return .existing(session) }
            if let dial = state.dials[key] { return .dial(dial) }
            switch state.phase {
            case .idle: throw FerryError(.notReady, "the node does not run yet")
            case .ended: throw FerryError(.shuttingDown, "the node has shut down")
            case .running: break
            }
            guard let address = address ?? configuration.addresses[key] else {
                throw FerryError(.noAddress, "no address of node \(key) is known")
            }
            guard state.linkCount < configuration.maximumSessionCount else {
                throw FerryError(.tooManySessions, "the node has \(state.linkCount) sessions, as many as it may")
            }
            let dial = Dial(key: key, address: address)
            state.dials[key] = dial
            state.linkCount += 1
            state.starts.append(.dial(dial))
            return .dial(dial)
        }
        work.signal()
        return preparation
    }

    /// Connects and serves until the session ends.
    func perform(_ dial: Dial, delegate: any SessionDelegate) async {
        guard let transport = transports.first(where: { $0.scheme == dial.address.scheme }) else {
            return await fail(dial, FerryError(.noTransport, "no transport for \(dial.address)"), delegate)
        }
        do throws(FerryError) {
            await serve(try await connect(transport, to: dial.address), dial: dial, delegate: delegate)
        } catch {
            await fail(dial, error, delegate)
        }
    }

    func fail(_ dial: Dial, _ error: FerryError, _ delegate: any SessionDelegate) async {
        finish(dial, .failure(error))
        await delegate.dialFailed(dial.key, error: error)
    }

    private func connect(_ transport: some Transport, to address: TransportAddress) async throws(FerryError) -> any TransportLink {
        let timeout = configuration.dialTimeout
        let result: Result<any TransportLink, FerryError> = await withTaskGroup { group in
            group.addTask { () -> Result<any TransportLink, FerryError> in
                do throws(TransportError) {
                    return .success(try await transport.connect(to: address))
                } catch {
                    return .failure(FerryError(error))
                }
            }
            group.addTask {
                try? await Task.sleep(for: timeout)
                return .failure(FerryError(.timedOut, "\(address) did not answer within \(timeout)"))
            }
            let first = await group.next()
            group.cancelAll()
            // A link that came too late belongs to nobody.
            while let late = await group.next() {
                if case .success(let link) = late { await link.close() }
            }
            return first ?? .failure(FerryError(.timedOut, "\(address) did not answer"))
        }
        return try result.get()
    }

    /// Tells everybody who waits, and remembers a failure for the background dials. The first outcome stays.
    func finish(_ dial: Dial, _ result: Result<SessionDriver, FerryError>) {
        let now = clock.now
        state.withLock { state in
            guard state.dials[dial.key] === dial else { return }
            state.dials[dial.key] = nil
            switch result {
            case .success: state.backoff[dial.key] = nil
            case .failure(let error): postpone(dial.key, error, &state, now)
            }
        }
        dial.finish(result)
    }

    /// Why the last dial to a peer failed; nil when it did not, or when there could have been another one since `start`.
    func lastFailure(of key: NodeKey, since start: Timestamp) -> FerryError? {
        state.withLock { state in state.backoff[key].flatMap { $0.notBefore >= start ? $0.failure : nil } }
    }

    private func postpone(_ key: NodeKey, _ failure: FerryError, _ state: inout State, _ now: Timestamp) {
        let bounds = configuration.dialBackoff
        let interval = state.backoff[key].map { min($0.interval + $0.interval, bounds.upperBound) } ?? bounds.lowerBound
        if state.backoff[key] == nil, state.backoff.count >= configuration.maximumBackoffCount {
            guard let stalest = state.backoff.min(by: { $0.value.notBefore < $1.value.notBefore }) else { return }
            state.backoff[stalest.key] = nil
        }
        state.backoff[key] = Backoff(failure: failure, interval: interval, notBefore: now + interval)
    }
}
