import FerryCrypto
import FerryTestKit
import FerryWire
import Testing

@Suite struct SeededRandomTests {
    @Test func `one seed gives one sequence, another seed another`() {
        let first: FixedBytes32 = SeededRandom(seed: 7).next()
        let again: FixedBytes32 = SeededRandom(seed: 7).next()
        let other: FixedBytes32 = SeededRandom(seed: 8).next()
        #expect(first == again)
        #expect(first != other)
    }

    @Test(arguments: [0, 1, 7, 8, 9, 31])
    func `the whole output is filled, whatever its length`(byteCount: Int) {
        let random = SeededRandom(seed: 1)
        let bytes = [UInt8](rawCapacity: byteCount) { random.fill(&$0) }
        #expect(bytes.count == byteCount)
    }
}
