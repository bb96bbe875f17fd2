internal import FerryStateMachines

/// What will happen, in order of (time, sequence number): a binary heap.
struct SimulationQueue<Event> {
    private struct Entry {
        var at: Timestamp
        var ordinal: UInt64
        var event: Event

        func precedes(_ other: Self) -> Bool { at != other.at ? at < other.at : ordinal < other.ordinal }
    }

    private var heap: [Entry] = []
    private var nextOrdinal: UInt64 = 0

    var count: Int { heap.count }
    var firstTime: Timestamp? { heap.first?.at }

    mutating func push(at time: Timestamp, _ event: Event) {
        nextOrdinal += 1
        heap.append(Entry(at: time, ordinal: nextOrdinal, event: event))
        var child = heap.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            guard heap[child].precedes(heap[parent]) else { break }
            heap.swapAt(child, parent)
            child = parent
        }
    }

    mutating func popFirst() -> (at: Timestamp, event: Event)? {
        guard let last = heap.popLast() else { return nil }
        guard let first = heap.first else { return (last.at, last.event) }
        heap[0] = last
        var parent = 0
        while true {
            var least = parent
            let left = 2 * parent + 1
            if left < heap.count, heap[left].precedes(heap[least]) { least = left }
            if left + 1 < heap.count, heap[left + 1].precedes(heap[least]) { least = left + 1 }
            guard least != parent else { break }
            heap.swapAt(parent, least)
            parent = least
        }
        return (first.at, first.event)
    }
}
