import Ferry
import FerrySodium
import FerryWire
import Testing

@Suite(.timeLimit(.minutes(1))) struct MoveReceiptTests {
    @Test("a receipt holds as it was given, and with no fact or signature of either half altered")
    func alterations() async throws {
        try await withHosts(2) { nodes in
            let entity = try await nodes[0].spawn(LedgerDaemon(seed: 120))
            let receipt = try await nodes[0].migrate(entity, to: nodes[1].endpoint).value.receipt
            #expect(try receipt.isValid(crypto: .sodium))
            let alterations: [(inout MoveReceipt) -> Void] = [
                { $0.take.epoch = Epoch(rawValue: 9) },
                { $0.take.targetBoot = BootID([UInt8](repeating: 1, count: 16)) ?? $0.take.targetBoot },
                { $0.take.daemonSignature = $0.take.nodeSignature },
                { $0.take.nodeSignature = $0.take.daemonSignature },
                { $0.release.release.chainSequence += 1 },
                { $0.release.daemonSignature = $0.release.nodeSignature },
                { $0.release.nodeSignature = $0.release.daemonSignature },
            ]
            for (index, alter) in alterations.enumerated() {
                var altered = receipt
                alter(&altered)
                #expect(try !altered.isValid(crypto: .sodium), "alteration \(index)")
            }
        }
    }
}
