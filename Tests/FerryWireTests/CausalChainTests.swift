import FerryWire
import Testing

@Suite("The causal chain")
struct CausalChainTests {
    let vectors: JSON

    init() throws { vectors = try JSON.netMesh.get() }

    private func verdict(on link: CausalLink, after previous: CausalLink, payload: [UInt8]) -> WireError.Code? {
        do {
            try previous.validateSuccessor(link, payload: payload.rawSpan)
            return nil
        } catch {
            return error.code
        }
    }

    @Test("a link is 32 bytes that round-trip with any values")
    func linkBytes() throws {
        let cases = vectors["causal_link"]["vectors"].elements
        #expect(!cases.isEmpty)
        for vector in cases {
            let bytes = try #require(vector["bytes"].bytes)
            let link = try #require(CausalLink(bytes))
            #expect(link.origin.rawValue == vector["origin_hash"].integer)
            #expect(link.horizon == vector["horizon_encoded"].integer)
            #expect(link.sequence == vector["sequence"].integer)
            #expect(link.parent == vector["parent_hash"].integer)
            #expect(link.bytes == bytes)
            #expect(CausalLink(Array(bytes.dropLast())) == nil)
        }
    }

    @Test("a builder continues from genesis or from a head, with equal links")
    func builder() throws {
        let group = vectors["chain_builder"]
        var builder = ChainBuilder(origin: OriginHash(rawValue: try #require(group["origin"].integer)))
        #expect(builder.head.isGenesis)
        for vector in group["events"].elements {
            let payload = try #require(vector["payload"].bytes)
            let horizon = try #require(vector["horizon"].integer)
            var resumed = ChainBuilder(head: builder.head, headPayload: builder.headPayload)
            #expect(builder.next(payload: payload, horizon: horizon) == vector.link)
            #expect(resumed.next(payload: payload, horizon: horizon) == vector.link)
            #expect(resumed == builder)
        }
        #expect(builder.head.sequence == 4)
    }

    @Test("the last sequence has no successor, and the builder stays as it was")
    func overflow() {
        let last = CausalLink(origin: OriginHash(rawValue: 9), horizon: 0, sequence: .max - 1, parent: 7)
        var builder = ChainBuilder(head: last, headPayload: [1])
        #expect(builder.next(payload: [2], horizon: 0)?.sequence == .max)
        let full = builder
        #expect(builder.next(payload: [3], horizon: 0) == nil)
        #expect(builder == full)
        #expect(verdict(on: full.head, after: full.head, payload: [2]) == .sequenceGap)
    }

    @Test("a successor is checked for origin, then sequence, then parent")
    func successors() throws {
        let group = vectors["chain_validation"]
        let previous = try #require(group["prev"].link)
        let payload = try #require(group["prev_payload"].bytes)
        let codes: [String: WireError.Code] = [
            "OriginMismatch": .originMismatch, "SequenceGap": .sequenceGap, "ParentHashMismatch": .parentHashMismatch,
        ]
        #expect(group["vectors"].elements.count == 4)
        for vector in group["vectors"].elements {
            let link = try #require(vector["new"].link)
            let expected = codes[try #require(vector["result"].text)]
            #expect(verdict(on: link, after: previous, payload: payload) == expected)
        }
        let allWrong = CausalLink(origin: OriginHash(rawValue: 1), horizon: 0, sequence: 9, parent: 9)
        #expect(verdict(on: allWrong, after: previous, payload: payload) == .originMismatch)
    }
}

@Suite("Continuity")
struct ContinuityTests {
    static let origin = OriginHash(rawValue: 0xAAAA)

    static func log(_ count: Int) -> [CausalEvent] {
        var builder = ChainBuilder(origin: origin)
        return (1...count).compactMap { index in
            let payload = patternBytes(index)
            return builder.next(payload: payload, horizon: 0).map { CausalEvent(link: $0, payload: payload, receivedAt: 0) }
        }
    }

    @Test("a proof is 40 bytes, no more and no fewer")
    func proofBytes() throws {
        let cases = try JSON.netMesh.get()["continuity_proof"]["vectors"].elements
        #expect(!cases.isEmpty)
        for vector in cases {
            let bytes = try #require(vector["hex"].bytes)
            let proof = try ContinuityProof(decoding: bytes)
            let values = vector["values"].elements.compactMap(\.integer)
            #expect([proof.origin.rawValue, proof.fromSequence, proof.toSequence, proof.fromHash, proof.toHash] == values)
            #expect(try proof.encoded() == bytes)
            #expect(errorCode { () throws(WireError) in try ContinuityProof(decoding: (bytes + [0])) } == .trailingBytes)
            #expect(errorCode { () throws(WireError) in try ContinuityProof(decoding: Array(bytes.dropLast())) } == .truncated)
        }
    }

    @Test("a proof holds against the log that it is about, and names the first place where it does not")
    func proofVerification() throws {
        let log = Self.log(6)
        let proof = ContinuityProof(
            origin: Self.origin, fromSequence: 2, toSequence: 5, fromHash: log[1].forwardHash, toHash: log[4].forwardHash)
        try proof.verify(against: log)
        func failure(_ change: (inout ContinuityProof) -> Void, _ log: [CausalEvent]) -> ContinuityProof.Failure? {
            var changed = proof
            change(&changed)
            do {
                try changed.verify(against: log)
                return nil
            } catch {
                return error
            }
        }
        #expect(failure({ $0.origin = OriginHash(rawValue: 1) }, log) == .originMismatch)
        #expect(failure({ $0.fromSequence = 6 }, log) == .invalidRange)
        #expect(failure({ $0.toSequence = 2 + WireLimits.continuityProofSpan }, log) == .spanTooLarge)
        #expect(failure({ $0.toSequence = 1 + WireLimits.continuityProofSpan }, log) == .missingEvent(sequence: 7))
        #expect(failure({ $0.fromHash ^= 1 }, log) == .hashMismatch(sequence: 2))
        #expect(failure({ $0.toHash ^= 1 }, log) == .hashMismatch(sequence: 5))
        #expect(failure({ $0.fromSequence = 0 }, log) == .missingEvent(sequence: 0))
        var torn = log
        torn.remove(at: 2)
        #expect(failure({ _ in }, torn) == .missingEvent(sequence: 3))
        var altered = log
        altered[2].payload.append(1)
        #expect(failure({ _ in }, altered) == .hashMismatch(sequence: 3))
    }

    @Test("a log is continuous, gapped, forked or unverifiable")
    func assessment() {
        let log = Self.log(5)
        #expect(assessContinuity(of: log) == .continuous(through: 5))
        #expect(assessContinuity(of: []) == .empty)
        #expect(assessContinuity(of: Array(log.dropFirst())) == .unverifiable)
        var gapped = log
        gapped.remove(at: 3)
        #expect(assessContinuity(of: gapped) == .gap(after: 3))
        var forked = log
        forked[2].payload = []
        #expect(assessContinuity(of: forked) == .forked(at: 4))
        var junk = log
        junk[0].link.parent ^= 1
        #expect(assessContinuity(of: junk) == .forked(at: 1))
    }

    @Test("after a snapshot, the head payload decides: absent is not empty")
    func assessmentAfterAnchor() {
        let log = Self.log(5)
        let tail = Array(log.dropFirst(3))
        let anchor = ChainAnchor(link: log[2].link, headPayload: log[2].payload)
        #expect(assessContinuity(of: tail, after: anchor) == .continuous(through: 5))
        #expect(assessContinuity(of: [], after: anchor) == .continuous(through: 3))
        #expect(assessContinuity(of: tail, after: ChainAnchor(link: log[2].link, headPayload: nil)) == .unverifiable)
        #expect(assessContinuity(of: tail, after: ChainAnchor(link: log[2].link, headPayload: [])) == .forked(at: 4))
        #expect(assessContinuity(of: Array(tail.dropFirst()), after: anchor) == .unverifiable)
        let genesis = CausalLink.genesis(Self.origin)
        #expect(assessContinuity(of: log, after: ChainAnchor(link: genesis, headPayload: nil)) == .continuous(through: 5))
        #expect(assessContinuity(of: log, after: ChainAnchor(link: genesis, headPayload: [1])) == .unverifiable)
    }
}
