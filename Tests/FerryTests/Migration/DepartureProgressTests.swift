import FerryChunking
import Testing

@testable import Ferry

@Suite("What a target has of a state") struct DepartureProgressTests {
    @Test("counts what is acknowledged, not what is written: whole chunks, and of the next one no more than its state has")
    func acknowledged() {
        let progress = DepartureProgress()
        #expect(progress.byteCount == 0)
        progress.written(stateByteCount: 1_000, wireByteCount: 1_032)
        progress.written(stateByteCount: 3_000, wireByteCount: 1_532)
        progress.written(stateByteCount: 4_000, wireByteCount: 2_564)
        #expect(progress.byteCount(acknowledged: 0) == 0)
        #expect(progress.byteCount(acknowledged: 600) == 600)
        #expect(progress.byteCount(acknowledged: 1_031) == 1_000)
        #expect(progress.byteCount(acknowledged: 1_032) == 1_000)
        // A chunk that compression has made shorter is worth what it was, once it is there.
        #expect(progress.byteCount(acknowledged: 1_531) == 1_499)
        #expect(progress.byteCount(acknowledged: 1_532) == 3_000)
        #expect(progress.byteCount(acknowledged: nil) == 3_000)
        #expect(progress.byteCount(acknowledged: 2_564) == 4_000)
    }

    @Test("never exceeds the state, though its trailer is acknowledged too; and counts a chunk that is not written whole")
    func trailer() {
        let progress = DepartureProgress()
        progress.written(stateByteCount: 1_000, wireByteCount: 1_032)
        #expect(progress.byteCount(acknowledged: 1_032 + UInt64(ChunkFormat.trailerByteCount)) == 1_000)
        #expect(progress.byteCount(acknowledged: 1_032 + UInt64(ChunkFormat.trailerByteCount) + 100) == 1_100)
    }

    @Test("holds its cap of chunks, beyond which several count as one")
    func cap() {
        let progress = DepartureProgress()
        let count = UInt64(DepartureProgress.maximumMarkCount)
        for index in 1...count { progress.written(stateByteCount: index * 100, wireByteCount: index * 10) }
        #expect(progress.byteCount(acknowledged: 10 * count - 10) == 100 * count - 100)
        progress.written(stateByteCount: (count + 1) * 100, wireByteCount: (count + 1) * 10)
        #expect(progress.byteCount(acknowledged: 10 * count) == 100 * count)

        let full = DepartureProgress()
        for index in 1...count + 1 { full.written(stateByteCount: index * 100, wireByteCount: index * 10) }
        #expect(full.byteCount(acknowledged: 10 * count) < 100 * count)
        #expect(full.byteCount(acknowledged: 10 * count + 10) == 100 * count + 100)
    }
}
