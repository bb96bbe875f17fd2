import FerryWire
import Synchronization
import Testing

@testable import Ferry

@Suite(.timeLimit(.minutes(1))) struct OrderQueueTests {
    private let a = Self.key(1)
    private let b = Self.key(2)

    private static func key(_ byte: UInt8) -> NodeKey {
        guard let bytes = FixedBytes32([UInt8](repeating: byte, count: 32)) else { preconditionFailure("32 bytes are a key") }
        return NodeKey(rawValue: bytes)
    }

    private func waitUntil(_ queue: OrderQueue, has count: Int) async {
        while queue.waitingCount != count { await Task.yield() }
    }

    @Test func `a peer gets no more than three quarters of the quarter that it takes from one orchestrator`() {
        #expect(OrderQueue(moveCount: 64).limit == 48)
        #expect(OrderQueue(moveCount: 64).limitPerPeer == 12)
        #expect(OrderQueue(moveCount: 4).limitPerPeer == 1)
        #expect(OrderQueue(moveCount: 1).limit == 1)
        #expect(OrderQueue(moveCount: 1).limitPerPeer == 1)
    }

    @Test func `an order at the limit begins, one past it waits for another to end`() async throws {
        let queue = OrderQueue(moveCount: 32)
        for _ in 0..<queue.limitPerPeer { try await queue.enter([a]) }
        #expect(queue.waitingCount == 0)
        let late = Task { try await queue.enter([a]) }
        await waitUntil(queue, has: 1)
        queue.leave([a])
        try await late.value
        #expect(queue.waitingCount == 0)
    }

    @Test func `whoever waits for a busy node does not hold up the others`() async throws {
        let queue = OrderQueue(moveCount: 32)
        for _ in 0..<queue.limitPerPeer { try await queue.enter([a]) }
        let late = Task { try await queue.enter([a, b]) }
        await waitUntil(queue, has: 1)
        try await queue.enter([b])
        #expect(queue.waitingCount == 1)
        queue.leave([a])
        try await late.value
    }

    @Test func `all nodes together are bounded too`() async throws {
        let queue = OrderQueue(moveCount: 4)
        for byte in 0..<UInt8(queue.limit) { try await queue.enter([Self.key(byte + 10)]) }
        let late = Task { try await queue.enter([a, b]) }
        await waitUntil(queue, has: 1)
        queue.leave([Self.key(10)])
        try await late.value
    }

    @Test func `an order that is given up while it waits takes nobody's turn`() async throws {
        let queue = OrderQueue(moveCount: 4)
        try await queue.enter([a])
        let first = Task { try await queue.enter([a]) }
        await waitUntil(queue, has: 1)
        let second = Task { try await queue.enter([a]) }
        await waitUntil(queue, has: 2)
        first.cancel()
        await #expect(throws: CancellationError.self) { try await first.value }
        queue.leave([a])
        try await second.value
        #expect(queue.waitingCount == 0)
    }

    @Test func `orders begin in the order in which they came`() async throws {
        let queue = OrderQueue(moveCount: 4)
        try await queue.enter([a])
        let begun = Begun()
        var tasks: [Task<Void, any Error>] = []
        for number in 0..<10 {
            tasks.append(
                Task {
                    try await queue.enter([a])
                    begun.numbers.withLock { $0.append(number) }
                    queue.leave([a])
                })
            await waitUntil(queue, has: number + 1)
        }
        queue.leave([a])
        for task in tasks { try await task.value }
        #expect(begun.numbers.withLock { $0 } == Array(0..<10))
    }

    private final class Begun: Sendable {
        let numbers = Mutex<[Int]>([])
    }
}
