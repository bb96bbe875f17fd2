internal import FerryWire
internal import Synchronization

/// Has orders wait until the nodes that they concern can take them, so that any number may be given at once.
///
/// A node takes a quarter of its moves from any one orchestrator, and this queue stays below that: a move that is over here may not be
/// over there yet. Orders begin in the order in which they came; one that has to wait does not hold up one between other nodes.
final class OrderQueue: Sendable {
    private struct Waiting {
        var id: UInt64
        var peers: Set<NodeKey>
        var waiter: Waiter
    }

    private struct State {
        var runningCount = 0
        var runningCountByPeer: [NodeKey: Int] = [:]
        var waiting: [Waiting] = []
        var begun: Set<UInt64> = []
        var nextID: UInt64 = 0
    }

    /// Moves that may run at once, in all and with any one peer.
    let limit: Int
    let limitPerPeer: Int
    private let state = Mutex(State())

    /// - Parameter moveCount: the moves in which a node takes part at once; peers are taken to have the same limit.
    init(moveCount: Int) {
        limit = max(1, moveCount - moveCount / 4)
        let share = max(1, moveCount / 4)
        limitPerPeer = max(1, share - share / 4)
    }

    /// Orders that wait.
    var waitingCount: Int { state.withLock { $0.waiting.count } }

    /// Waits for the turn of an order; whoever returns from here calls ``leave(_:)`` once the move is over.
    ///
    /// - Parameter peers: the source and the target, as far as they are other nodes.
    func enter(_ peers: Set<NodeKey>) async throws(CancellationError) {
        let id = state.withLock { state in
            state.nextID += 1
            return state.nextID
        }
        await withTaskCancellationHandler {
            await Waiter.suspend { waiter in
                let ready = state.withLock { state in
                    // Cancelled before it could be found in the list: nobody else will wake it.
                    if Task.isCancelled { return [waiter] }
                    state.waiting.append(Waiting(id: id, peers: peers, waiter: waiter))
                    return begin(&state)
                }
                for waiter in ready { waiter.resume() }
            }
        } onCancel: {
            let waiter = state.withLock { state -> Waiter? in
                guard let index = state.waiting.firstIndex(where: { $0.id == id }) else { return nil }
                return state.waiting.remove(at: index).waiter
            }
            waiter?.resume()
        }
        let hasBegun = state.withLock { $0.begun.remove(id) != nil }
        guard hasBegun else { throw CancellationError() }
    }

    /// A move is over.
    func leave(_ peers: Set<NodeKey>) {
        let ready = state.withLock { state in
            state.runningCount -= 1
            for peer in peers {
                let left = (state.runningCountByPeer[peer] ?? 1) - 1
                state.runningCountByPeer[peer] = left > 0 ? left : nil
            }
            return begin(&state)
        }
        for waiter in ready { waiter.resume() }
    }

    /// Takes out whoever may begin.
    private func begin(_ state: inout State) -> [Waiter] {
        var ready: [Waiter] = []
        var index = 0
        while index < state.waiting.count, state.runningCount < limit {
            let peers = state.waiting[index].peers
            guard peers.allSatisfy({ (state.runningCountByPeer[$0] ?? 0) < limitPerPeer }) else {
                index += 1
                continue
            }
            let next = state.waiting.remove(at: index)
            state.runningCount += 1
            for peer in peers { state.runningCountByPeer[peer, default: 0] += 1 }
            state.begun.insert(next.id)
            ready.append(next.waiter)
        }
        return ready
    }
}
