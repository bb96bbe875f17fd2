import FerryCrypto
import FerrySodium
import FerryStateMachines
import FerryWire
import Testing

@Suite("Who may speak for daemons") struct EmitterFenceTests {
    private let crypto = CryptoProvider.sodium
    private let stranger: NodeKey
    private let honest: NodeKey

    init() throws {
        let provider = CryptoProvider.sodium
        stranger = try NodeIdentity.generate(crypto: provider).nodeKey
        honest = try NodeIdentity.generate(crypto: provider).nodeKey
    }

    private func key() throws -> EntityKeypair {
        let provider = crypto
        return try EntityKeypair.generate(crypto: provider)
    }

    private func hello(_ key: EntityKeypair, epoch: Epoch = .first, from node: NodeKey, _ fence: inout EmitterFence) throws
        -> EmitterFence.Verdict
    {
        let credential = try LaneCredential(signing: key, epoch: epoch, node: node)
        return fence.admit(hello: credential, of: key.originHash, from: node, isNode: false, crypto: crypto)
    }

    private func event(_ emitter: OriginHash, epoch: Epoch = .first, from node: NodeKey, _ fence: inout EmitterFence)
        -> EmitterFence.Verdict
    {
        fence.admit(event: epoch, of: emitter, from: node, isNode: false)
    }

    @Test("a node that says hello for any number of daemons fills nothing that travels, and displaces only its own")
    func invented() throws {
        var fence = EmitterFence()
        let emitter = try key()
        #expect(try hello(emitter, from: honest, &fence) == .pass)
        var invented: [OriginHash] = []
        for count in 1...EmitterFence.silentCountPerNode + 1 {
            let key = try key()
            invented.append(key.originHash)
            #expect(try hello(key, from: stranger, &fence) == .pass)
            let isFirstKnown = event(invented[0], from: stranger, &fence) == .pass
            #expect(isFirstKnown == (count <= EmitterFence.silentCountPerNode))
        }
        #expect(event(invented[0], from: stranger, &fence) == .unproven)
        #expect(event(invented[1], from: stranger, &fence) == .pass)
        #expect(fence.marked([]).isEmpty)
        #expect(event(emitter.originHash, from: honest, &fence) == .pass)
    }

    @Test("what an emitter has proven is kept from its first event on, once, and then fences lower epochs")
    func kept() throws {
        var fence = EmitterFence()
        let emitter = try key()
        let origin = emitter.originHash
        let second = Epoch(rawValue: 2)
        var nothing = fence.keep(origin)
        #expect(nothing == nil)
        #expect(try hello(emitter, epoch: second, from: honest, &fence) == .pass)
        // Also before the first event a stale owner is unheard.
        #expect(try hello(emitter, from: stranger, &fence) == .unproven)
        let proof = fence.keep(origin)
        let input = try #require(proof)
        #expect(input.content == .credential && input.link.origin == origin && input.link.sequence == 2)
        nothing = fence.keep(origin)
        #expect(nothing == nil)
        #expect(fence.marked([LaneCursor(emitter: origin, sequence: 1)]).map(\.emitterEpoch) == [second])
        for _ in 0...EmitterFence.silentCountPerNode { #expect(try hello(try key(), from: honest, &fence) == .pass) }
        #expect(event(origin, epoch: second, from: honest, &fence) == .pass)
        #expect(try hello(emitter, from: stranger, &fence) == .unproven)
        guard case .raised(let raised) = try hello(emitter, epoch: Epoch(rawValue: 3), from: stranger, &fence) else {
            Issue.record("a kept emitter's new epoch is not told")
            return
        }
        #expect(raised.link.sequence == 3)
        #expect(event(origin, epoch: second, from: honest, &fence) == .unproven)
    }

    @Test("a copy learns no more emitters from a log than it may have lanes, and the epochs of those that it knows")
    func replay() throws {
        var source = EmitterFence()
        var copy = EmitterFence(capacity: 2)
        var inputs: [CausalEvent] = []
        for _ in 0..<3 {
            let key = try key()
            _ = try hello(key, from: honest, &source)
            let proof = source.keep(key.originHash)
            inputs.append(try #require(proof))
        }
        let areTaken = inputs.map { copy.replay($0) }
        #expect(areTaken == [true, true, false])
        #expect(copy.marked([]).count == 2)
        var raised = inputs[0]
        raised.link.sequence = 9
        let isTaken = copy.replay(raised)
        #expect(isTaken)
        #expect(copy.epoch(of: raised.link.origin) == Epoch(rawValue: 9))
    }
}
