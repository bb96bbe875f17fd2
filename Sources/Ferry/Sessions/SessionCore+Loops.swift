internal import FerryStateMachines
internal import FerryTransports

extension SessionCore {
    /// Smaller batches may carry what everybody waits for; one of this size is full of a state, or of more events than a turn would delay.
    private static let bulkByteCount = 32 << 10

    /// Moves frames until the session is over: one loop each way. Cancellation closes the session, tells the peer, and then returns.
    func run(over link: some BatchingLink) async {
        await withTaskCancellationHandler {
            await withDiscardingTaskGroup { group in
                group.addTask { await self.receiveFrames(from: link) }
                group.addTask { await self.sendFrames(to: link) }
            }
        } onCancel: {
            close(SessionCloseReason(.normal, "the node shuts down"))
        }
        await link.close()
        retire()
    }

    private func receiveFrames(from link: some BatchingLink) async {
        let buffer = PageBuffer(byteCount: max(link.maximumBatchByteCount, link.properties.maximumFrameByteCount))
        var text = "the link was closed"
        var pace = CorePace()
        do {
            while true {
                var output = buffer.output()
                guard let frameByteCount = try await link.receiveBatch(into: &output) else { break }
                let byteCount = output.byteCount
                receive(buffer.bytes(in: 0..<byteCount), frameByteCount: frameByteCount)
                if byteCount >= Self.bulkByteCount { pace.offerCore() }
            }
        } catch {
            if Task.isCancelled { return readingEnded() }
            text = error.description
        }
        linkClosed(text)
    }

    private func receive(_ frames: RawSpan, frameByteCount: Int) {
        withSession { state, now in
            var offset = 0
            while offset < frames.byteCount {
                let end = min(offset + frameByteCount, frames.byteCount)
                state.session.receive(frames.extracting(offset..<end), now: now)
                offset = end
            }
        }
    }

    private func sendFrames(to link: some BatchingLink) async {
        let byteCount = max(min(link.maximumBatchByteCount, 1 << 17), link.properties.maximumFrameByteCount)
        let batch = FrameBatch(byteCount: byteCount, maximumRunByteCount: link.maximumBatchByteCount)
        var pace = CorePace()
        sending: while true {
            let ticket = framesReady.ticket
            switch fill(batch) {
            case .send:
                let buffer = batch.buffer
                do {
                    for run in batch.runs {
                        try await link.sendBatch(buffer.bytes(in: run.bytes), frameByteCount: run.frameByteCount)
                    }
                } catch {
                    stopSending()
                    // What the peer had sent before it closed the link, perhaps why, is still to be read: the other loop ends the session.
                    if error.code == .closed { return }
                    linkClosed(error.description)
                    break sending
                }
                if batch.byteCount >= Self.bulkByteCount { pace.offerCore() }
                batch.removeAll()
            case .park: await framesReady.waitUninterrupted(after: ticket)
            case .end: break sending
            }
        }
        await link.close()
    }

    private enum SendStep: Sendable {
        case send
        case park
        case end
    }

    /// Takes the batch back from the lock, fills it, and parks it there when the session has nothing to send.
    private func fill(_ batch: FrameBatch) -> SendStep {
        withSession { state, now in
            state.parkedBatch = nil
            if state.isLinkClosed { return .end }
            batch.fill(from: &state.session, now: now)
            if !batch.isEmpty { return .send }
            if state.isFinished { return .end }
            state.parkedBatch = batch
            return .park
        }
    }
}

/// Gives a link that moves single frames the shape of one that moves batches.
struct SingleFrameLink<Link: TransportLink>: BatchingLink {
    let link: Link

    var remoteAddress: TransportAddress { link.remoteAddress }

    var properties: LinkProperties { link.properties }

    var maximumBatchByteCount: Int { link.properties.maximumFrameByteCount }

    func send(_ frame: RawSpan) async throws(TransportError) { try await link.send(frame) }

    func receive(into buffer: inout OutputRawSpan) async throws(TransportError) -> Bool { try await link.receive(into: &buffer) }

    func sendBatch(_ frames: RawSpan, frameByteCount: Int) async throws(TransportError) {
        var rest = frames
        while rest.byteCount > 0 {
            let byteCount = min(frameByteCount, rest.byteCount)
            try await link.send(rest.extracting(first: byteCount))
            rest = rest.extracting(droppingFirst: byteCount)
        }
    }

    func receiveBatch(into buffer: inout OutputRawSpan) async throws(TransportError) -> Int? {
        let before = buffer.byteCount
        guard try await link.receive(into: &buffer) else { return nil }
        return buffer.byteCount - before
    }

    func close() async { await link.close() }
}
