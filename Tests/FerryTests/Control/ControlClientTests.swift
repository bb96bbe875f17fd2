import Foundation
import Synchronization
import Testing

@testable import Ferry

/// Serves a control socket with given answers.
private final class SpokenNode: Sendable {
    let path: String
    private let socket: UnixSocket

    /// - Parameter answer: what to say to a line; nil for silence.
    init(answer: @escaping @Sendable ([UInt8]) -> [UInt8]?) throws {
        path = NSTemporaryDirectory() + "ferry-\(UInt32.random(in: 0 ... .max))/c.sock"
        let socket = try UnixSocket.listen(path)
        self.socket = socket
        Thread.detachNewThread {
            while let connection = try? socket.accept() {
                Thread.detachNewThread {
                    let lines = LineBuffer()
                    while case .line(let line)? = try? lines.next(from: connection) {
                        if let reply = answer(line) { try? connection.writeLine(reply) }
                    }
                }
            }
        }
    }

    deinit {
        socket.shutDown()
        try? FileManager.default.removeItem(atPath: (path as NSString).deletingLastPathComponent)
    }
}

@Suite(.timeLimit(.minutes(1))) struct ControlClientTests {
    @Test("a node that answers nobody is not waited for")
    func standingStill() async throws {
        let node = try SpokenNode { _ in nil }
        let client = try ControlClient(path: node.path, patience: .seconds(1))
        let error = await #expect(throws: FerryError.self) { try await client.send(ControlRequest(.moves)) }
        #expect(error?.code == .controlSocket)
        #expect(error?.message.contains("stands still") == true)
    }

    @Test("an answer may take longer than the client's patience while the node answers others")
    func slowAnswer() async throws {
        let probeCount = Atomic<Int>(0)
        let node = try SpokenNode { line in
            guard String(decoding: line, as: UTF8.self).contains("status") else {
                while probeCount.load(ordering: .relaxed) == 0 { Thread.sleep(forTimeInterval: 0.01) }
                return Array(#"{"moves":[],"version":1}"#.utf8)
            }
            probeCount.add(1, ordering: .relaxed)
            return Array(#"{"version":1}"#.utf8)
        }
        let client = try ControlClient(path: node.path, patience: .seconds(1))
        #expect(try await client.send(ControlRequest(.moves)).moves == [])
        #expect(probeCount.load(ordering: .relaxed) > 0)
    }

    @Test("the moves that a node remembers fit one reply, in every role")
    func longReply() async throws {
        let move = ControlReply.MoveLine(
            migration: String(repeating: "a", count: 32), daemon: "\(UInt64.max)", role: "orchestrator",
            source: String(repeating: "b", count: 64), target: String(repeating: "c", count: 64), phase: "snapshot", elapsedSeconds: 1,
            ageInPhaseSeconds: 1, bytes: .max, totalBytes: .max, bytesPerSecond: 1, replayLag: .max, estimatedPauseMilliseconds: 1,
            retries: 1, stall: String(repeating: "d", count: 200), boundSeconds: 1, result: "rolledBackAfterCommit")
        var reply = ControlReply()
        reply.moves = Array(repeating: move, count: 3 * 4_096)
        let line = try Array(JSONEncoder().encode(reply))
        #expect(line.count > UnixSocket.maximumLineByteCount)
        let node = try SpokenNode { _ in line }
        #expect(try await ControlClient(path: node.path).send(ControlRequest(.moves)).moves?.count == 3 * 4_096)
    }

    @Test("a line beyond the limit ends the reading, one within it does not")
    func lineLimit() throws {
        let limit = 64 << 10
        for (byteCount, isTaken) in [(limit, true), (limit + (32 << 10), false)] {
            let (writer, reader) = try Self.pair()
            Thread.detachNewThread { try? writer.writeLine([UInt8](repeating: 0x20, count: byteCount)) }
            var buffer: [UInt8] = []
            if isTaken {
                guard case .line(let line) = try reader.readLine(&buffer, limit: limit) else {
                    Issue.record("no line")
                    continue
                }
                #expect(line.count == byteCount)
            } else {
                #expect(throws: FerryError.self) { _ = try reader.readLine(&buffer, limit: limit) }
            }
        }
    }

    @Test("an operator who has gone is told from one who has said all")
    func peerGone() throws {
        var ends: (UnixSocket, UnixSocket)? = try Self.pair()
        let reader = try #require(ends?.1)
        #expect(!reader.isPeerGone)
        try ends?.0.writeLine([0x20])
        ends = nil
        #expect(reader.isPeerGone)
        var buffer: [UInt8] = []
        guard case .line = try reader.readLine(&buffer) else {
            Issue.record("what was written is lost")
            return
        }
    }

    private static func pair() throws -> (UnixSocket, UnixSocket) {
        let path = NSTemporaryDirectory() + "ferry-\(UInt32.random(in: 0 ... .max))/c.sock"
        defer { try? FileManager.default.removeItem(atPath: (path as NSString).deletingLastPathComponent) }
        let listener = try UnixSocket.listen(path)
        let client = try UnixSocket.connect(path)
        return (client, try #require(try listener.accept()))
    }

    @Test("a reply of another version is refused")
    func otherVersion() async throws {
        let node = try SpokenNode { _ in Array(#"{"moves":[],"version":2}"#.utf8) }
        let error = await #expect(throws: FerryError.self) {
            try await ControlClient(path: node.path).send(ControlRequest(.moves))
        }
        #expect(error?.code == .unsupportedVersion)
    }

    @Test("one operator too many is told so, and the others are served")
    func tooManyOperators() async throws {
        let path = NSTemporaryDirectory() + "ferry-\(UInt32.random(in: 0 ... .max))/run/c.sock"
        let configure = { (index: Int, composition: inout Composition) in
            if index == 0 { composition.controlSocketPath = path }
        }
        try await withHosts(1, configure: configure) { _ in
            await eventually { FileManager.default.fileExists(atPath: path) }
            var clients: [ControlClient] = []
            for _ in 0..<ControlServer.maximumConnectionCount {
                let client = try ControlClient(path: path)
                #expect(try await client.send(ControlRequest(.status)).status != nil)
                clients.append(client)
            }
            #expect(try await ControlClient(path: path).send(ControlRequest(.status)).error?.code == "limitExceeded")
            for client in clients { #expect(try await client.send(ControlRequest(.status)).status != nil) }
        }
    }
}
