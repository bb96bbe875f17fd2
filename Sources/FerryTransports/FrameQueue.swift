internal import Synchronization

/// Carries frames in one direction from any number of senders to one receiver, within a bound on bytes and frames.
///
/// What a transport author needs between a link and whatever moves its bytes. Each side is either a task, which suspends (`send`,
/// `receive`, `receiveBatch`), or an event loop, which must not (`offer`, `poll`) and is signalled when it is worth trying again.
/// Frames of equal size that queue up behind each other leave as one batch. Nothing here allocates per frame.
public final class FrameQueue: Sendable {
    /// The most that may wait in the queue; a queue that is empty takes any one batch.
    public struct Limits: Sendable, Hashable {
        /// Payload bytes.
        public var byteCount: Int
        /// Frames, since many tiny ones cost more than their bytes.
        public var frameCount: Int

        /// Sets both limits.
        public init(byteCount: Int, frameCount: Int) {
            self.byteCount = byteCount
            self.frameCount = frameCount
        }
    }

    /// What became of frames that were offered.
    public enum OfferResult: Sendable, Hashable {
        /// The queue has a copy.
        case taken
        /// Nothing was taken; the space signal follows once the queue is at most half full.
        case full
        /// The queue was finished or closed.
        case closed
    }

    /// What a poll found.
    public enum PollResult: Sendable, Hashable {
        /// Frames of this many bytes each were appended, the last one possibly shorter.
        case frames(frameByteCount: Int)
        /// Nothing yet; the frames signal follows.
        case empty
        /// There never will be any more.
        case ended
    }

    /// A waiting task, or nil; resumed outside the lock.
    private typealias Waiter = CheckedContinuation<Void, Never>

    private struct State: ~Copyable {
        var contents: FrameRuns
        var limits: Limits
        var isFinished = false
        var failure: TransportError?
        var receiver: Waiter?
        var senders: [Waiter] = []
        var framesSignal: (@Sendable () -> Void)?
        var spaceSignal: (@Sendable () -> Void)?
        var isFramesSignalArmed = true
        var isSpaceSignalArmed = false

        func hasRoom(for byteCount: Int, frameCount: Int) -> Bool {
            contents.isEmpty
                || (contents.byteCount + byteCount <= limits.byteCount && contents.frameCount + frameCount <= limits.frameCount)
        }

        var isAtMostHalfFull: Bool {
            contents.byteCount <= limits.byteCount / 2 && contents.frameCount <= limits.frameCount / 2
        }
    }

    /// Whom to wake once the lock is released.
    private struct Wake {
        var receiver: Waiter?
        var senders: [Waiter] = []
        var signal: (@Sendable () -> Void)?
        var otherSignal: (@Sendable () -> Void)?

        mutating func takeReceiver(of state: inout State) {
            receiver = state.receiver.take()
            guard state.isFramesSignalArmed else { return }
            state.isFramesSignalArmed = false
            signal = state.framesSignal
        }

        consuming func run() {
            receiver?.resume()
            for sender in senders { sender.resume() }
            signal?()
            otherSignal?()
        }
    }

    private let state: Mutex<State>

    /// Makes an empty queue.
    public init(limits: Limits) {
        state = Mutex(State(contents: FrameRuns(), limits: limits))
    }

    /// Sets what event loops want to hear: `frames` when there is something to poll again or the queue ended, `space` when an offer
    /// that found the queue full is worth repeating or the queue closed.
    ///
    /// Both are called on the thread of the other side, at most once per `.empty` or `.full` result, and never under the lock.
    public func setSignals(frames: (@Sendable () -> Void)? = nil, space: (@Sendable () -> Void)? = nil) {
        state.withLock {
            $0.framesSignal = frames
            $0.spaceSignal = space
        }
    }

    /// Changes the limits; frames that are in the queue already stay.
    public func setLimits(_ limits: Limits) {
        state.withLock { $0.limits = limits }
    }

    /// How many payload bytes wait in the queue.
    public var byteCount: Int { state.withLock { $0.contents.byteCount } }

    // MARK: Sending

    /// Copies `frames`, cut into `frameByteCount` bytes each, the last one possibly shorter, into the queue, if all of them fit.
    ///
    /// - Parameter isLast: false when more frames follow at once, so that a waiting receiver sleeps on until `wakeReceiver`; waking it costs
    ///   more than queueing a frame.
    public func offer(_ frames: RawSpan, frameByteCount: Int, isLast: Bool = true) -> OfferResult {
        let frameCount = (frames.byteCount + frameByteCount - 1) / frameByteCount
        var wake = Wake()
        let result: OfferResult = state.withLock { state in
            guard !state.isFinished else { return .closed }
            guard state.hasRoom(for: frames.byteCount, frameCount: frameCount) else {
                state.isSpaceSignalArmed = true
                return .full
            }
            state.contents.append(frames, frameByteCount: frameByteCount)
            if isLast { wake.takeReceiver(of: &state) }
            return .taken
        }
        wake.run()
        return result
    }

