internal import FerryWire

/// The names that a key has: as a daemon's, and as a node's.
enum IdentityInspection {
    static func fields(of entity: EntityID) -> JSONValue.Members {
        [
            ("entityID", .string(entity.hex)), ("originHash", .id(entity.originHash.rawValue)),
            ("nodeID", .id(NodeKey(rawValue: entity.rawValue).nodeID.rawValue)),
        ]
    }
}
