internal import FerryTransports
internal import Glibc
internal import NIOCore
internal import Synchronization

/// Sends datagrams on the caller's thread, through a descriptor of its own.
///
/// NIO's channel closes itself on every send error but two, which would let one unroutable peer end a listener; and its writes cost a copy, an
/// allocation and a hop to the event loop. A datagram that the kernel refuses is a lost one here, and it leaves from the caller's bytes.
final class DatagramSender: Sendable {
    enum Outcome {
        case sent
        /// The kernel refused this datagram for good: it is lost.
        case lost
        /// The socket buffer is full.
        case mustWait
        case closed
    }

    /// Older kernels take 64 segments a call, newer ones 128.
    private static let maximumSegmentCount = 64

    /// Nil once closed. A send takes microseconds and never blocks, so that it may hold the lock.
    private let descriptor: Mutex<CInt?>
    private let usesSegmentationOffload: Atomic<Bool>
    let maximumDatagramByteCount: Int

    init(duplicating descriptor: CInt, usesSegmentationOffload: Bool, maximumDatagramByteCount: Int) throws(Errno) {
        self.descriptor = Mutex(try SystemCalls.duplicate(descriptor))
        self.usesSegmentationOffload = Atomic(usesSegmentationOffload)
        self.maximumDatagramByteCount = maximumDatagramByteCount
    }

    deinit { close() }

    /// How many of `byteCount` bytes to hand to the next `send`.
    func burstByteCount(of byteCount: Int, frameByteCount: Int) -> Int {
        guard usesSegmentationOffload.load(ordering: .relaxed) else { return min(byteCount, frameByteCount) }
        let count = max(1, min(Self.maximumSegmentCount, maximumDatagramByteCount / frameByteCount))
        return min(byteCount, count * frameByteCount)
    }

    /// Sends `frames`, which `burstByteCount` has limited.
    func send(_ frames: RawSpan, frameByteCount: Int, to address: SocketAddress) -> Outcome {
        let segment = frames.byteCount > frameByteCount ? UInt16(frameByteCount) : nil
        return descriptor.withLock { descriptor in
            guard let descriptor else { return .closed }
            do throws(Errno) {
                try SystemCalls.send(frames, segmentByteCount: segment, to: address, on: descriptor)
                return .sent
            } catch {
                if error.number == EAGAIN { return .mustWait }
                guard segment != nil, error.number == EIO || error.number == EINVAL || error.number == EMSGSIZE else { return .lost }
                // The device cannot segment (EIO), or the frames exceed its MTU: each on its own then.
                if error.number == EIO { usesSegmentationOffload.store(false, ordering: .relaxed) }
                return Self.sendOneByOne(frames, frameByteCount: frameByteCount, to: address, on: descriptor)
            }
        }
    }

    func close() {
        descriptor.withLock { descriptor in
            if let open = descriptor.take() { SystemCalls.close(open) }
        }
    }

    private static func sendOneByOne(
        _ frames: RawSpan, frameByteCount: Int, to address: SocketAddress, on descriptor: CInt
    ) -> Outcome {
        var offset = 0
        var isComplete = true
        while offset < frames.byteCount {
            let end = min(offset + frameByteCount, frames.byteCount)
            let frame = frames.extracting(offset..<end)
            isComplete = (try? SystemCalls.send(frame, segmentByteCount: nil, to: address, on: descriptor)) != nil && isComplete
            offset = end
        }
        return isComplete ? .sent : .lost
    }
}
