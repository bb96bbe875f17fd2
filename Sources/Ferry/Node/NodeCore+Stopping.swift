internal import FerryCrypto
internal import FerryStateMachines
internal import FerryTransports
internal import FerryWire
internal import Logging
internal import Synchronization

// How a node that was asked to stop comes to its end.
extension NodeCore {
    /// How long a graceful shutdown waits for moves under way.
    static let drainTimeout = Duration.seconds(10)
    /// How long operators may take to read the last answers.
    private static let answerTimeout = Duration.seconds(2)

    /// Ends the scope of a node that was asked to stop; nobody else sees it.
    struct Stopped: Error {}

    /// Waits for the wish to stop, then for the moves under way, then ends the scope.
    ///
    /// - Throws: `Stopped`; `.shuttingDown` when a daemon that had taken before the wish has nowhere else to be.
    func stopWhenAsked() async throws {
        while true {
            let ticket = phaseChanged.ticket
            if phase >= .shuttingDown { break }
            try await phaseChanged.waitOrCancel(after: ticket)
        }
        await moves.refuseOrders()
        await moves.refuseArrivals()
        try await wait(for: Self.drainTimeout, on: moves.progressed) { await self.moves.isSettled }
        let stranded = await moves.stranded
        // Whoever waits for a move that has not ended is told before the operator's socket closes.
        await moves.shutDown()
        try await wait(for: Self.answerTimeout, on: answers.changed) { self.answers.isEmpty }
        guard stranded.isEmpty else { throw report(stranded) }
        throw Stopped()
    }

    /// Takes in no daemon from here on, and waits for those that have taken, as long as a shutdown would.
    func refuseArrivals() async throws {
        let arriving = await moves.refuseArrivals()
        try await wait(for: Self.drainTimeout, on: moves.progressed) { await self.moves.isWaiting(for: arriving) == false }
    }

    /// Waits until a condition holds, which `signal` may change, or the time is over.
    private func wait(for duration: Duration, on signal: Signal, until condition: () async -> Bool) async throws {
        let now = clock.now
        let timer = LinkTimer { signal.signal() }
        defer { timer.cancel() }
        timer.arm(after: now, until: now + duration)
        while true {
            let ticket = signal.ticket
            guard await !condition(), clock.now < now + duration else { return }
            try await signal.waitOrCancel(after: ticket)
        }
    }

    /// Names the daemons that came in too late to be refused and too late to be moved on.
    private func report(_ stranded: [EntityID]) -> FerryError {
        for daemon in stranded {
            composition.logger.error("a daemon that came in while the node shut down ends with it", metadata: ["daemon": "\(daemon)"])
            let error = FerryError(.shuttingDown, "the daemon came in while the node shut down, and ends with it")
            for observer in composition.observers { observer.daemonFailed(daemon.originHash, error: error) }
        }
        let names = stranded.map { "\($0.originHash)" }.joined(separator: ", ")
        return FerryError(.shuttingDown, "daemons came in while the node shut down, and ended with it: \(names)")
    }
}

extension MoveInterpreter {
    private static let closing = FailureReason(.notReady, "the node shuts down")

    /// Begins nothing more that other nodes order.
    func refuseOrders() { dispatcher.refuseForeignOrders(Self.closing) }

    /// Turns away whatever has not taken, now and later.
    ///
    /// - Returns: the daemons that have taken and are not the node's yet.
    @discardableResult
    func refuseArrivals() async -> [EntityID] {
        dispatcher.refuseArrivals(Self.closing, now: core.now, wallClock: WallClock.nanoseconds)
        let arriving = dispatcher.unacknowledgedTakes
        await drain()
        return arriving
    }

    func isWaiting(for daemons: [EntityID]) -> Bool {
        guard !isDraining else { return true }
        let waiting = Set(dispatcher.unacknowledgedTakes)
        return daemons.contains { waiting.contains($0) }
    }

    /// Daemons that came in after the wish to stop and are this node's, or are nobody's until somebody says so.
    var stranded: [EntityID] {
        arrivedLate.filter { core.table.owns($0.originHash) } + dispatcher.unacknowledgedTakes
    }

    /// Whether nothing is left that a shutdown should wait for, and all that was decided is carried out.
    var isSettled: Bool { !isDraining && !isBusy }
}

/// Answers to operators that are not written yet.
final class PendingAnswers: Sendable {
    let changed = Signal()
    private let count = Atomic<Int>(0)

    var isEmpty: Bool { count.load(ordering: .relaxed) == 0 }

    func begin() { count.add(1, ordering: .relaxed) }

    func end() {
        count.subtract(1, ordering: .relaxed)
        changed.signal()
    }
}
