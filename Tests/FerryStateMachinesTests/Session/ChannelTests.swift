import FerryCrypto
import FerryStateMachines
import FerryWire
import Testing

@Suite("Messages and streams keep their promises") struct ChannelTests {
    private func established(_ setup: Pair.Setup = Pair.Setup()) throws -> Pair {
        let pair = try Pair(setup)
        #expect(pair.establish())
        return pair
    }

    private func messages(_ end: End) -> [[UInt8]] {
        var all: [[UInt8]] = []
        var message: [UInt8] = []
        while end.take(&message) { all.append(message) }
        return all
    }

    @Test("Messages arrive in order and exactly once under loss, repetition and reordering", arguments: 0..<5) func order(seed: UInt64)
        throws
    {
        var setup = Pair.Setup()
        setup.seed = seed
        setup.conditions = Conditions(jitter: .milliseconds(30), loss: 100, duplication: 100)
        let pair = try established(setup)
        var sent = 0
        var received: [[UInt8]] = []
        pair.application = { pair in
            while sent < 400, (try? pair.initiator.send(Self.message(sent))) != nil { sent += 1 }
            received += self.messages(pair.responder)
        }
        #expect(pair.run(for: .seconds(600)) { _ in received.count == 400 })
        pair.pass(.seconds(1))
        #expect(received == (0..<400).map(Self.message))
    }

    private static func message(_ number: Int) -> [UInt8] {
        [UInt8](repeating: UInt8(truncatingIfNeeded: number), count: (number * 37) % 5000)
    }

    @Test("A message of the maximum passes, one byte more is refused") func maximum() throws {
        let pair = try established()
        let longest = [UInt8](repeating: 5, count: pair.initiator.session.maximumMessageByteCount)
        try pair.initiator.send(longest)
        #expect(throws: SessionError.self) { try pair.initiator.send((longest + [0])) }
        var received: [[UInt8]] = []
        pair.application = { received += self.messages($0.responder) }
        #expect(pair.run { _ in !received.isEmpty })
        #expect(received == [longest])
    }

    @Test("The smaller maximum of both sides counts") func smallerMaximum() throws {
        var setup = Pair.Setup()
        var small = SessionLimits()
        small.maximumMessageByteCount = 1024
        setup.initiatorLimits = small
        let pair = try established(setup)
        #expect(pair.responder.session.maximumMessageByteCount == 1024)
    }

    @Test("A full message buffer says wouldBlock and later messagesWritable") func backPressure() throws {
        let pair = try established()
        let block = [UInt8](repeating: 1, count: 1 << 20)
        var count = 0
        var code: SessionError.Code?
        while code == nil {
            do throws(SessionError) {
                try pair.initiator.send(block)
                count += 1
            } catch {
                code = error.code
            }
        }
        #expect(code == .wouldBlock)
        #expect(count == 3)
        #expect(pair.initiator.session.freeMessageByteCount < 1 << 20)
        // Nobody takes the messages: the receiver's window bounds what travels.
        pair.pass(.seconds(5))
        #expect(messages(pair.responder).count == 3)
        #expect(pair.run { $0.initiator.events.contains(.messagesWritable) })
    }

    @Test("Before the peer is known nothing can be sent") func tooEarly() throws {
        let pair = try Pair()
        #expect(throws: SessionError.self) { try pair.initiator.send([1]) }
        #expect(throws: SessionError.self) { _ = try pair.initiator.open() }
        #expect(pair.initiator.session.freeMessageByteCount == 0)
    }

