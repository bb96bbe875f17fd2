import FerryWire
import Testing

@Suite("The observed horizon")
struct ObservedHorizonTests {
    private func origin(_ value: UInt64) -> OriginHash { OriginHash(rawValue: value) }

    @Test("only a higher sequence is news; sequence 0 makes an entry without a tick")
    func observe() {
        var horizon = ObservedHorizon()
        #expect(horizon.isEmpty && horizon.logicalTime == 0 && horizon.encoded == .empty)
        horizon.observe(origin(1), sequence: 0)
        #expect(horizon.highestSequence(of: origin(1)) == 0 && horizon.logicalTime == 0)
        #expect(horizon.encoded.mightContain(origin(1)))
        for (sequence, highest, time): (UInt64, UInt64, UInt64) in [
            (5, 5, 1), (5, 5, 1), (3, 5, 1), (6, 6, 2), (.max, .max, 3), (1, .max, 3),
        ] {
            horizon.observe(origin(1), sequence: sequence)
            #expect(horizon.highestSequence(of: origin(1)) == highest && horizon.logicalTime == time)
        }
        #expect(horizon.hasObserved(origin(1), sequence: .max) && !horizon.hasObserved(origin(2), sequence: 0))
        #expect(horizon.highestSequence(of: origin(2)) == nil)
    }

    @Test("a merge takes the higher sequence of each origin, and a time after both, whichever side is merged")
    func merge() {
        var (left, right) = (ObservedHorizon(), ObservedHorizon())
        for sequence in 1...4 { left.observe(origin(1), sequence: UInt64(sequence)) }
        left.observe(origin(2), sequence: 9)
        right.observe(origin(2), sequence: 10)
        right.observe(origin(3), sequence: 0)
        var (joined, reverse) = (left, right)
        joined.merge(right)
        reverse.merge(left)
        #expect(joined == reverse)
        #expect(joined.logicalTime == 6)
        #expect(joined.entries.map(\.origin.rawValue) == [1, 2, 3] && joined.entries.map(\.sequence) == [4, 10, 0])
    }

    @Test("logical time stops at its maximum, on observing and on merging")
    func logicalTimeSaturates() {
        var horizon = ObservedHorizon(logicalTime: .max - 1)
        horizon.observe(origin(1), sequence: 1)
        #expect(horizon.logicalTime == .max)
        horizon.observe(origin(1), sequence: 2)
        #expect(horizon.logicalTime == .max && horizon.highestSequence(of: origin(1)) == 2)
        horizon.merge(ObservedHorizon())
        #expect(horizon.logicalTime == .max)
        var other = ObservedHorizon()
        other.merge(horizon)
        #expect(other.logicalTime == .max)
    }

    @Test("the encoding is the vectors' filter over origins alone, with sequences left out")
    func encoding() throws {
        let sets = try JSON.netMesh.get()["horizon_bloom"]["sets"].elements
        #expect(sets.count == 10)
        for vector in sets {
            var horizon = ObservedHorizon()
            for (index, value) in vector["origins"].elements.compactMap(\.integer).enumerated() {
                horizon.observe(origin(value), sequence: UInt64(index * 1_000))
            }
            #expect(horizon.encoded.rawValue == vector["encoded"].hexInteger)
        }
    }

    @Test("16 origins fit the filter; of 17 the full map must be asked")
    func bloomLimit() {
        var horizon = ObservedHorizon()
        for value in 1...16 { horizon.observe(origin(UInt64(value)), sequence: 1) }
        #expect(horizon.count == 16 && horizon.fitsBloom)
        horizon.observe(origin(17), sequence: 0)
        #expect(!horizon.fitsBloom)
        #expect((1...17).allSatisfy { horizon.encoded.mightContain(origin($0)) && horizon.hasObserved(origin($0), sequence: 0) })
    }

    @Test("64 bits stay telling where 16 saturated: at 8 origins under a fifth of strangers seem present, and every step is odd")
    func falsePositives() {
        let bloom = HorizonBloom((1...8).map { origin($0) })
        let strangers = (1_000..<3_000).filter { bloom.mightContain(origin($0)) }.count
        #expect(strangers < 400)
        // An even step could fold the three bits into one; odd steps of 64 positions never do.
        #expect((0..<10_000).allSatisfy { HorizonBloom([origin($0)]).rawValue.nonzeroBitCount == 3 })
    }
}
