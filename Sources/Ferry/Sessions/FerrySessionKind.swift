package import FerryCrypto
package import FerryStateMachines
package import FerryTransports

/// Ferry's own sessions.
package struct FerrySessionKind: SessionKind {
    private let identity: NodeIdentity
    private let crypto: CryptoProvider
    private let cookies: CookieAdmission

    /// Every session proves `identity`; the secret behind the cookies is drawn anew.
    package init(identity: NodeIdentity, crypto: CryptoProvider, clock: NodeClock = NodeClock()) {
        self.identity = identity
        self.crypto = crypto
        cookies = CookieAdmission(mint: CookieMint(secret: crypto.random.next(), crypto: crypto), clock: clock)
    }

    /// A session that has not sent or received anything.
    package func makeSession(_ configuration: SessionConfiguration, now: Timestamp) throws(SessionError) -> sending any PeerSession {
        SessionBox(try SessionMachine(configuration, identity: identity, crypto: crypto, now: now))
    }

    /// Cookies for strangers when many links are half-open.
    package var admission: (any LinkAdmission)? { cookies }
}
