internal import FerryStateMachines

/// A message or frame on its way.
struct Arrival {
    var from: Int
    var to: Int
    /// Which session or link carries it, as the network numbers them.
    var session: UInt64
    var bytes: [UInt8]
}

/// What carries messages and states between the world's endpoints; reports to the world.
protocol SimulationNetwork: AnyObject {
    /// Sends a whole message, or loses it: without a session one is dialled.
    func send(_ bytes: [UInt8], from: SimulationEndpoint, to: SimulationEndpoint)
    /// Opens a stream for a state and carries it, once there is a session.
    func begin(_ transfer: SimulationTransfer)
    /// Either side gives the transfer up.
    func cancel(_ transfer: SimulationTransfer)
    /// An endpoint has crashed, or started again.
    func changed(_ endpoint: SimulationEndpoint)
    /// Something that this network pushed has reached its time.
    func arrive(_ arrival: Arrival)
}

/// How long things take on the links, and which of them carry nothing.
struct LinkConditions {
    /// Usual latency.
    var latency: ClosedRange<Int> = 1...8
    /// Bytes a second.
    let byteRate: Int
    /// Until when nothing gets from one endpoint to the other, by `from * count + to`.
    private var blockedUntil: [Timestamp]
    /// Until when a link is slow.
    private var slowUntil: [Timestamp]
    private let count: Int

    init(endpointCount: Int, byteRate: Int) {
        self.byteRate = byteRate
        count = endpointCount
        blockedUntil = [Timestamp](repeating: .zero, count: count * count)
        slowUntil = blockedUntil
    }

    func blocked(_ from: Int, _ to: Int) -> Timestamp { blockedUntil[from * count + to] }
    func isBlocked(_ from: Int, _ to: Int, at now: Timestamp) -> Bool { blocked(from, to) > now }

    mutating func block(_ from: Int, _ to: Int, until time: Timestamp) {
        blockedUntil[from * count + to] = max(blockedUntil[from * count + to], time)
    }

    mutating func slow(_ from: Int, _ to: Int, until time: Timestamp) {
        slowUntil[from * count + to] = time
        slowUntil[to * count + from] = time
    }

    func isSlow(_ from: Int, _ to: Int, at now: Timestamp) -> Bool { slowUntil[from * count + to] > now }

    mutating func heal() {
        for index in blockedUntil.indices {
            blockedUntil[index] = .zero
            slowUntil[index] = .zero
        }
    }

    /// How long this many bytes take, without any queue.
    func duration(_ byteCount: Int, _ from: Int, _ to: Int, at now: Timestamp) -> Duration {
        let rate = isSlow(from, to, at: now) ? max(1, byteRate / 100) : byteRate
        return .nanoseconds(Int64(byteCount) * 1_000_000_000 / Int64(rate))
    }
}
