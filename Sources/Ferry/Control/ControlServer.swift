internal import FerryWire
internal import Synchronization

#if canImport(FoundationEssentials)
internal import FoundationEssentials
#else
internal import Foundation
#endif

/// Serves the operator's socket: one JSON request and one reply a line, `migrate` several.
///
/// To be able to open it is to be the operator: the file is this user's alone, and every connection's credentials are checked again.
final class ControlServer: Sendable {
    /// Operators at once; one more is turned away.
    static let maximumConnectionCount = 16
    /// How long an operator may leave a reply unread before the connection is closed.
    private static let writePatience = Duration.seconds(30)

    private let path: String
    private let socket: UnixSocket
    private let requests: ControlRequests
    private let connectionCount = Atomic<Int>(0)

    /// Binds the socket.
    ///
    /// - Throws: `.controlSocket`.
    init(path: String, node: FerryNode) throws(FerryError) {
        self.path = path
        socket = try UnixSocket.listen(path)
        requests = ControlRequests(node: node)
    }

    /// Serves until the task is cancelled, and removes the socket file.
    func run() async throws {
        defer { UnixSocket.remove(path) }
        let socket = socket
        try await withTaskCancellationHandler {
            try await withThrowingDiscardingTaskGroup { group in
                while !Task.isCancelled, let connection = try await blockingCall({ () throws(FerryError) in try socket.accept() }) {
                    guard connection.isPeerOwner else { continue }
                    connection.limitWaiting(write: Self.writePatience)
                    guard connectionCount.load(ordering: .relaxed) < Self.maximumConnectionCount else {
                        Self.turnAway(connection)
                        continue
                    }
                    connectionCount.add(1, ordering: .relaxed)
                    group.addTask {
                        await self.serve(connection)
                        self.connectionCount.subtract(1, ordering: .relaxed)
                    }
                }
                group.cancelAll()
            }
        } onCancel: {
            socket.shutDown()
        }
    }

    /// Says why; the line is the first on this connection and fits its buffer.
    private static func turnAway(_ connection: UnixSocket) {
        let error = FerryError(.limitExceeded, "\(maximumConnectionCount) operators speak to this node already; try again")
        guard let line = try? encode(.failed(error)) else { return }
        try? connection.writeLine(line)
    }

    private func serve(_ connection: UnixSocket) async {
        await withTaskCancellationHandler {
            let lines = LineBuffer()
            do {
                while case .line(let line) = try await blockingCall({ () throws(FerryError) in try lines.next(from: connection) }) {
                    try await answer(line, on: connection)
                }
            } catch let error as FerryError where error.code == .malformedRequest {
                try? await Self.send(.failed(error), on: connection)
            } catch {
                // The operator has gone.
            }
            connection.shutDown()
        } onCancel: {
            connection.shutDown()
        }
    }

    private func answer(_ line: [UInt8], on connection: UnixSocket) async throws {
        let request: ControlRequest
        do {
            request = try JSONDecoder().decode(ControlRequest.self, from: Data(line))
        } catch {
            return try await Self.send(
                .failed(FerryError(.malformedRequest, "the line is not a request of version \(ControlProtocol.version)")), on: connection)
        }
        // A node that stood still finds what its operators asked for long ago and gave up.
        guard !connection.isPeerGone || !Self.isDecision(request) else { return }
        try await requests.answer(request) { reply in try await Self.send(reply, on: connection) }
    }

    /// Whether a request moves a daemon, or ends a doubt over one.
    private static func isDecision(_ request: ControlRequest) -> Bool {
        [ControlRequest.Command.migrate, .resolve].contains { $0.rawValue == request.command }
    }

    private static func send(_ reply: ControlReply, on connection: UnixSocket) async throws {
        let line = try encode(reply)
        try await blockingCall { () throws(FerryError) in try connection.writeLine(line) }
    }

    private static func encode(_ reply: ControlReply) throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return Array(try encoder.encode(reply))
    }
}

/// What was read past the last line; used by one blocking call at a time.
final class LineBuffer: Sendable {
    private let bytes = Mutex<[UInt8]>([])

    func next(
        from socket: UnixSocket, limit: Int = UnixSocket.maximumLineByteCount
    ) throws(FerryError) -> UnixSocket.LineRead {
        var rest = bytes.withLock { bytes in
            var rest: [UInt8] = []
            swap(&rest, &bytes)
            return rest
        }
        let line = try socket.readLine(&rest, limit: limit)
        let left = rest
        bytes.withLock { $0 = left }
        return line
    }
}

extension ControlReply {
    static func failed(_ error: FerryError) -> ControlReply {
        var reply = ControlReply()
        reply.error = Failure(
            code: error.code.description, message: error.message, reason: (error.cause as? FailureReason)?.code.description)
        return reply
    }
}
