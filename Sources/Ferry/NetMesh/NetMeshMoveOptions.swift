public import FerryStateMachines

/// How a move is made.
public struct NetMeshMoveOptions: Hashable, Sendable {
    /// Whether the daemon's key travels; obeyed where this node is the source, since net-mesh has no bytes to tell another one.
    public var identityTransport: NetMeshIdentityTransport
    /// For how long a target that is still starting is asked again, after half a second, then after twice as long each time up to 16 s; nil
    /// asks once.
    public var retryNotReady: Duration?

    /// Chooses; by default the key travels sealed or not at all, and a starting target is asked for 30 s.
    public init(identityTransport: NetMeshIdentityTransport = .required, retryNotReady: Duration? = .seconds(30)) {
        self.identityTransport = identityTransport
        self.retryNotReady = retryNotReady
    }
}

/// When a target that is not ready is asked again.
struct NotReadyRetry: Sendable {
    private let budgetEnd: Timestamp?
    /// How often the target has said that it is not ready.
    private(set) var attempts: UInt8 = 0

    init(budget: Duration?, startedAt: Timestamp) { budgetEnd = budget.map { startedAt + $0 } }

    /// Whether there is any retry.
    var isEnabled: Bool { budgetEnd != nil }

    /// Takes one more NotReady in; when to ask again, never past the budget, or nil when it is spent.
    mutating func next(now: Timestamp) -> Timestamp? {
        guard let budgetEnd else { return nil }
        attempts = attempts == .max ? .max : attempts + 1
        guard now < budgetEnd else { return nil }
        let doublings = min(Int(attempts) - 1, 5)
        return min(now + .milliseconds(500 << doublings), budgetEnd)
    }
}