    @Test("As many streams as the limit open, and one more once one is done") func streamLimit() throws {
        var setup = Pair.Setup()
        setup.limits.maximumStreamCount = 4
        let pair = try established(setup)
        var ids: [StreamID] = []
        for _ in 0..<4 { ids.append(try pair.initiator.open()) }
        #expect(throws: SessionError.self) { _ = try pair.initiator.open() }
        for id in ids { try pair.initiator.session.finish(id) }
        pair.application = { pair in
            for id in ids {
                _ = [UInt8](rawCapacity: 10) { output in _ = try? pair.responder.session.read(from: id, into: &output) }
            }
        }
        #expect(pair.run { pair in ids.allSatisfy { pair.initiator.events.contains(.streamFinished($0)) } })
        pair.pass(.seconds(1))
        #expect(try pair.initiator.open() == StreamID(rawValue: 8))
    }

    @Test("A stream takes no more than its window until the reader reads") func streamWindow() throws {
        var setup = Pair.Setup()
        setup.limits.streamWindowByteCount = 65_536
        let pair = try established(setup)
        let id = try pair.initiator.open()
        let block = [UInt8](repeating: 9, count: 100_000)
        #expect(try pair.initiator.write(block, to: id) == 65_536)
        pair.pass(.seconds(2))
        #expect(try pair.initiator.write(block, to: id) == 65_536)
        pair.pass(.seconds(2))
        #expect(try pair.initiator.write(block, to: id) == 0)
        #expect(pair.responder.events.contains(.streamReadable(id)))
        let read = try [UInt8](rawCapacity: 70_000) { output throws(SessionError) in
            _ = try pair.responder.session.read(from: id, into: &output)
        }
        #expect(read.count == 65_536)
        #expect(pair.run { $0.initiator.events.contains(.streamWritable(id)) })
    }

    @Test("Streams share the link by turns, and messages go first") func turns() throws {
        let pair = try established()
        var ids: [StreamID] = []
        let block = [UInt8](repeating: 3, count: 1 << 20)
        for _ in 0..<3 {
            let id = try pair.initiator.open()
            _ = try pair.initiator.write(block, to: id)
            ids.append(id)
        }
        try pair.initiator.send([7])
        #expect(pair.run { $0.responder.events.contains(.messagesReadable) })
        let order = pair.responder.events
        #expect(order.firstIndex(of: .messagesReadable) ?? .max < order.firstIndex(of: .streamOpened(ids[0])) ?? .max)
        pair.pass(.milliseconds(100))
        for id in ids {
            let read = try [UInt8](rawCapacity: 1 << 20) { output throws(SessionError) in
                _ = try pair.responder.session.read(from: id, into: &output)
            }
            #expect(read.count > 10_000)
        }
    }

    @Test("A writer's reset reaches the reader") func resetByWriter() throws {
        let pair = try established()
        let id = try pair.initiator.open()
        _ = try pair.initiator.write([1, 2, 3], to: id)
        pair.pass(.milliseconds(100))
        pair.initiator.session.reset(id, code: 77)
        pair.initiator.session.reset(id, code: 78)
        #expect(pair.run { $0.responder.events.contains(.streamReset(id, code: 77)) })
        var result: StreamReadResult?
        _ = [UInt8](rawCapacity: 10) { output in result = try? pair.responder.session.read(from: id, into: &output) }
        #expect(result == .reset(code: 77))
        #expect(throws: SessionError.self) { _ = try pair.initiator.write([1], to: id) }
    }

    @Test("A reader's reset stops the writer, and its credit comes back") func resetByReader() throws {
        var setup = Pair.Setup()
        setup.limits.connectionWindowByteCount = 65_536
        setup.limits.streamWindowByteCount = 65_536
        let pair = try established(setup)
        let block = [UInt8](repeating: 9, count: 65_536)
        for _ in 0..<5 {
            let id = try pair.initiator.open()
            #expect(try pair.initiator.write(block, to: id) == 65_536)
            #expect(pair.run { $0.responder.events.contains(.streamReadable(id)) })
            pair.responder.session.reset(id, code: 5)
            #expect(pair.run { $0.initiator.events.contains(.streamReset(id, code: 5)) })
            pair.pass(.milliseconds(200))
        }
        #expect(pair.initiator.closeReason == nil)
        #expect(pair.responder.closeReason == nil)
    }
}
