import FerryCrypto
import FerryStateMachines
import FerryTransports
import FerryWire
import Synchronization
import Testing

@testable import Ferry

@Suite struct SessionDriverTests {
    @Test func messagesArriveOnceAndInOrder() async throws {
        try await withNodes { left, right in
            let session = try await left.table.session(to: right.key, at: rightAddress)
            for number in 0..<2_000 { try await session.send(numbered(UInt64(number))) }
            let received = try await right.delegate.wait { $0.messages.count >= 2_000 ? $0.messages : nil }
            #expect(received == (0..<2_000).map { numbered(UInt64($0)) })
        }
    }

    @Test func bothEndsKnowEachOther() async throws {
        try await withNodes { left, right in
            let session = try await left.table.session(to: right.key, at: rightAddress)
            #expect(session.peer.nodeKey == right.key)
            #expect(session.peer.staticKey == right.identity.staticPublicKey)
            let accepted = try await right.delegate.wait { $0.established.first }
            #expect(accepted.peer.nodeKey == left.key)
            #expect(right.table.existing(left.key) === accepted)
            #expect(session.isInitiator && !accepted.isInitiator)
        }
    }

    @Test func aReaderThatDoesNotReadStopsTheSender() async throws {
        try await withNodes { left, right in
            right.delegate.hold(true)
            let session = try await left.table.session(to: right.key, at: rightAddress)
            // Far more than both buffers hold: the send buffer of one side and the receive window of the other, 4 MiB each.
            var sent: UInt64 = 0
            while sent < 1_000, session.trySend(numbered(sent, payloadByteCount: 65_536)) { sent += 1 }
            #expect(sent < 1_000)
            let rest = sent..<(sent + 400)
            async let sending: Void = {
                for number in rest { try await session.send(numbered(number, payloadByteCount: 65_536)) }
            }()
            right.delegate.hold(false)
            try await sending
            let count = Int(rest.upperBound)
            let received = try await right.delegate.wait { $0.messages.count >= count ? $0.messages : nil }
            #expect(received == (0..<count).map { numbered(UInt64($0), payloadByteCount: 65_536) })
        }
    }

    @Test func aMessageOfTheLargestSizePassesAndOneMoreByteDoesNot() async throws {
        try await withNodes { left, right in
            let session = try await left.table.session(to: right.key, at: rightAddress)
            let overhead = try numbered(1, payloadByteCount: 0).measured()
            let most = min(session.core.withSession { state, _ in state.session.maximumMessageByteCount }, PeerMessage.maximumByteCount)
            let largest = min(most - overhead, WireLimits.eventPayloadByteCount)
            try await session.send(numbered(1, payloadByteCount: largest))
            _ = try await right.delegate.wait { $0.messages.first }
            let error = await #expect(throws: FerryError.self) { try await session.send(numbered(2, payloadByteCount: largest + 1)) }
            #expect(error?.code == .messageTooLarge)
            #expect(!session.trySend(numbered(2, payloadByteCount: largest + 1)))
        }
    }

    @Test func aMalformedMessageCostsTheSenderItsSession() async throws {
        try await withNodes { left, right in
            let session = try await left.table.session(to: right.key, at: rightAddress)
            try session.core.withSession { (state, _) throws(SessionError) in try state.session.sendMessage([9, 9, 9].rawSpan) }
            let reason = try await right.delegate.wait { $0.closed.first }
            #expect(reason.code == .protocolViolation)
            let seen = try await left.delegate.wait { $0.closed.first }
            #expect(seen.code == .protocolViolation)
            #expect(seen.origin == .peer)
            #expect(!session.trySend(numbered(1)))
        }
    }

    @Test func closeWakesEverybodyWhoWaits() async throws {
        try await withNodes { left, right in
            right.delegate.hold(true)
            let session = try await left.table.session(to: right.key, at: rightAddress)
            let accepted = try await right.delegate.wait { $0.established.first }
            let stream = try await session.openStream()
            try await stream.write([1].rawSpan)
            let incoming = try await accepted.incomingStream(stream.id)
            let waits: [@Sendable () async throws -> Void] = [
                { while true { try await session.send(numbered(1, payloadByteCount: 65_536)) } },
                { try await stream.write([UInt8](repeating: 0, count: 32 << 20).rawSpan) },
                { _ = try await session.incomingStream(StreamID(rawValue: 4_001)) },
                { try await drain(incoming) },
                { _ = try await accepted.incomingStream(StreamID(rawValue: 4_000)) },
            ]
            let codes = await withTaskGroup(of: FerryError.Code?.self) { group in
                for wait in waits {
                    group.addTask {
                        do {
                            try await wait()
                            return nil
                        } catch {
                            return code(error)
                        }
                    }
                }
                while session.trySend(numbered(1, payloadByteCount: 65_536)) {}
                session.close(SessionCloseReason(.normal, "test"))
                return await group.reduce(into: []) { $0.append($1) }
            }
            #expect(codes == [FerryError.Code?](repeating: .sessionClosed, count: waits.count))
        }
    }

    @Test func stoppingANodeTellsItsPeers() async throws {
        let closed = try await withNodes { left, right in
            _ = try await left.table.session(to: right.key, at: rightAddress)
            return left.delegate
        }
        let reasons = closed.state.withLock { $0.closed }
        #expect(reasons.map(\.code) == [.normal])
    }
}

/// Reads a stream to its end.
@discardableResult
func drain(_ stream: IncomingStream, into sum: (RawSpan) -> Void = { _ in }) async throws -> Int {
    let buffer = PageBuffer(byteCount: 65_536)
    var total = 0
    while true {
        var output = buffer.output()
        guard try await stream.read(into: &output) else { return total }
        let count = output.byteCount
        total += count
        sum(buffer.bytes(in: 0..<count))
    }
}
