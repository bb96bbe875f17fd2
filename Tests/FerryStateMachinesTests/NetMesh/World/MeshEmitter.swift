import FerryStateMachines
import FerryWire

/// Offers its events one after another, each until some node has accepted it.
///
/// It starts at the node that it knows, follows forwarding, and asks the others in turn when it is turned away.
struct MeshEmitter {
    let origin: UInt64
    let interval: Duration
    /// The last sequence to offer.
    let count: UInt64
    var next: UInt64 = 1
    var place: Int
    var nextAttempt: Timestamp?

    init(origin: UInt64, count: UInt64, every interval: Duration, at place: Int, from start: Timestamp) {
        self.origin = origin
        self.count = count
        self.interval = interval
        self.place = place
        nextAttempt = start
    }

    mutating func run(_ world: MeshWorld) {
        guard let due = nextAttempt, due <= world.now else { return }
        guard next <= count else {
            nextAttempt = nil
            return
        }
        let event = MeshSample.event(next, emitter: origin)
        if world.nodes[place].offer(event, for: MeshSample.origin) {
            world.accepted.insert(MeshInput(event))
            next += 1
        } else {
            place = (place + 1) % world.nodes.count
        }
        nextAttempt = next <= count ? world.now + interval : nil
    }
}

/// SplitMix64: everything in a world follows from its seed.
struct MeshRandom {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
