package import FerryStateMachines
package import FerryTransports
package import FerryWire

/// Everything that a session table is told at birth.
package struct SessionTableConfiguration: Sendable {
    /// What this node says about itself.
    package var hello: SessionHello
    /// Whom listeners let in; a dial names the one key that it accepts.
    package var peers: PeerPolicy = .anyNode
    /// Where peers are reached, used when a caller knows no address.
    package var addresses: [NodeKey: TransportAddress] = [:]
    /// Memory bounds of each session.
    package var limits = SessionLimits()
    /// Timers of each session.
    package var timing = SessionTiming()
    /// Congestion control of each session.
    package var congestion = SessionCongestion()
    /// Sessions in total, half-open ones included; a link beyond it is closed at once.
    package var maximumSessionCount = 1_024
    /// Sessions with one peer; a newer one beyond it closes the oldest.
    package var maximumSessionCountPerPeer = 4
    /// From the start of a dial to an established session.
    package var dialTimeout: Duration = .seconds(10)
    /// First and longest pause between background dials to a peer that fails; it doubles in between.
    package var dialBackoff: ClosedRange<Duration> = .milliseconds(100) ... .seconds(10)
    /// Peers whose failed dials are remembered.
    package var maximumBackoffCount = 1_024

    /// Starts from the defaults.
    package init(hello: SessionHello) { self.hello = hello }
}
