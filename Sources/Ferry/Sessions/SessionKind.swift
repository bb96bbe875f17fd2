package import FerryStateMachines
package import FerryTransports

/// Makes one kind of session: the seam at which a second session protocol plugs in.
package protocol SessionKind: Sendable {
    /// A session that has not sent or received anything.
    ///
    /// - Throws: `.invalidConfiguration`, `.crypto`.
    func makeSession(_ configuration: SessionConfiguration, now: Timestamp) throws(SessionError) -> sending any PeerSession
    /// What looks at strangers' first frames on links whose addresses may be forged; nil lets the transport's own caps decide.
    var admission: (any LinkAdmission)? { get }
}
