internal import Ferry
internal import FerryCrypto
internal import FerrySodium
internal import FerryStateMachines
internal import FerryTransports
internal import FerryWire
internal import Foundation

/// Writes an order for the node that is asked, and signs it with an operator's or the daemon's key.
enum OrderSigning {
    /// - Parameter key: `@FILE`, of mode 0600, or `-` for standard input: 32 raw bytes or 64 hex digits.
    /// - Returns: the order in hex.
    static func order(_ options: OrderOptions, key: String, over client: ControlClient) async throws -> String {
        let (source, target) = try options.endpoints()
        guard let status = try await client.send(ControlRequest(.status)).checked().status, let node = NodeKey(hex: status.nodeKey),
            let targetKey = target.nodeKey
        else { throw CommandFailure(code: "malformedRequest", message: "the node does not say who it is") }
        let keypair = try EntityKeypair(seed: seed(key), crypto: .sodium)
        defer { keypair.wipe() }
        let isLive = options.mode == .live
        var order = MoveOrder(
            id: CryptoProvider.sodium.random.next(), daemon: try await entity(options.daemon, over: client), lineage: nil,
            source: source?.nodeKey ?? node, target: targetKey, targetAddress: target.address?.description ?? "", orchestrator: node,
            modes: isLive ? .all : .stopAndCopy, attemptLimit: isLive ? 2 : 1,
            pauseBudgetNanoseconds: UInt64(max(0, options.pauseBudget.duration.nanoseconds)), mode: options.mode.moveMode,
            expiresAt: expiry(options))
        order.authorization = try OrderAuthorization(signing: order, with: keypair)
        return try order.encoded().hex
    }

    private static func expiry(_ options: OrderOptions) -> UInt64 {
        UInt64(Date().timeIntervalSince1970 * 1_000_000_000) + UInt64(max(0, options.timeout.duration.nanoseconds))
    }

    private static func seed(_ key: String) throws -> SecretBytes {
        let allocator = CryptoProvider.sodium.secrets
        guard key != "-" else { return try EntitySeed.read(descriptor: STDIN_FILENO, allocator: allocator) }
        return try EntitySeed.read(contentsOf: String(key.dropFirst()), allocator: allocator)
    }

    /// An order names a daemon by its key; the node knows those of its own daemons.
    private static func entity(_ daemon: String, over client: ControlClient) async throws -> EntityID {
        if let entity = EntityID(hex: daemon) { return entity }
        let daemons = try await client.send(ControlRequest(.daemons)).checked().daemons ?? []
        guard let line = daemons.first(where: { $0.origin == daemon }), let entity = EntityID(hex: line.entityID) else {
            throw CommandFailure(
                code: "daemonNotFound", message: "daemon \(daemon) is not at the node that is asked: name a remote one by its entity id")
        }
        return entity
    }
}
