import FerryStateMachines
import FerryWire
import Testing

@testable import Ferry

@Suite struct SessionStreamTests {
    @Test(arguments: [0, 1, 65_536, 64 << 20])
    func streamsCarryTheirBytesInOrder(byteCount: Int) async throws {
        try await withNodes { left, right in
            let session = try await left.table.session(to: right.key, at: rightAddress)
            let accepted = try await right.delegate.wait { $0.established.first }
            let stream = try await session.openStream()
            let id = stream.id
            async let received: (Int, Bool) = {
                let incoming = try await accepted.incomingStream(id)
                var offset = 0
                var isEqual = true
                let count = try await drain(incoming) { bytes in
                    for index in stride(from: 0, to: bytes.byteCount, by: 997) where bytes.byte(at: index) != pattern(offset + index) {
                        isEqual = false
                    }
                    offset += bytes.byteCount
                }
                return (count, isEqual)
            }()
            let block = [UInt8]((0..<(251 * 512)).map { pattern($0) })
            var written = 0
            while written < byteCount {
                let count = min(block.count, byteCount - written)
                try await stream.write(block.rawSpan.extracting(first: count))
                written += count
            }
            try await stream.finish()
            let (count, isEqual) = try await received
            #expect(count == byteCount)
            #expect(isEqual)
        }
    }

    @Test func aReaderThatDoesNotReadBoundsWhatIsBuffered() async throws {
        try await withNodes { left, right in
            let session = try await left.table.session(to: right.key, at: rightAddress)
            let stream = try await session.openStream()
            let window = SessionLimits().streamWindowByteCount
            let block = [UInt8](repeating: 7, count: 1 << 20)
            // The reader's window and the writer's buffer: not more than both may be taken.
            let written = try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { while true { try await stream.write(block.rawSpan) } }
                let before = session.statistics.sentByteCount
                let accepted = try await right.delegate.wait { $0.established.first }
                _ = try await accepted.incomingStream(stream.id)
                group.cancelAll()
                await #expect(throws: CancellationError.self) { try await group.waitForAll() }
                return session.statistics.sentByteCount - before
            }
            #expect(written <= UInt64(2 * window + (1 << 20)))
        }
    }

    @Test func aCancelledWriterStopsWaiting() async throws {
        try await withNodes { left, right in
            let session = try await left.table.session(to: right.key, at: rightAddress)
            let stream = try await session.openStream()
            let writer = Task { try await stream.write([UInt8](repeating: 1, count: 64 << 20).rawSpan) }
            writer.cancel()
            let result = await writer.result
            #expect(throws: CancellationError.self) { try result.get() }
            // The session is as good as before.
            try await session.send(numbered(1))
            _ = try await right.delegate.wait { $0.messages.first }
        }
    }

    @Test func aReaderThatStopsEndsTheWriter() async throws {
        try await withNodes { left, right in
            let session = try await left.table.session(to: right.key, at: rightAddress)
            let accepted = try await right.delegate.wait { $0.established.first }
            let stream = try await session.openStream()
            try await stream.write([1].rawSpan)
            let incoming = try await accepted.incomingStream(stream.id)
            incoming.cancel(code: 5)
            let error = await #expect(throws: FerryError.self) {
                while true { try await stream.write([UInt8](repeating: 1, count: 1 << 20).rawSpan) }
            }
            #expect(error?.code == .streamReset)
        }
    }

    @Test func aWriterThatGivesUpEndsTheReader() async throws {
        try await withNodes { left, right in
            let session = try await left.table.session(to: right.key, at: rightAddress)
            let accepted = try await right.delegate.wait { $0.established.first }
            let stream = try await session.openStream()
            try await stream.write([1].rawSpan)
            let incoming = try await accepted.incomingStream(stream.id)
            stream.reset(code: 5)
            let error = await #expect(throws: FerryError.self) { try await drain(incoming) }
            #expect(error?.code == .streamReset)
        }
    }

    @Test func aStreamIsClaimedOnce() async throws {
        try await withNodes { left, right in
            let session = try await left.table.session(to: right.key, at: rightAddress)
            let accepted = try await right.delegate.wait { $0.established.first }
            let stream = try await session.openStream()
            try await stream.write([1].rawSpan)
            let incoming = try await accepted.incomingStream(stream.id)
            let error = await #expect(throws: FerryError.self) { try await accepted.incomingStream(stream.id) }
            #expect(error?.code == .streamClosed)
            incoming.cancel(code: 0)
        }
    }
}

private func pattern(_ offset: Int) -> UInt8 { UInt8(truncatingIfNeeded: offset % 251) }
