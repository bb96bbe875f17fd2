internal import FerryWire

/// A causal link: the first 32 bytes.
enum LinkInspection {
    static func fields(_ bytes: [UInt8]) throws(WireError) -> JSONValue.Members {
        guard let link = CausalLink(copying: bytes.rawSpan) else {
            throw WireError(.truncated, "a link needs \(CausalLink.byteCount) bytes, not \(bytes.count)")
        }
        return fields(of: link) + [
            ("length", .integer(CausalLink.byteCount)), ("trailing", .integer(bytes.count - CausalLink.byteCount)),
        ]
    }

    static func fields(of link: CausalLink) -> JSONValue.Members {
        [
            ("originHash", .id(link.origin.rawValue)), ("horizonEncoded", .id(link.horizon)), ("sequence", .id(link.sequence)),
            ("parentHash", .id(link.parent)), ("isGenesis", .bool(link.isGenesis)),
        ]
    }

    static func object(_ link: CausalLink) -> JSONValue { .object(fields(of: link)) }
}
