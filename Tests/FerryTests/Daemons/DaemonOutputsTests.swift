import FerryWire
import Testing

@testable import Ferry

@Suite struct DaemonOutputsTests {
    private func link(_ sequence: UInt64, emitter: UInt64 = 1) -> CausalLink {
        CausalLink(origin: OriginHash(rawValue: emitter), horizon: 0, sequence: sequence, parent: 0)
    }

    private let lineage = LineageID([UInt8](repeating: 4, count: 16))

    @Test("random numbers depend on lineage, emitter and sequence, and on nothing else")
    func random() throws {
        let lineage = try #require(lineage)
        let other = try #require(LineageID([UInt8](repeating: 5, count: 16)))
        var first = DaemonOutputs(lineage: lineage, link: link(1))
        var again = DaemonOutputs(lineage: lineage, link: link(1))
        let numbers = (0..<4).map { _ in first.random.next() }
        #expect(numbers == (0..<4).map { _ in again.random.next() })
        #expect(Set(numbers).count == 4)
        for (lineage, link) in [(lineage, link(2)), (lineage, link(1, emitter: 2)), (other, link(1))] {
            var different = DaemonOutputs(lineage: lineage, link: link)
            #expect(different.random.next() != numbers[0])
        }
        first.reopen(link: link(1))
        #expect(first.random.next() == numbers[0])
    }

    @Test("outputs of one event are taken up to their count and byte limits, and not one past them")
    func limits() throws {
        var outputs = DaemonOutputs(lineage: try #require(lineage), link: link(1))
        for _ in 0..<DaemonOutputs.maximumCount { outputs.emit([]) }
        #expect(outputs.failure == nil)
        outputs.deliver([], to: OriginHash(rawValue: 1))
        #expect(outputs.failure?.code == .limitExceeded)
        outputs.reopen(link: link(2))
        #expect(outputs.failure == nil && outputs.operations.isEmpty)
        outputs.emit([UInt8](repeating: 0, count: WireLimits.outputPayloadByteCount))
        outputs.deliver([UInt8](repeating: 0, count: WireLimits.outputPayloadByteCount), to: OriginHash(rawValue: 1))
        #expect(outputs.failure == nil)
        outputs.emit([UInt8](repeating: 0, count: WireLimits.outputPayloadByteCount + 1))
        #expect(outputs.failure?.code == .limitExceeded)
        outputs.reopen(link: link(3))
        outputs.deliver([UInt8](repeating: 0, count: WireLimits.outputPayloadByteCount + 1), to: OriginHash(rawValue: 1))
        #expect(outputs.failure?.code == .limitExceeded)
    }
}
