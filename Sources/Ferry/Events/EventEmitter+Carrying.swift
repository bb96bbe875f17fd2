internal import FerryStateMachines
internal import FerryTransports
internal import FerryWire
internal import Synchronization

extension EventEmitter {
    /// Sends on an established session what the lane wants sent, without waiting and in order.
    ///
    /// - Returns: false when something is left that takes waiting, dialling or the own node's daemons: `run` carries that.
    func transmit(_ state: inout State, _ now: Timestamp) -> Bool {
        guard state.failure == nil else { return true }
        while let transmission = state.pending.take() ?? state.lane.nextTransmission(now: now) {
            guard case .node(let key, _) = transmission.destination, key != table.ownKey,
                let session = table.route?.sessions.existing(key)
            else {
                state.pending = transmission
                return false
            }
            let refused = session.trySend(.lane(transmission.message)) {
                guard let next = state.lane.nextTransmission(now: now) else { return nil }
                guard next.destination == transmission.destination else {
                    state.pending = next
                    return nil
                }
                return .lane(next.message)
            }
            if case .lane(let message) = refused {
                state.pending = transmission
                state.pending?.message = message
                return false
            }
        }
        return true
    }

    /// Carries what `transmit` could not, until the emitter has ended or the task is cancelled.
    func run() async {
        while !Task.isCancelled {
            let ticket = carryRequested.ticket
            switch next() {
            case .carry(let transmission, let route): await carry(transmission, route)
            case .wait: await carryRequested.wait(after: ticket)
            case .end: return
            }
        }
    }

    private enum Step: Sendable {
        case carry(LaneTransmission, EmitterTable.Route)
        case wait
        case end
    }

    private func next() -> Step {
        let now = table.clock.now
        guard let route = table.route else { return .end }
        return state.withLock { state in
            guard state.failure == nil else { return .end }
            guard let transmission = state.pending.take() ?? state.lane.nextTransmission(now: now) else {
                state.isCarrying = false
                return .wait
            }
            state.isCarrying = true
            return .carry(transmission, route)
        }
    }

    private func carry(_ transmission: LaneTransmission, _ route: EmitterTable.Route) async {
        switch transmission.destination {
        case .node(table.ownKey, _):
            await route.deliverHere(transmission.message, from: table.ownKey)
        case .node(let key, let address):
            await send(transmission.message, to: key, at: TransportAddress(address), route.sessions)
        case .everyone:
            for session in route.sessions.established { _ = session.trySend(.lane(transmission.message)) }
            route.sessions.dialKnownPeers()
            await route.deliverHere(transmission.message, from: table.ownKey)
        }
    }

    /// Waits for room where there is a session; else dials, and leaves the message to the lane, which sends again once there is one.
    private func send(_ message: LaneMessage, to key: NodeKey, at address: TransportAddress?, _ sessions: SessionTable) async {
        while let session = sessions.existing(key) {
            let ticket = session.messageRoomTicket
            if session.trySend(.lane(message)) { return }
            do throws(CancellationError) {
                try await session.waitForMessageRoom(after: ticket)
            } catch {
                return
            }
        }
        sessions.dialInBackground(key, at: address)
    }
}
