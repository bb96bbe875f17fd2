internal import FerryWire

/// A subscription ledger: what is left after the later of two equal pairs has won, and its one encoding.
enum BindingsInspection {
    static func fields(_ bytes: [UInt8]) throws(WireError) -> JSONValue.Members {
        let ledger = try SubscriptionLedger(decoding: bytes)
        return [
            ("count", .integer(ledger.entries.count)), ("subscriptions", subscriptions(of: ledger)),
            ("encoded", .hex(try ledger.encoded())), ("length", .integer(bytes.count)),
        ]
    }

    static func subscriptions(of ledger: SubscriptionLedger) -> JSONValue {
        .array(
            ledger.entries.map { entry in
                .object([
                    ("publisher", .id(entry.publisher)), ("name", .string(entry.channel.description)),
                    ("token", entry.token.map(JSONValue.hex) ?? .null),
                ])
            })
    }
}
