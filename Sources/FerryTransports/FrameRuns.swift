/// Frames in order, where neighbours of equal size are one run: what a batch is made of.
struct FrameRuns: ~Copyable {
    private struct Run {
        /// Bytes of every frame but the last one, which may be shorter.
        var frameByteCount: Int
        var byteCount: Int
    }

    private var bytes = ByteRing()
    private var runs: [Run] = []
    private var firstRun = 0
    private(set) var frameCount = 0

    init() {}

    var byteCount: Int { bytes.byteCount }
    var isEmpty: Bool { bytes.byteCount == 0 }

    mutating func append(_ frames: RawSpan, frameByteCount: Int) {
        let byteCount = frames.byteCount
        guard byteCount > 0 else { return }
        bytes.append(frames)
        frameCount += (byteCount + frameByteCount - 1) / frameByteCount
        let run = Run(frameByteCount: min(frameByteCount, byteCount), byteCount: byteCount)
        guard let last = runs.last, firstRun < runs.count, Self.joins(run, to: last) else {
            runs.append(run)
            return
        }
        runs[runs.count - 1].byteCount += byteCount
    }

    /// Moves one frame, or as many of the first run as `output` has room for.
    ///
    /// - Returns: the byte count of the frames, or nil when there are none.
    mutating func moveFirst(into output: inout OutputRawSpan, isSingle: Bool) -> Int? {
        guard firstRun < runs.count else { return nil }
        let run = runs[firstRun]
        let size = run.frameByteCount
        let limit = isSingle ? size : max(size, output.freeCapacity / size * size)
        let moved = min(run.byteCount, limit)
        bytes.moveFirst(moved, into: &output)
        frameCount -= (moved + size - 1) / size
        if moved == run.byteCount {
            removeFirstRun()
        } else {
            runs[firstRun].byteCount -= moved
            runs[firstRun].frameByteCount = min(size, run.byteCount - moved)
        }
        return size
    }

    mutating func removeAll() {
        bytes.release()
        runs = []
        firstRun = 0
        frameCount = 0
    }

    private mutating func removeFirstRun() {
        firstRun += 1
        if firstRun == runs.count {
            runs.removeAll(keepingCapacity: true)
            firstRun = 0
        } else if firstRun >= 64, firstRun * 2 >= runs.count {
            runs.removeSubrange(..<firstRun)
            firstRun = 0
        }
    }

    private static func joins(_ run: Run, to last: Run) -> Bool {
        guard last.byteCount.isMultiple(of: last.frameByteCount) else { return false }
        return run.frameByteCount == last.frameByteCount || (run.byteCount == run.frameByteCount && run.byteCount < last.frameByteCount)
    }
}
