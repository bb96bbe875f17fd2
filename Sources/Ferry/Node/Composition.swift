public import FerryChunking
public import FerryCrypto
public import FerryStateMachines
public import FerryTransports
public import FerryWire
public import Logging

/// What a node is made of; to register is to appear in an array, and order is preference.
public struct Composition: Sendable {
    /// Who the node is.
    public var identity: NodeIdentity
    /// Its cryptography.
    public var crypto: CryptoProvider
    /// The transports that it listens on and dials with; at least one, each with its own scheme.
    public var transports: [any Transport]
    /// What snapshots may be compressed with, in order of preference; `Uncompressed` is always understood.
    public var compressors: [any Compressor]
    /// The kinds of daemon that it can restore.
    public var daemons: [DaemonRegistration]
    /// Whom a listener lets in.
    public var peers: PeerPolicy
    /// Nodes that are dialled at start, and asked when a daemon is not where it was.
    public var knownPeers: [Endpoint]
    /// Who may order moves from this node, and of third nodes' daemons to it, besides the node itself.
    public var orchestrators: Set<NodeKey>
    /// Whose signature makes an order good here, whoever passes it on.
    public var operators: Set<EntityID>
    /// Who may move daemons to this node; nil means everyone whom `peers` admits.
    public var sources: Set<NodeKey>?
    /// Bounds on everything that grows.
    public var limits: NodeLimits
    /// How long each phase of a move may take.
    public var budgets: PhaseBudgets
    /// Where moves are recorded.
    public var journal: any MoveJournal
    /// Who hears of moves and sessions.
    public var observers: [any NodeObserver]
    /// Who hears of every input processed and every output emitted; called inside the daemon's isolation, so briefly.
    public var outputObservers: [any OutputObserver]
    /// Where the operator's socket is; nil for none.
    public var controlSocketPath: String?
    /// Where log lines go; keys and payloads never do.
    public var logger: Logger

    /// Assembles a node; nothing is checked before `FerryNode.init`.
    public init(
        identity: NodeIdentity, crypto: CryptoProvider, transports: [any Transport], compressors: [any Compressor] = [Uncompressed()],
        daemons: [DaemonRegistration] = [], peers: PeerPolicy = .nodes([]), knownPeers: [Endpoint] = [], orchestrators: Set<NodeKey> = [],
        operators: Set<EntityID> = [], sources: Set<NodeKey>? = nil, limits: NodeLimits = NodeLimits(),
        budgets: PhaseBudgets = PhaseBudgets(), journal: any MoveJournal = InMemoryMoveJournal(),
        observers: [any NodeObserver] = [], outputObservers: [any OutputObserver] = [], controlSocketPath: String? = nil,
        logger: Logger = Logger(label: "ferry", factory: { _ in SwiftLogNoOpLogHandler() })
    ) {
        self.identity = identity
        self.crypto = crypto
        self.transports = transports
        self.compressors = compressors
        self.daemons = daemons
        self.peers = peers
        self.knownPeers = knownPeers
        self.orchestrators = orchestrators
        self.operators = operators
        self.sources = sources
        self.limits = limits
        self.budgets = budgets
        self.journal = journal
        self.observers = observers
        self.outputObservers = outputObservers
        self.controlSocketPath = controlSocketPath
        self.logger = logger
    }
}

/// Every mistake of a composition at once.
public struct CompositionError: Error, Sendable, CustomStringConvertible {
    /// One line for each mistake.
    public var problems: [String]

    /// Collects mistakes.
    public init(problems: [String]) { self.problems = problems }

    /// The lines, joined.
    public var description: String { problems.joined(separator: "; ") }
}

extension Composition {
    /// Ferry's own sessions; a second kind will be chosen here.
    func makeSessionKind() -> any SessionKind { FerrySessionKind(identity: identity, crypto: crypto) }

    /// Checks everything that can be checked before anything runs.
    ///
    /// - Throws: all mistakes at once.
    func validate() throws(CompositionError) {
        let problems = transportProblems() + cryptoProblems() + compressorProblems() + daemonProblems() + limits.problems()
        guard problems.isEmpty else { throw CompositionError(problems: problems) }
    }

    private func transportProblems() -> [String] {
        guard !transports.isEmpty else { return ["no transport: a node needs at least one"] }
        let schemes = transports.map(\.scheme)
        var problems = repeated(schemes).map { "the scheme \"\($0)\" is registered twice" }
        for case let address? in knownPeers.map(\.address) where !schemes.contains(address.scheme) {
            problems.append("no transport for the known peer \(address)")
        }
        return problems
    }

    private func cryptoProblems() -> [String] {
        var problems: [String] = []
        if crypto.aeads.isEmpty { problems.append("no cipher: the provider lists neither AES-256-GCM nor ChaCha20-Poly1305") }
        if !crypto.aeads.isEmpty, (try? crypto.aead(for: .chaCha20Poly1305)) == nil {
            problems.append("the provider has no ChaCha20-Poly1305, which identity envelopes need")
        }
        if (try? crypto.ed25519) == nil { problems.append("the provider has no ed25519") }
        if (try? crypto.x25519) == nil { problems.append("the provider has no X25519") }
        if (try? crypto.hash(.sha256)) == nil { problems.append("the provider has no SHA-256") }
        return problems
    }

    private func compressorProblems() -> [String] {
        var problems = repeated(compressors.map(\.id)).map { "the compressor id \($0) is registered twice" }
        if compressors.count > 16 { problems.append("\(compressors.count) compressors, more than 16") }
        if compressors.contains(where: { $0.id == 0 && !($0 is Uncompressed) }) {
            problems.append("compressor id 0 belongs to Uncompressed")
        }
        return problems
    }

    private func daemonProblems() -> [String] {
        var problems = repeated(daemons.map(\.kind.name)).map { "the daemon kind \"\($0)\" is registered twice" }
        for daemon in daemons {
            let name = daemon.kind.name
            if !(1...WireLimits.kindNameByteCount).contains(name.utf8.count) {
                problems.append("the daemon kind \"\(name)\" is not 1 to \(WireLimits.kindNameByteCount) bytes long")
            }
            if !daemon.schemaVersions.contains(daemon.kind.schemaVersion) {
                problems.append("the daemon kind \"\(name)\" does not read its own schema version")
            }
        }
        return problems
    }

    private func repeated<Value: Hashable>(_ values: [Value]) -> [Value] {
        var seen: Set<Value> = []
        var reported: Set<Value> = []
        return values.filter { !seen.insert($0).inserted && reported.insert($0).inserted }
    }
}
