import FerryCrypto
import FerrySodium
import FerryWire
import Testing

@testable import FerryStateMachines

/// A daemon's lane that has moved with it knows what was accepted, and not always by whom.
@Suite("Late answers to a moved daemon's outputs") struct LateAnswerTests {
    private let crypto = CryptoProvider.sodium
    private let now = Timestamp(nanoseconds: 1_000)

    /// - Returns: why the lane has failed after its believed owner said that it is at `cursor`.
    private func failure(believed: Epoch, said cursor: UInt64, under epoch: Epoch) throws -> EmitterLaneError.Code? {
        let owner = try NodeIdentity.generate(crypto: crypto).nodeKey
        var lane = EmitterLane(
            outputsOf: OriginHash(rawValue: 1), to: OriginHash(rawValue: 2), acknowledged: 594,
            belief: OwnerBelief(node: owner, address: "", epoch: believed), limits: EmitterLimits())
        lane.receive(.welcome(cursor: cursor, epoch: epoch), from: owner, crypto: crypto, now: now)
        return lane.failure?.code
    }

    @Test("one late welcome proves no loss where it is not known who had accepted more")
    func unknownOwner() throws {
        let code = try failure(believed: .none, said: 433, under: Epoch(rawValue: 4))
        #expect(code == nil)
    }

    @Test("nor does one of the owner that is believed")
    func believedOwner() throws {
        let code = try failure(believed: Epoch(rawValue: 4), said: 433, under: Epoch(rawValue: 4))
        #expect(code == nil)
    }

    @Test("a later owner than the believed one has lost what it lacks")
    func laterOwner() throws {
        let code = try failure(believed: Epoch(rawValue: 4), said: 433, under: Epoch(rawValue: 5))
        #expect(code == .acceptedEventsLost)
    }
}
