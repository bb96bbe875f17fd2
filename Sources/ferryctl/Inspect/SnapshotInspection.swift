internal import FerryWire

/// A whole snapshot, CDS1 version 2.
enum SnapshotInspection {
    static func fields(_ bytes: [UInt8]) throws(WireError) -> JSONValue.Members {
        let snapshot = try StateSnapshot(decoding: bytes)
        // A restore judges the bindings, parsing does not.
        let ledger = try? SubscriptionLedger(decoding: snapshot.bindings)
        let link = LinkInspection.object(snapshot.chainLink)
        return [
            ("version", .integer(Int(StateSnapshot.version))), ("entityID", .string(snapshot.entity.hex)),
            ("entityId", .string(snapshot.entity.hex)), ("originHash", .id(snapshot.chainLink.origin.rawValue)),
            ("throughSeq", .id(snapshot.throughSequence)), ("chainLink", link), ("link", link), ("createdAt", .id(snapshot.createdAt)),
            ("stateLen", .integer(snapshot.state.count)), ("state", .hex(snapshot.state)),
            ("bindingsLen", .integer(snapshot.bindings.count)), ("bindings", .hex(snapshot.bindings)),
            ("bindingsOk", .bool(ledger != nil)), ("subscriptions", ledger.map(BindingsInspection.subscriptions) ?? .null),
            ("envelope", snapshot.envelope.map(JSONValue.hex) ?? .null),
            ("identityEnvelope", EnvelopeInspection.object(snapshot.envelope)), ("length", .integer(bytes.count)),
        ]
    }
}
