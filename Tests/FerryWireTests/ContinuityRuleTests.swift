import FerryWire
import Testing

@Suite("Continuity, rule by rule")
struct ContinuityRuleTests {
    private let log = ContinuityTests.log(6)

    private func link(_ sequence: UInt64, parent: UInt64, origin: UInt64 = 0xAAAA) -> CausalLink {
        CausalLink(origin: OriginHash(rawValue: origin), horizon: 0, sequence: sequence, parent: parent)
    }

    @Test("a proof between two heads is the vector's, whichever head comes first")
    func proofOfHeads() throws {
        let group = try JSON.netMesh.get()["continuity_proof"]["from_superposition"]
        let (source, target) = (try #require(group["source_head"].link), try #require(group["target_head"].link))
        #expect(try ContinuityProof(between: source, and: target)?.encoded() == group["hex"].bytes)
        #expect(ContinuityProof(between: target, and: source) == ContinuityProof(between: source, and: target))
        #expect(ContinuityProof(between: source, and: link(1, parent: 2, origin: 1)) == nil)
    }

    @Test("a proof's hashes belong to its sequences: it holds against the log that its heads end")
    func proofSequencesMatchHashes() throws {
        let proof = try #require(ContinuityProof(between: log[2].link, and: log[5].link))
        #expect(proof.fromSequence == 2 && proof.toSequence == 5)
        try proof.verify(against: log)
        let point = try #require(ContinuityProof(between: log[3].link, and: log[3].link))
        #expect(point.fromSequence == point.toSequence)
        try point.verify(against: log)
    }

    @Test("heads at genesis: sequences 0 and 1 both give 0, and nothing wraps")
    func proofAtGenesis() throws {
        let genesis = CausalLink.genesis(ContinuityTests.origin)
        let atGenesis = try #require(ContinuityProof(between: genesis, and: genesis))
        #expect(atGenesis.fromSequence == 0 && atGenesis.toSequence == 0 && atGenesis.fromHash == 0 && atGenesis.toHash == 0)
        let first = try #require(ContinuityProof(between: log[0].link, and: genesis))
        #expect(first.fromSequence == 0 && first.toSequence == 0 && first.fromHash == 0 && first.toHash == log[0].link.parent)
        let last = try #require(ContinuityProof(between: link(.max, parent: 5), and: link(.max, parent: 6)))
        #expect(last.fromSequence == .max - 1 && last.toSequence == .max - 1)
    }

    @Test("verification looks at every output in between, not at the endpoints alone")
    func proofInterior() throws {
        let proof = try #require(ContinuityProof(between: log[1].link, and: log[5].link))
        for index in 1...3 {
            var altered = log
            altered[index].link.horizon ^= 1
            #expect(throws: ContinuityProof.Failure.self) { try proof.verify(against: altered) }
        }
    }

    @Test("a span one below the limit is walked, at the limit it is refused unread; a reversed one is refused")
    func proofSpan() {
        let span = WireLimits.continuityProofSpan
        func failure(_ from: UInt64, _ to: UInt64) -> ContinuityProof.Failure? {
            let proof = ContinuityProof(origin: ContinuityTests.origin, fromSequence: from, toSequence: to, fromHash: 0, toHash: 0)
            do {
                try proof.verify(against: [])
                return nil
            } catch {
                return error
            }
        }
        #expect(failure(5, 5 + span - 1) == .missingEvent(sequence: 5))
        #expect(failure(5, 5 + span) == .spanTooLarge)
        #expect(failure(0, .max) == .spanTooLarge)
        #expect(failure(6, 5) == .invalidRange)
        #expect(failure(.max, 0) == .invalidRange)
    }

    @Test("a forged first output is no anchor: with the right sequence and another parent the chain is forked")
    func forgedAnchor() {
        var forged = Array(log.dropFirst(3))
        forged[0].link.parent ^= 1
        let anchor = ChainAnchor(link: log[2].link, headPayload: log[2].payload)
        #expect(assessContinuity(of: forged, after: anchor) == .forked(at: 4))
        #expect(assessContinuity(of: forged) == .unverifiable)
    }

    @Test("an anchor without head payload proves nothing, one with an empty payload may")
    func headPayloadOfAnchor() {
        var builder = ChainBuilder(head: link(7, parent: 3), headPayload: [])
        let next = builder.next(payload: [1], horizon: 0).map { CausalEvent(link: $0, payload: [1], receivedAt: 0) }
        let tail = [next].compactMap(\.self)
        #expect(assessContinuity(of: tail, after: ChainAnchor(link: link(7, parent: 3), headPayload: nil)) == .unverifiable)
        #expect(assessContinuity(of: tail, after: ChainAnchor(link: link(7, parent: 3), headPayload: [])) == .continuous(through: 8))
    }

    @Test("an anchor at the last sequence vouches for nothing, and nothing wraps to 0 or repeats the last")
    func anchorAtTheEnd() {
        let anchor = ChainAnchor(link: link(.max, parent: 3), headPayload: [1])
        for sequence: UInt64 in [0, 2, .max] {
            let event = CausalEvent(link: link(sequence, parent: 9), payload: [], receivedAt: 0)
            #expect(assessContinuity(of: [event], after: anchor) == .unverifiable)
        }
    }

    @Test("a genesis snapshot with a head payload is junk, not a fork")
    func junkGenesisPayload() {
        let genesis = CausalLink.genesis(ContinuityTests.origin)
        #expect(assessContinuity(of: log, after: ChainAnchor(link: genesis, headPayload: [0])) == .unverifiable)
        for payload: [UInt8]? in [nil, []] {
            #expect(assessContinuity(of: log, after: ChainAnchor(link: genesis, headPayload: payload)) == .continuous(through: 6))
        }
    }

    @Test("a log from sequence 1 stands on genesis, wherever the snapshot at hand stands")
    func wholeLogWithLaterSnapshot() {
        let anchor = ChainAnchor(link: log[3].link, headPayload: nil)
        #expect(assessContinuity(of: log, after: anchor) == .continuous(through: 6))
        var forged = log
        forged[0].link.parent ^= 1
        #expect(assessContinuity(of: forged, after: anchor) == .forked(at: 1))
    }

    @Test("an event at sequence 0 seeds no log: neither genesis nor junk is an output")
    func junkGenesisEvent() {
        for parent: UInt64 in [0, 9] {
            let junk = CausalEvent(link: link(0, parent: parent), payload: [1], receivedAt: 0)
            let anchor = ChainAnchor(link: .genesis(ContinuityTests.origin), headPayload: [])
            #expect(assessContinuity(of: [junk] + log) == .unverifiable)
            #expect(assessContinuity(of: [junk] + log, after: anchor) == .unverifiable)
        }
    }

    @Test("a chain continued from the daemon's state instead of its head payload is forked: what a move through plain CDS1 leaves")
    func stateAsHeadPayload() throws {
        let vectors = try JSON.netMesh.get()["restore_breaks_chain"]["vectors"].elements
        #expect(vectors.count == 2)
        for vector in vectors {
            let before = try StateSnapshot(decoding: try #require(vector["restored_from"].bytes))
            let after = try StateSnapshot(decoding: try #require(vector["after_one_event"].bytes))
            #expect(after.chainLink.sequence == before.chainLink.sequence + 1)
            #expect(forwardHash(before.chainLink, before.state.rawSpan) == vector["parent_hash_if_state"].hexInteger)
            #expect(after.chainLink.parent == vector["parent_hash_seen"].hexInteger)
            let output = CausalEvent(link: after.chainLink, payload: try #require(vector["output"].bytes), receivedAt: 0)
            // The true head payload: the recorded daemon writes "out-" and the number of its output; before the first there is none.
            let sequence = before.chainLink.sequence
            let payload = sequence == 0 ? [] : Array("out-\(sequence)".utf8)
            #expect(forwardHash(before.chainLink, payload.rawSpan) == vector["parent_hash_if_head_payload"].hexInteger)
            let anchor = ChainAnchor(link: before.chainLink, headPayload: payload)
            #expect(assessContinuity(of: [output], after: anchor) == .forked(at: sequence + 1))
            // Absent and empty are told apart: a decoded snapshot has no head payload at all.
            #expect(before.headPayload == nil)
            #expect(try StateSnapshot(decoding: try #require(vector["resnapshot"].bytes)).chainLink == before.chainLink)
        }
    }

    @Test("a horizon that starts empty after a restore, as net-mesh's does, differs from the one carried on")
    func horizonNotCarried() throws {
        for vector in try JSON.netMesh.get()["restore_breaks_chain"]["vectors"].elements {
            let after = try StateSnapshot(decoding: try #require(vector["after_one_event"].bytes))
            #expect(after.chainLink.horizon == vector["horizon_seen"].hexInteger)
            var fresh = ObservedHorizon()
            fresh.observe(OriginHash(rawValue: 0xCCCC), sequence: 1)
            #expect(fresh.encoded.rawValue == vector["horizon_seen"].hexInteger)
            for origin: UInt64 in [0xAAAA, 0xBBBB, 0xDEAD_BEEF_CAFE_F00D] { fresh.observe(OriginHash(rawValue: origin), sequence: 1) }
            #expect(fresh.encoded.rawValue == vector["horizon_if_carried"].hexInteger)
        }
    }

    @Test("the recorded daemon's links follow from its outputs and the origins that it had seen")
    func recordedDaemon() throws {
        let steps = try JSON.netMesh.get()["snapshot_sequence"]["steps"].elements
        #expect(steps.count == 6)
        var builder: ChainBuilder?
        var horizon = ObservedHorizon()
        for step in steps {
            let snapshot = try StateSnapshot(decoding: try #require(step["hex"].bytes))
            let fields = step["parsed"]
            let link = snapshot.chainLink
            #expect([link.origin.rawValue, link.horizon, link.sequence, link.parent] == fields["link"].elements.compactMap(\.integer))
            #expect(snapshot.state == fields["state"].bytes && snapshot.createdAt == fields["created_at"].integer)
            if let output = step["after"]["output"].bytes {
                let input = step["after"]["deliver"].elements.compactMap(\.integer)
                horizon.observe(OriginHash(rawValue: input[0]), sequence: input[1])
                let next = builder?.next(payload: output, horizon: horizon.encoded.rawValue)
                #expect(next == link)
            } else {
                builder = ChainBuilder(origin: link.origin)
            }
        }
        #expect(builder?.head.sequence == 5)
    }
}
