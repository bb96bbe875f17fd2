import FerryWire
import Testing

@testable import FerryStateMachines

/// Expectations call what changes the table.
private final class Box {
    var losses = RecentLosses()

    var packetThreshold: UInt64 { losses.packetThreshold }
    var lateness: Duration { losses.lateness }
    var isEmpty: Bool { losses.isEmpty }

    func add(_ number: UInt64, sentAt: Timestamp, now: Timestamp) -> Bool { losses.add(number, sentAt: sentAt, now: now) }
    func arrived(_ numbers: ClosedRange<UInt64>, largest: UInt64, now: Timestamp) -> Bool {
        losses.arrived(numbers, largest: largest, now: now)
    }
    func expire(before deadline: Timestamp) -> Bool { losses.expire(before: deadline) }
}

@Suite("Late packets are told from lost ones") struct RecentLossesTests {
    private func at(_ milliseconds: Int) -> Timestamp { Timestamp(nanoseconds: 0) + .milliseconds(milliseconds) }

    @Test("A late packet raises both thresholds to what it took, and no other does") func raises() {
        let losses = Box()
        for number: UInt64 in 5...7 { #expect(!losses.add(number, sentAt: at(10), now: at(20))) }
        #expect(!losses.arrived(0...4, largest: 30, now: at(22)))
        #expect(!losses.arrived(8...30, largest: 30, now: at(22)))
        #expect(losses.packetThreshold == 3)
        #expect(losses.lateness == .zero)
        #expect(losses.arrived(6...6, largest: 30, now: at(22)))
        #expect(losses.packetThreshold == 25)
        #expect(losses.lateness == .milliseconds(12))
        #expect(!losses.arrived(6...6, largest: 90, now: at(40)))
        #expect(!losses.isEmpty)
        #expect(losses.arrived(5...9, largest: 30, now: at(23)))
        #expect(losses.packetThreshold == 26)
        #expect(losses.isEmpty)
    }

    @Test("What does not arrive in time was lost; the sixteenth time in a row ends the patience") func expires() {
        let losses = Box()
        _ = losses.add(1, sentAt: at(0), now: at(10))
        _ = losses.arrived(1...1, largest: 9, now: at(12))
        #expect(losses.packetThreshold == 9)
        for number: UInt64 in 2..<17 {
            _ = losses.add(number, sentAt: at(20), now: at(30))
            #expect(!losses.expire(before: at(30)))
            #expect(losses.expire(before: at(31)))
            #expect(losses.isEmpty)
        }
        #expect(losses.packetThreshold == 9)
        _ = losses.add(17, sentAt: at(20), now: at(30))
        #expect(losses.expire(before: at(31)))
        #expect(losses.packetThreshold == 3)
        #expect(losses.lateness == .zero)
    }

    @Test("The table holds its cap, and one more pushes the oldest out") func cap() {
        let losses = Box()
        for number in 0..<UInt64(RecentLosses.maximumCount) { #expect(!losses.add(number, sentAt: at(0), now: at(1))) }
        #expect(losses.add(UInt64(RecentLosses.maximumCount), sentAt: at(0), now: at(1)))
        #expect(!losses.arrived(0...0, largest: 9, now: at(2)))
        #expect(losses.arrived(1...1, largest: 9, now: at(2)))
    }
}

@Suite("The congestion window") struct CongestionWindowTests {
    private func at(_ milliseconds: Int) -> Timestamp { Timestamp(nanoseconds: 0) + .milliseconds(milliseconds) }
    private func controller(isLossFree: Bool = false) -> CongestionController {
        CongestionController(SessionCongestion(), isLossFree: isLossFree, maximumDatagramSize: 1200)
    }

    @Test("A cut for packets that were only late is undone, to what was before the first of several") func undone() {
        var congestion = controller()
        let before = congestion.congestionWindow
        congestion.congestionEvent(sentAt: at(1), now: at(10))
        congestion.congestionEvent(sentAt: at(11), now: at(20))
        #expect(congestion.congestionWindow == before / 4)
        congestion.undo()
        #expect(congestion.congestionWindow == before)
        congestion.undo()
        #expect(congestion.congestionWindow == before)
        // Slow start goes on as if nothing had been cut.
        congestion.sent(1200)
        congestion.acknowledged(1200, sentAt: at(21), wasLimited: true)
        #expect(congestion.congestionWindow == before + 1200)
    }

    @Test("A cut for a packet that was lost stays") func confirmed() {
        var congestion = controller()
        let before = congestion.congestionWindow
        congestion.congestionEvent(sentAt: at(1), now: at(10))
        congestion.confirmLoss()
        congestion.undo()
        #expect(congestion.congestionWindow == before / 2)
        congestion.congestionEvent(sentAt: at(11), now: at(20))
        congestion.undo()
        #expect(congestion.congestionWindow == before / 2)
    }

    @Test("A window that grew since the cut is not made smaller by undoing it") func grown() {
        var congestion = controller()
        let before = congestion.congestionWindow
        congestion.congestionEvent(sentAt: at(1), now: at(10))
        for _ in 0..<2_000_000 where congestion.congestionWindow <= before {
            congestion.sent(1200)
            congestion.acknowledged(1200, sentAt: at(11), wasLimited: true)
        }
        let grown = congestion.congestionWindow
        #expect(grown > before)
        congestion.undo()
        #expect(congestion.congestionWindow == grown)
    }
}
