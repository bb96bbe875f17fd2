package import FerryCrypto
package import FerryStateMachines
package import FerryTransports

/// Ferry's own sessions.
package struct FerrySessionKind: SessionKind {
    private let identity: NodeIdentity
    private let crypto: CryptoProvider

    /// Every session proves `identity`.
    package init(identity: NodeIdentity, crypto: CryptoProvider) {
        self.identity = identity
        self.crypto = crypto
    }

    /// A session that has not sent or received anything.
    package func makeSession(_ configuration: SessionConfiguration, now: Timestamp) throws(SessionError) -> sending any PeerSession {
        SessionBox(try SessionMachine(configuration, identity: identity, crypto: crypto, now: now))
    }

    /// The transport's own caps decide.
    package var admission: (any LinkAdmission)? { nil }
}
