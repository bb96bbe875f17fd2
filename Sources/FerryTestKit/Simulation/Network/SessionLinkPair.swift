internal import FerryStateMachines

/// One link between two endpoints, with the session at either end of it.
final class SessionLinkPair {
    let number: UInt64
    let dialler: Int
    let listener: Int
    var initiator: SessionEnd?
    var responder: SessionEnd?
    /// Whether the listener has seen its first frame; a listener that has crashed since does not take up the same link.
    var wasAccepted = false
    /// Whether nothing arrives any more.
    var isCut = false
    /// Opened in place of one that was cut.
    var isReopening = false
    /// Until then frames pile up on the way.
    var heldUntil = Timestamp.zero

    init(number: UInt64, from dialler: SimulationEndpoint, to listener: SimulationEndpoint) {
        self.number = number
        self.dialler = dialler.index
        self.listener = listener.index
    }

    func end(of endpoint: Int) -> SessionEnd? { endpoint == dialler ? initiator : endpoint == listener ? responder : nil }
}

/// A session machine and what its host keeps beside it.
final class SessionEnd {
    var session: SessionMachine
    unowned let pair: SessionLinkPair
    let endpoint: SimulationEndpoint
    let peer: SimulationEndpoint
    let boot: Int
    var peerIdentity: PeerIdentity?
    var isEstablished = false
    var isOver = false
    /// Gone with its process.
    var isForgotten = false
    /// The world's time of the timer that is set.
    var armedAt = Timestamp.distantFuture

    init(_ session: consuming SessionMachine, pair: SessionLinkPair, endpoint: SimulationEndpoint, peer: SimulationEndpoint) {
        self.session = session
        self.pair = pair
        self.endpoint = endpoint
        self.peer = peer
        boot = endpoint.bootCount
    }
}
