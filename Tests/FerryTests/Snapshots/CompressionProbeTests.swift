import Testing

@testable import Ferry

@Suite struct CompressionProbeTests {
    @Test func `runs of untried chunks double up to the limit`() {
        var probe = CompressionProbe()
        var runs: [Int] = []
        for _ in 0..<6 {
            var untried = 0
            while !probe.nextIsTried() { untried += 1 }
            runs.append(untried)
            probe.tried(shrank: false)
        }
        #expect(runs == [0, 1, 3, 7, 15, 15])
    }

    @Test func `one chunk that shrinks ends the run`() {
        var probe = CompressionProbe()
        probe.tried(shrank: false)
        let afterFailure = [probe.nextIsTried(), probe.nextIsTried()]
        #expect(afterFailure == [false, true])
        probe.tried(shrank: true)
        let isTriedAfterSuccess = probe.nextIsTried()
        #expect(isTriedAfterSuccess)
    }
}
