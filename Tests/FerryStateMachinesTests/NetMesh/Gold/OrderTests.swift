import FerryStateMachines
import FerryWire
import Testing

/// Inputs are told apart by emitter and sequence and by nothing else: net-mesh migration §I-18.
@Suite("Net-mesh order of inputs")
struct NetMeshOrderTests {
    let origin = MeshSample.origin

    /// Moves a daemon with these inputs in the final batch; returns what it has processed.
    private func moved(_ events: [CausalEvent], after earlier: [CausalEvent] = []) -> [MeshInput] {
        let world = NetMeshFlowTests.world(nodes: 2, source: 0, target: 1, orchestrator: 0)
        world.checksOrder = false
        for event in earlier where world.nodes[0].offer(event) { world.accepted.insert(MeshInput(event)) }
        world.nodes[0].start(from: 0, to: 1)
        NetMeshFlowTests.offerWhenFenced(0, at: 0, in: world)
        for event in events where world.nodes[0].offer(event) { world.accepted.insert(MeshInput(event)) }
        world.settle()
        return world.nodes[1].live[origin]?.log ?? []
    }

    @Test("inputs whose sequence is below the daemon's own output sequence are new")
    func inputsBelowTheOutputSequence() {
        let earlier = (1...9 as ClosedRange<UInt64>).map { MeshSample.event($0, emitter: 1) }
        let events = (1...3 as ClosedRange<UInt64>).map { MeshSample.event($0, emitter: 2) }
        #expect(moved(events, after: earlier) == (earlier + events).map { MeshInput($0) })
    }

    @Test("emitters with equal sequences stay apart, in the order of arrival")
    func emittersAreApart() {
        let events = [(1, 5), (2, 5), (3, 5), (1, 6), (2, 6)].map { MeshSample.event($0.1, emitter: $0.0) }
        #expect(moved(events) == events.map { MeshInput($0) })
    }

    @Test("a gap in an emitter's sequences is legal, and what follows it is processed")
    func gapsAreLegal() {
        let events = [1, 2, 9, 40].map { MeshSample.event($0) }
        #expect(moved(events) == events.map { MeshInput($0) })
    }

    @Test("the last sequence there is, and 0, are sequences like any other")
    func lastSequence() {
        let events = [.max - 1, .max, 0].map { MeshSample.event($0) }
        #expect(moved(events) == events.map { MeshInput($0) })
    }

    @Test("a batch that comes twice, and an input that comes by both ways, take effect once")
    func duplicatesAreDropped() {
        let world = NetMeshFlowTests.world(nodes: 3, source: 1, target: 2, orchestrator: 0)
        let target = world.nodes[2]
        world.fate = { _, _, frame in frame.bytes.first == 7 ? .twice : .pass }
        var offered = false
        world.beforeDelivery = { world, frame in
            guard frame.bytes.first == 4, !offered else { return }
            offered = true
            // The same inputs reach the target by subscription, before and after the tail.
            for sequence in 1...3 as ClosedRange<UInt64> { _ = target.offer(MeshSample.event(sequence)) }
        }
        world.nodes[0].start(from: 1, to: 2)
        NetMeshFlowTests.offerWhenFenced(3, at: 1, in: world)
        world.run(for: .seconds(5))
        #expect(offered)
        for sequence in 1...3 as ClosedRange<UInt64> { #expect(target.offer(MeshSample.event(sequence))) }
        #expect(target.offer(MeshSample.event(4)))
        world.accepted.insert(MeshInput(MeshSample.event(4)))
        world.settle()
    }

    @Test("an input that a live target has processed is not processed again from a tail that comes later")
    func tailAfterDirectDelivery() {
        let world = NetMeshFlowTests.world(nodes: 3, source: 1, target: 2, orchestrator: 0)
        world.checksOrder = false
        let tail = NetMeshFlowTests.loseTails(in: world)
        world.nodes[0].start(from: 1, to: 2)
        NetMeshFlowTests.offerWhenFenced(2, at: 1, in: world)
        world.run(for: .seconds(10))
        guard let frame = tail.frame, world.nodes[2].live[origin] != nil else { return #expect(Bool(false), "\(world.trace)") }
        #expect(world.nodes[2].offer(MeshSample.event(1)))
        world.nodes[2].receive(frame.bytes, from: frame.from)
        world.run(for: .seconds(1))
        #expect(world.nodes[2].live[origin]?.log == [MeshInput(MeshSample.event(1)), MeshInput(MeshSample.event(2))])
        world.settle()
    }
}
