public import FerryWire

/// What one input did to a daemon, folded to 64 bits, so that a replay of it can be compared.
///
/// Covered, in order: the input's link, whether it failed and the kind of error, and of every output and delivery the destination and the
/// bytes. It finds accidents; it is not made against an adversary.
public struct InputOutcome: Hashable, Sendable {
    /// The fold so far.
    public private(set) var hash: UInt64
    private var count: UInt64 = 0

    /// What an answer can consist of; part of the fold.
    private enum Kind: UInt64 {
        case success = 1
        case failure = 2
        case output = 3
        case delivery = 4
        case binding = 5
    }

    /// Opens the outcome of the input with this link.
    ///
    /// - Parameter failure: the kind of error when `process` threw; nil when it returned.
    public init(link: CausalLink, failure: String?) {
        hash = forwardHash(link, RawSpan())
        if let failure {
            fold(.failure, OriginHash(rawValue: 0), Array(failure.utf8))
        } else {
            fold(.success, OriginHash(rawValue: 0), [])
        }
    }

    /// Adds an output to the daemon's own chain.
    public mutating func output(_ payload: [UInt8]) { fold(.output, OriginHash(rawValue: 0), payload) }

    /// Adds a delivery to another daemon.
    public mutating func delivery(to destination: OriginHash, _ payload: [UInt8]) { fold(.delivery, destination, payload) }

    /// Adds a change of the subscription ledger, which is given as its bytes after the change.
    public mutating func binding(_ ledger: [UInt8]) { fold(.binding, OriginHash(rawValue: 0), ledger) }

    private mutating func fold(_ kind: Kind, _ destination: OriginHash, _ bytes: [UInt8]) {
        count += 1
        let head = CausalLink(origin: destination, horizon: kind.rawValue, sequence: count, parent: hash)
        hash = forwardHash(head, bytes.rawSpan)
    }
}

extension EventContent {
    /// Adds everything but plain data to the hash of an entry.
    fileprivate func fold(_ hash: UInt64) -> UInt64 {
        guard self != .data else { return hash }
        let head = CausalLink(origin: OriginHash(rawValue: number), horizon: 0, sequence: 0, parent: hash)
        let name = channel?.utf8 ?? []
        return forwardHash(head, name.rawSpan)
    }

    private var number: UInt64 {
        switch self {
        case .data: 0
        case .subscribe: 1
        case .unsubscribe: 2
        case .published: 3
        case .acknowledged: 4
        case .credential: 5
        case .laneEnded: 6
        }
    }
}

/// The rolling digest over a move log: both ends fold the same inputs and outcomes, and state it at the hand-over.
///
/// Entry i folds e = forwardHash(link, payload), receive time and outcome into four words: w(k) = XXH3-64(e ‖ time ‖ outcome ‖ w(k) + k).
/// An entry whose content is not data has e' = forwardHash({content number, 0, 0, e}, channel name) in place of e. The digest is H("ferry-move-log", i ‖ w(0) ‖ … ‖ w(3)); zero while the log is empty.
struct LogDigest: Hashable {
    private(set) var index: UInt64 = 0
    private var words: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)

    mutating func fold(_ event: CausalEvent, outcome: UInt64) {
        index += 1
        let entry = OriginHash(rawValue: event.content.fold(forwardHash(event.link, event.payload.rawSpan)))
        func step(_ word: UInt64, _ place: UInt64) -> UInt64 {
            let head = CausalLink(origin: entry, horizon: event.receivedAt, sequence: outcome, parent: word &+ place)
            return forwardHash(head, RawSpan())
        }
        words = (step(words.0, 0), step(words.1, 1), step(words.2, 2), step(words.3, 3))
    }

    var value: FixedBytes32 {
        guard index > 0 else { return .zero }
        let message = [UInt8](rawCapacity: 40) { output in
            for word in [index, words.0, words.1, words.2, words.3] { output.append(littleEndian: word) }
        }
        return FixedBytes32(label: "ferry-move-log", message)
    }

    static func == (left: Self, right: Self) -> Bool { left.index == right.index && left.words == right.words }

    func hash(into hasher: inout Hasher) {
        hasher.combine(index)
        hasher.combine(words.0)
    }
}
