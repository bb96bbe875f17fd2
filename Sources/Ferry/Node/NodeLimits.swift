/// Every limit that a host may set on its node; each has a default and a range.
public struct NodeLimits: Sendable, Hashable {
    /// Daemons on this node; 1 to 1,000,000.
    public var daemonCount = 10_000
    /// The longest state that is taken in, in bytes; 1 to 2^48.
    public var stateByteCount: UInt64 = 1 << 48
    /// Bytes of all states on their way in at once, by their sources' offers and by what has arrived; 1 to 2^48. By default three
    /// quarters of the machine's memory.
    public var arrivingByteCount: UInt64?
    /// Moves in which this node takes part at once, those that any one peer has ordered at most a quarter of it; 1 to 10,000.
    public var moveCount = 64
    /// Plain bytes in one chunk of a snapshot; 64 KiB to 4 MiB.
    public var chunkByteCount = 256 << 10
    /// Deliveries of one daemon that wait for their destinations; beyond them its inputs wait. 1 to 1,000,000.
    public var pendingDeliveryCount = 4_096
    /// Sessions at once; 1 to 100,000.
    public var sessionCount = 1_024

    /// The defaults.
    public init() {}

    /// What is out of range, one line each.
    func problems() -> [String] {
        var problems: [String] = []
        func check<Value: Comparable>(_ name: String, _ value: Value, _ range: ClosedRange<Value>) {
            if !range.contains(value) { problems.append("limit \(name) is \(value), outside \(range)") }
        }
        check("daemonCount", daemonCount, 1...1_000_000)
        check("stateByteCount", stateByteCount, 1...(1 << 48))
        if let arrivingByteCount { check("arrivingByteCount", arrivingByteCount, 1...(1 << 48)) }
        check("moveCount", moveCount, 1...10_000)
        check("chunkByteCount", chunkByteCount, (64 << 10)...(4 << 20))
        check("pendingDeliveryCount", pendingDeliveryCount, 1...1_000_000)
        check("sessionCount", sessionCount, 1...100_000)
        return problems
    }
}
