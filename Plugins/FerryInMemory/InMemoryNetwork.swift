public import FerryTransports
internal import Synchronization

/// Where in-memory transports find each other: hosts in one process share one, and two of them never meet.
public final class InMemoryNetwork: Sendable {
    /// How much a link of this network holds.
    public struct Limits: Sendable, Hashable {
        /// The largest frame in bytes; at least 1,200.
        public var maximumFrameByteCount = 65_536
        /// The most bytes in one batch; at least one frame.
        public var maximumBatchByteCount = 262_144
        /// The most that waits in each direction before senders wait.
        public var queue = FrameQueue.Limits(byteCount: 1_048_576, frameCount: 16_384)
        /// The most links that wait for `accept`; one more is refused.
        public var pendingLinkCount = 128

        /// The defaults: 64 KiB frames, 256 KiB batches, 1 MiB a direction.
        public init() {}
    }

    let limits: Limits
    private let listeners = Mutex<[String: LinkQueue<InMemoryLink>]>([:])

    /// Makes a network that nobody is on.
    public init(limits: Limits = Limits()) {
        self.limits = limits
    }

    func listener(named name: String) -> LinkQueue<InMemoryLink>? {
        listeners.withLock { $0[name] }
    }

    /// Claims `name`; nil when it is taken.
    func addListener(named name: String) -> LinkQueue<InMemoryLink>? {
        listeners.withLock { listeners in
            guard listeners[name] == nil else { return nil }
            let links = LinkQueue<InMemoryLink>(maximumCount: limits.pendingLinkCount)
            listeners[name] = links
            return links
        }
    }

    func removeListener(named name: String, links: LinkQueue<InMemoryLink>) {
        listeners.withLock { listeners in
            if listeners[name] === links { listeners[name] = nil }
        }
    }
}