    /// Wakes a receiver that waits while there are frames.
    public func wakeReceiver() {
        var wake = Wake()
        state.withLock { state in
            if !state.contents.isEmpty { wake.takeReceiver(of: &state) }
        }
        wake.run()
    }

    /// As `offer`, waiting while the queue is full.
    ///
    /// - Throws: `.closed`, `.cancelled`.
    public func send(_ frames: RawSpan, frameByteCount: Int) async throws(TransportError) {
        let frameCount = (frames.byteCount + frameByteCount - 1) / frameByteCount
        let byteCount = frames.byteCount
        while true {
            switch offer(frames, frameByteCount: frameByteCount) {
            case .taken: return
            case .closed: throw TransportError(.closed, "the link is closed")
            case .full: try await waitForSpace(byteCount: byteCount, frameCount: frameCount)
            }
        }
    }

    // MARK: Receiving

    /// Moves frames of one size to `buffer`: one of them, or as many as its free capacity holds, which must be one frame at least.
    public func poll(into buffer: inout OutputRawSpan, isSingle: Bool) -> PollResult {
        var wake = Wake()
        let result: PollResult = state.withLock { state in
            guard let frameByteCount = state.contents.moveFirst(into: &buffer, isSingle: isSingle) else {
                if state.isFinished { return .ended }
                state.isFramesSignalArmed = true
                return .empty
            }
            if state.isAtMostHalfFull {
                swap(&wake.senders, &state.senders)
                if state.isSpaceSignalArmed {
                    state.isSpaceSignalArmed = false
                    wake.signal = state.spaceSignal
                }
            }
            return .frames(frameByteCount: frameByteCount)
        }
        wake.run()
        return result
    }

    /// Appends the next frame to `buffer`, waiting for it. One caller at a time.
    ///
    /// - Returns: false once the queue has ended and is drained.
    /// - Throws: the failure that ended the queue, `.cancelled`.
    public func receive(into buffer: inout OutputRawSpan) async throws(TransportError) -> Bool {
        try await next(into: &buffer, isSingle: true) != nil
    }

    /// Appends at least one frame to `buffer`, waiting for it. One caller at a time.
    ///
    /// - Returns: the common byte count of the frames, the last one possibly shorter; nil once the queue has ended and is drained.
    /// - Throws: the failure that ended the queue, `.cancelled`.
    public func receiveBatch(into buffer: inout OutputRawSpan) async throws(TransportError) -> Int? {
        try await next(into: &buffer, isSingle: false)
    }

    private func next(into buffer: inout OutputRawSpan, isSingle: Bool) async throws(TransportError) -> Int? {
        while true {
            switch poll(into: &buffer, isSingle: isSingle) {
            case .frames(let frameByteCount): return frameByteCount
            case .empty: try await waitForFrames()
            case .ended:
                if let failure = state.withLock({ $0.failure }) { throw failure }
                return nil
            }
        }
    }

    // MARK: Ending

    /// Takes no more frames; those in the queue can still be received, and then `failure` is thrown, if any. Idempotent.
    public func finish(throwing failure: TransportError? = nil) {
        end(throwing: failure, isDiscarding: false)
    }

    /// Takes no more frames, forgets those in the queue and frees its memory. Idempotent.
    public func close() {
        end(throwing: nil, isDiscarding: true)
    }

    private func end(throwing failure: TransportError?, isDiscarding: Bool) {
        let wake = state.withLock { state in
            if !state.isFinished {
                state.isFinished = true
                state.failure = failure
            }
            if isDiscarding { state.contents.removeAll() }
            var wake = Wake(receiver: state.receiver.take())
            swap(&wake.senders, &state.senders)
            wake.signal = state.framesSignal.take()
            wake.otherSignal = state.spaceSignal
            if isDiscarding { state.spaceSignal = nil }
            return wake
        }
        wake.run()
    }

    // MARK: Waiting

    private func waitForFrames() async throws(TransportError) {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let mustWait = state.withLock { state in
                    guard state.contents.isEmpty, !state.isFinished, !Task.isCancelled else { return false }
                    precondition(state.receiver == nil, "two tasks receive from one link")
                    state.receiver = continuation
                    return true
                }
                if !mustWait { continuation.resume() }
            }
        } onCancel: {
            state.withLock { $0.receiver.take() }?.resume()
        }
        try Self.checkCancellation()
    }

    private func waitForSpace(byteCount: Int, frameCount: Int) async throws(TransportError) {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let mustWait = state.withLock { state in
                    let hasRoom = state.hasRoom(for: byteCount, frameCount: frameCount)
                    guard !hasRoom, !state.isFinished, !Task.isCancelled else { return false }
                    state.senders.append(continuation)
                    return true
                }
                if !mustWait { continuation.resume() }
            }
        } onCancel: {
            // The other senders wake in vain, find the queue full and wait again: cheaper than naming every waiter.
            var wake = Wake()
            state.withLock { swap(&wake.senders, &$0.senders) }
            wake.run()
        }
        try Self.checkCancellation()
    }

    private static func checkCancellation() throws(TransportError) {
        if Task.isCancelled { throw TransportError(.cancelled, "the waiting task was cancelled") }
    }
}
