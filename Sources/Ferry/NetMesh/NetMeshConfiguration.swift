public import FerryCrypto
public import FerryStateMachines
public import Logging

/// What a net-mesh runtime is made of; a value, so that a test swaps one part.
public struct NetMeshConfiguration: Sendable {
    /// Carries messages and subscriptions.
    public var carrier: any NetMeshCarrier
    /// Seals identity envelopes.
    public var crypto: CryptoProvider
    /// The host's own acts at the turning points of moves.
    public var hooks: NetMeshHooks
    /// Who may order daemons away from this node; only itself by default.
    public var orchestrators: NetMeshPolicy
    /// Who may bring a daemon here without an envelope that proves it, or in place of the expected orchestrator; nobody by default.
    public var arrivals: NetMeshPolicy
    /// Whether the key travels with a daemon that another node orders away from here.
    public var identityTransport: NetMeshIdentityTransport
    /// How long each part of a move may take.
    public var budgets: NetMeshBudgets
    /// How much is kept.
    public var limits: NetMeshLimits
    /// Deliveries under way for one daemon, and as many again that wait; whoever delivers more is refused.
    public var pendingDeliveryCount: Int
    /// Hears outputs.
    public var outputs: (any NetMeshOutputObserver)?
    /// Hears which daemons are here.
    public var registry: (any NetMeshRegistryObserver)?
    /// Takes the log; keys, payloads and state are never in it.
    public var logger: Logger
    let time: NetMeshTime

    /// Joins the parts.
    ///
    /// - Parameter clock: measures every budget, timeout and retry; a test passes one that it moves itself.
    public init(
        carrier: any NetMeshCarrier, crypto: CryptoProvider, hooks: NetMeshHooks = NetMeshHooks(),
        orchestrators: NetMeshPolicy = .localOnly, arrivals: NetMeshPolicy = .localOnly,
        identityTransport: NetMeshIdentityTransport = .required, budgets: NetMeshBudgets = NetMeshBudgets(),
        limits: NetMeshLimits = NetMeshLimits(), pendingDeliveryCount: Int = 1_024, outputs: (any NetMeshOutputObserver)? = nil,
        registry: (any NetMeshRegistryObserver)? = nil, logger: Logger = Logger(label: "ferry.net-mesh"),
        clock: any Clock<Duration> = ContinuousClock()
    ) {
        self.carrier = carrier
        self.crypto = crypto
        self.hooks = hooks
        self.orchestrators = orchestrators
        self.arrivals = arrivals
        self.identityTransport = identityTransport
        self.budgets = budgets
        self.limits = limits
        self.pendingDeliveryCount = max(1, pendingDeliveryCount)
        self.outputs = outputs
        self.registry = registry
        self.logger = logger
        time = NetMeshTime(clock)
    }

    /// What the dispatcher is told. Ledgers are replayed and readiness is asked whether or not the host has hooks of its own.
    var dispatcher: NetMeshDispatcherConfiguration {
        var present: NetMeshHooksPresent = [.readiness, .postRestore, .preCleanup]
        if hooks.identity != nil { present.insert(.identity) }
        if hooks.failure != nil { present.insert(.failure) }
        return NetMeshDispatcherConfiguration(
            orchestrators: orchestrators, arrivals: arrivals, identityTransport: identityTransport, hooks: present, budgets: budgets,
            limits: limits)
    }
}
