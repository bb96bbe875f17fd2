internal import FerryStateMachines

/// Frames on their way to the link, in one buffer, as runs of equal size.
///
/// It belongs to the send loop, or to the core's lock while that loop is parked, never to both.
final class FrameBatch: @unchecked Sendable {
    /// Frames of `frameByteCount` bytes each, the last one possibly shorter.
    struct Run {
        var bytes: Range<Int>
        var frameByteCount: Int
    }

    let buffer: PageBuffer
    private(set) var runs: [Run] = []
    private(set) var byteCount = 0
    private let maximumRunByteCount: Int

    init(byteCount: Int, maximumRunByteCount: Int) {
        buffer = PageBuffer(byteCount: byteCount)
        self.maximumRunByteCount = maximumRunByteCount
        runs.reserveCapacity(16)
    }

    var isEmpty: Bool { runs.isEmpty }

    /// Takes as many frames from `session` as it gives and as fit.
    func fill(from session: inout any PeerSession, now: Timestamp) {
        let buffer = buffer
        while byteCount < buffer.byteCount {
            var output = buffer.output(from: byteCount)
            guard session.nextFrame(into: &output, now: now) else { return }
            append(output.byteCount)
        }
    }

    func removeAll() {
        runs.removeAll(keepingCapacity: true)
        byteCount = 0
    }

    private func append(_ frameByteCount: Int) {
        let range = byteCount..<(byteCount + frameByteCount)
        byteCount = range.upperBound
        if let last = runs.last, last.bytes.count.isMultiple(of: last.frameByteCount), frameByteCount <= last.frameByteCount,
            last.bytes.count + frameByteCount <= maximumRunByteCount
        {
            runs[runs.count - 1].bytes = last.bytes.lowerBound..<range.upperBound
        } else {
            runs.append(Run(bytes: range, frameByteCount: frameByteCount))
        }
    }
}
