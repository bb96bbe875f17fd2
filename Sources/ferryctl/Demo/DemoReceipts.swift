internal import Ferry
internal import FerryCrypto
internal import FerryWire

/// What the receipts of a run prove together: who handed the daemon to whom, move by move.
enum DemoReceipts {
    /// One completed move and the nodes that the coordinator knows to have taken part.
    struct HandOver: Sendable {
        /// Base64.
        var receipt: String
        var source: NodeKey
        var target: NodeKey
    }

    /// Whether every receipt is one of this daemon between these nodes, and each of a later epoch than the one before.
    static func areValid(_ handOvers: [HandOver], of daemon: EntityID, crypto: CryptoProvider) -> Bool {
        var latest = Epoch.none
        for handOver in handOvers {
            let expectation = ReceiptExpectation(daemon: .entity(daemon), source: handOver.source, target: handOver.target)
            let verdict = ReceiptVerdict(of: Array(handOver.receipt.utf8), expecting: expectation, crypto: crypto)
            guard verdict.isValid, let epoch = verdict.receipt?.release.release.epoch, epoch > latest else { return false }
            latest = epoch
        }
        return true
    }
}

extension DemoCoordinator {
    /// The verdict over the receipts of all moves that have one; nil when none has.
    func receiptsVerdict(_ report: DemoReport, _ cast: DemoCast) -> Bool? {
        guard let daemon = report.daemon.flatMap({ EntityID(hex: $0.entity) }) else { return nil }
        let receipts = report.moves.map(\.summary.receipt)
        guard receipts.contains(where: { $0 != nil }) else { return nil }
        guard let first = cast.endpoints.nodeKey(of: "a"), let second = cast.endpoints.nodeKey(of: "b") else { return false }
        var handOvers: [DemoReceipts.HandOver] = []
        for (index, receipt) in receipts.enumerated() {
            guard let receipt else { continue }
            let (source, target) = index.isMultiple(of: 2) ? (first, second) : (second, first)
            handOvers.append(DemoReceipts.HandOver(receipt: receipt, source: source, target: target))
        }
        return DemoReceipts.areValid(handOvers, of: daemon, crypto: options.crypto.provider)
    }
}

extension DemoCast.Endpoints {
    /// The key that the endpoint of a node ends with.
    fileprivate func nodeKey(of name: String) -> NodeKey? { of(name).split(separator: "#").last.flatMap { NodeKey(hex: $0) } }
}
