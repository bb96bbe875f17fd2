import FerryWire
import Testing

/// SplitMix64: the same inputs in every run.
private struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}

@Suite("Random input ends in a value or a typed error")
struct RandomInputTests {
    /// Cuts a valid input, joins it to another, and overwrites runs of it with telling bytes.
    private func scrambled(_ pool: [[UInt8]], using random: inout SeededGenerator) -> [UInt8] {
        var bytes = pool.randomElement(using: &random) ?? []
        if Bool.random(using: &random), let other = pool.randomElement(using: &random) {
            bytes = Array(bytes.prefix(Int.random(in: 0...bytes.count, using: &random)))
            bytes += other.suffix(Int.random(in: 0...other.count, using: &random))
        }
        for _ in 0..<Int.random(in: 0...4, using: &random) where !bytes.isEmpty {
            let start = Int.random(in: 0..<bytes.count, using: &random)
            let end = min(bytes.count, start + Int.random(in: 1...8, using: &random))
            let fill: UInt8? = [0, 0xFF, 0x7F, nil].randomElement(using: &random) ?? nil
            for index in start..<end { bytes[index] = fill ?? UInt8.random(in: 0...255, using: &random) }
        }
        return bytes
    }

    @Test("Ferry messages: what decodes encodes to the same bytes", arguments: 1...4 as ClosedRange<UInt64>)
    func ferryMessages(seed: UInt64) throws {
        var random = SeededGenerator(state: seed)
        let pool = try Sample.messages.map { _, message in try message.encoded() }
        for _ in 0..<1_000 {
            let bytes = scrambled(pool, using: &random)
            guard let message = try? PeerMessage(decoding: bytes) else { continue }
            #expect(try message.encoded() == bytes, "seed \(seed)")
        }
    }

    @Test("net-mesh messages: what decodes encodes to a prefix of the bytes", arguments: 1...4 as ClosedRange<UInt64>)
    func netMeshMessages(seed: UInt64) throws {
        var random = SeededGenerator(state: seed)
        let pool = try JSON.netMesh.get()["messages"]["vectors"].elements.compactMap { $0["hex"].bytes }
        for _ in 0..<1_000 {
            let bytes = scrambled(pool, using: &random)
            guard let message = try? MigrationMessage(decoding: bytes) else { continue }
            #expect(try bytes.starts(with: message.encoded()), "seed \(seed)")
        }
    }

    @Test("snapshots and ledgers", arguments: 1...4 as ClosedRange<UInt64>)
    func snapshots(seed: UInt64) throws {
        var random = SeededGenerator(state: seed)
        let pool = try JSON.netMesh.get()["cds1_oracle"]["vectors"].elements.compactMap { $0["hex"].bytes }
        for _ in 0..<500 {
            let bytes = scrambled(pool, using: &random)
            if let snapshot = try? StateSnapshot(decoding: bytes) {
                #expect(try snapshot.encoded() == bytes, "seed \(seed)")
            }
            if let ledger = try? SubscriptionLedger(decoding: Array(bytes.dropFirst(93))) {
                #expect(try SubscriptionLedger(decoding: ledger.encoded()) == ledger, "seed \(seed)")
            }
        }
    }
}
