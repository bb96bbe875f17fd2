internal import DequeModule
public import FerryCrypto
public import FerryWire

/// Who may speak for the emitters that are daemons: per emitter the highest epoch that was proven, and the node that has proven it here.
///
/// A node that emits by itself is its own proof. For a daemon a node shows a credential, once per epoch and receiver; from then on whoever
/// speaks under a lower epoch is a stale owner, and unheard. The epochs travel with the cursors; which node it was does not, so that every owner of the
/// receiver asks once.
///
/// Saying hello costs nothing, and anybody can make up daemons. So what an emitter has proven is kept, and travels, from its first event on,
/// which has a lane's cursor and is bounded with the cursors (``keep(_:)``). Until then a node's newest emitters are remembered, a few of
/// each node; who is forgotten is answered `unproven` and shows its credential again.
///
/// Invalid input. The peer's fault: everything that is not proven is refused. Harmless: a credential that is shown again.
public struct EmitterFence: Sendable {
    /// What the fence says of a message.
    public enum Verdict: Hashable, Sendable {
        /// It may be taken in.
        case pass
        /// It may, and the epoch of an emitter that is kept is new: a move log has to know, see ``EmitterFence/replay(_:)``.
        case raised(CausalEvent)
        /// Answer `unproven`: nothing was shown, or by a stale owner. It ends no lane, since a node that owns the emitter again may get the
        /// answer to what it had sent as an earlier owner. Also when there is no room for one more emitter now.
        case unproven
        /// Answer `violation`: what was shown is forged or another node's.
        case refused
    }

    private struct Entry {
        var epoch: Epoch
        var node: NodeKey?
    }

    /// Emitters of a node that are remembered before their first event; one more, and the oldest is forgotten.
    public static let silentCountPerNode = 64

    /// What is kept, and travels.
    private var entries: [OriginHash: Entry] = [:]
    /// Emitters that have proven themselves and sent nothing yet.
    private var silent: [OriginHash: Entry] = [:]
    /// The same by node, the oldest first.
    private var silentOrder: [NodeKey: Deque<OriginHash>] = [:]
    private let capacity: Int

    /// Knows of no emitter.
    ///
    /// - Parameter capacity: emitters that a replay may make known, and silent ones that are remembered of all nodes.
    public init(capacity: Int = WireLimits.cursorCount) { self.capacity = capacity }

    /// Goes on from the epochs that came with a snapshot.
    public init(cursors: [LaneCursor], capacity: Int = WireLimits.cursorCount) {
        self.init(capacity: capacity)
        for cursor in cursors where cursor.emitterEpoch > .none { entries[cursor.emitter] = Entry(epoch: cursor.emitterEpoch, node: nil) }
    }

    /// The highest epoch that an emitter has proven; 0 of one that is a node, or unknown.
    public func epoch(of emitter: OriginHash) -> Epoch { known(emitter)?.epoch ?? .none }

    private func known(_ emitter: OriginHash) -> Entry? { entries[emitter] ?? silent[emitter] }

    /// Decides about a `hello`.
    ///
    /// - Parameter isNode: whether the emitter is `node` itself.
    public mutating func admit(
        hello credential: LaneCredential?, of emitter: OriginHash, from node: NodeKey, isNode: Bool, crypto: CryptoProvider
    ) -> Verdict {
        if isNode { return .pass }
        guard let credential else { return .unproven }
        guard credential.daemon.originHash == emitter, credential.node == node, credential.epoch > .none else { return .refused }
        if let known = known(emitter) {
            guard credential.epoch >= known.epoch else { return .unproven }
            if known.epoch == credential.epoch, known.node == node { return .pass }
        }
        guard credential.isValid(crypto: crypto) else { return .refused }
        let entry = Entry(epoch: credential.epoch, node: node)
        guard let kept = entries[emitter] else { return remember(emitter, entry, of: node) ? .pass : .unproven }
        entries[emitter] = entry
        return kept.epoch == credential.epoch ? .pass : .raised(Self.input(of: emitter, credential.epoch))
    }

    private mutating func remember(_ emitter: OriginHash, _ entry: Entry, of node: NodeKey) -> Bool {
        forget(emitter)
        if let order = silentOrder[node], order.count >= Self.silentCountPerNode, let oldest = order.first { forget(oldest) }
        guard silent.count < capacity else { return false }
        silent[emitter] = entry
        silentOrder[node, default: []].append(emitter)
        return true
    }

    @discardableResult
    private mutating func forget(_ emitter: OriginHash) -> Entry? {
        guard let entry = silent.removeValue(forKey: emitter) else { return nil }
        if let node = entry.node, let index = silentOrder[node]?.firstIndex(of: emitter) {
            silentOrder[node]?.remove(at: index)
            if silentOrder[node]?.isEmpty == true { silentOrder[node] = nil }
        }
        return entry
    }

    /// Keeps what an emitter has proven, since its first event is about to be taken in and gets a cursor.
    ///
    /// - Returns: what a move log has to know ahead of that event; nil when it is kept already.
    public mutating func keep(_ emitter: OriginHash) -> CausalEvent? {
        guard !silent.isEmpty, let entry = forget(emitter) else { return nil }
        entries[emitter] = entry
        return Self.input(of: emitter, entry.epoch)
    }

    private static func input(of emitter: OriginHash, _ epoch: Epoch) -> CausalEvent {
        let link = CausalLink(origin: emitter, horizon: 0, sequence: epoch.rawValue, parent: 0)
        return CausalEvent(link: link, payload: [], receivedAt: 0, content: .credential)
    }

    /// Decides about an event; constant time, no signature.
    public func admit(event epoch: Epoch, of emitter: OriginHash, from node: NodeKey, isNode: Bool) -> Verdict {
        if isNode { return epoch == .none ? .pass : .refused }
        guard let known = known(emitter) else { return .unproven }
        return epoch == known.epoch && known.node == node ? .pass : .unproven
    }

    /// Takes over an epoch that the source's fence has raised.
    ///
    /// - Parameter input: what ``Verdict/raised(_:)`` or ``keep(_:)`` carried.
    /// - Returns: false, and nothing changes, when it would make one emitter more known than there is room for.
    public mutating func replay(_ input: CausalEvent) -> Bool {
        guard input.content == .credential else { return true }
        let epoch = Epoch(rawValue: input.link.sequence)
        guard epoch > self.epoch(of: input.link.origin) else { return true }
        guard entries[input.link.origin] != nil || entries.count < capacity else { return false }
        entries[input.link.origin] = Entry(epoch: epoch, node: nil)
        return true
    }

    /// Adds the epochs to cursors, which are sorted by emitter; an emitter that has sent nothing yet gets a cursor of 0.
    public func marked(_ cursors: [LaneCursor]) -> [LaneCursor] {
        guard !entries.isEmpty else { return cursors }
        var marked = cursors
        var silent = entries
        for index in marked.indices {
            if let entry = silent.removeValue(forKey: marked[index].emitter) { marked[index].emitterEpoch = entry.epoch }
        }
        guard !silent.isEmpty else { return marked }
        marked += silent.map { LaneCursor(emitter: $0.key, sequence: 0, emitterEpoch: $0.value.epoch) }
        return marked.sorted { $0.emitter < $1.emitter }
    }
}
