internal import Synchronization

/// Hands accepted links to the one task that calls `accept`, within a bound.
public final class LinkQueue<Link: TransportLink>: Sendable {
    private struct State {
        var links: [Link] = []
        var isClosed = false
        var acceptor: CheckedContinuation<Void, Never>?
    }

    private let state = Mutex(State())
    private let maximumCount: Int

    /// Makes an empty queue.
    ///
    /// - Parameter maximumCount: the most links that wait for `accept`.
    public init(maximumCount: Int) {
        self.maximumCount = maximumCount
    }

    /// Queues `link`; false when the queue is full or closed, and the caller closes the link.
    public func offer(_ link: Link) -> Bool {
        let (isTaken, acceptor) = state.withLock { state in
            guard !state.isClosed, state.links.count < maximumCount else {
                return (false, CheckedContinuation<Void, Never>?.none)
            }
            state.links.append(link)
            return (true, state.acceptor.take())
        }
        acceptor?.resume()
        return isTaken
    }

    /// The next link; nil once the queue is closed. One caller at a time.
    ///
    /// - Throws: `.cancelled`.
    public func next() async throws(TransportError) -> Link? {
        while true {
            let (link, isClosed) = state.withLock { state in
                (state.links.isEmpty ? nil : state.links.removeFirst(), state.isClosed)
            }
            if let link { return link }
            if isClosed { return nil }
            await wait()
            if Task.isCancelled { throw TransportError(.cancelled, "the waiting task was cancelled") }
        }
    }

    /// Ends `next`; idempotent.
    ///
    /// - Returns: the links that nobody accepted, for the caller to close.
    public func close() -> [Link] {
        let (links, acceptor) = state.withLock { state in
            state.isClosed = true
            defer { state.links = [] }
            return (state.links, state.acceptor.take())
        }
        acceptor?.resume()
        return links
    }

    private func wait() async {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let mustWait = state.withLock { state in
                    guard state.links.isEmpty, !state.isClosed, !Task.isCancelled else { return false }
                    precondition(state.acceptor == nil, "two tasks accept from one listener")
                    state.acceptor = continuation
                    return true
                }
                if !mustWait { continuation.resume() }
            }
        } onCancel: {
            state.withLock { $0.acceptor.take() }?.resume()
        }
    }
}
