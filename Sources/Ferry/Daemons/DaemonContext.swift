internal import FerryStateMachines
internal import Logging
internal import Metrics

/// What every daemon host of a node shares.
struct DaemonContext: Sendable {
    let observers: [any OutputObserver]
    let logger: Logger
    let metrics: NodeMetrics
    let outputLimits: OutputLimits
    /// Carries what daemons send to each other.
    let emitters: EmitterTable
}
