public import FerryCrypto
public import FerryWire

/// Who may speak for the emitters that are daemons: per emitter the highest epoch that was proven, and the node that has proven it here.
///
/// A node that emits by itself is its own proof. For a daemon a node shows a credential, once per epoch and receiver; from then on whoever
/// speaks under a lower epoch is a stale owner, and unheard. The epochs travel with the cursors; which node it was does not, so that every owner of the
/// receiver asks once.
///
/// Invalid input. The peer's fault: everything that is not proven is refused. Harmless: a credential that is shown again.
public struct EmitterFence: Sendable {
    /// What the fence says of a message.
    public enum Verdict: Hashable, Sendable {
        /// It may be taken in.
        case pass
        /// It may, and the emitter's epoch is new: a move log has to know, see ``EmitterFence/replay(_:)``.
        case raised(CausalEvent)
        /// Answer `unproven`: nothing was shown, or by a stale owner. It ends no lane, since a node that owns the emitter again may get the
        /// answer to what it had sent as an earlier owner.
        case unproven
        /// Answer `violation`: what was shown is forged or another node's, or there is no room for one more emitter.
        case refused
    }

    private struct Entry {
        var epoch: Epoch
        var node: NodeKey?
    }

    private var entries: [OriginHash: Entry] = [:]
    private let capacity: Int

    /// Knows of no emitter.
    ///
    /// - Parameter capacity: emitters that are kept; one more is refused.
    public init(capacity: Int = WireLimits.cursorCount) { self.capacity = capacity }

    /// Goes on from the epochs that came with a snapshot.
    public init(cursors: [LaneCursor], capacity: Int = WireLimits.cursorCount) {
        self.init(capacity: capacity)
        for cursor in cursors where cursor.emitterEpoch > .none { entries[cursor.emitter] = Entry(epoch: cursor.emitterEpoch, node: nil) }
    }

    /// The highest epoch that an emitter has proven; 0 of one that is a node, or unknown.
    public func epoch(of emitter: OriginHash) -> Epoch { entries[emitter]?.epoch ?? .none }

    /// Decides about a `hello`.
    ///
    /// - Parameter isNode: whether the emitter is `node` itself.
    public mutating func admit(
        hello credential: LaneCredential?, of emitter: OriginHash, from node: NodeKey, isNode: Bool, crypto: CryptoProvider
    ) -> Verdict {
        if isNode { return .pass }
        guard let credential else { return .unproven }
        guard credential.daemon.originHash == emitter, credential.node == node, credential.epoch > .none else { return .refused }
        let known = entries[emitter]
        if let known {
            guard credential.epoch >= known.epoch else { return .unproven }
            if known.epoch == credential.epoch, known.node == node { return .pass }
        } else if entries.count >= capacity {
            return .refused
        }
        guard credential.isValid(crypto: crypto) else { return .refused }
        entries[emitter] = Entry(epoch: credential.epoch, node: node)
        guard known?.epoch != credential.epoch else { return .pass }
        let link = CausalLink(origin: emitter, horizon: 0, sequence: credential.epoch.rawValue, parent: 0)
        return .raised(CausalEvent(link: link, payload: [], receivedAt: 0, content: .credential))
    }

    /// Decides about an event; constant time, no signature.
    public func admit(event epoch: Epoch, of emitter: OriginHash, from node: NodeKey, isNode: Bool) -> Verdict {
        if isNode { return epoch == .none ? .pass : .refused }
        guard let known = entries[emitter] else { return .unproven }
        return epoch == known.epoch && known.node == node ? .pass : .unproven
    }

    /// Takes over an epoch that the source's fence has raised.
    ///
    /// - Parameter input: what ``Verdict/raised(_:)`` carried.
    public mutating func replay(_ input: CausalEvent) {
        guard input.content == .credential else { return }
        let epoch = Epoch(rawValue: input.link.sequence)
        if epoch > self.epoch(of: input.link.origin) { entries[input.link.origin] = Entry(epoch: epoch, node: nil) }
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
