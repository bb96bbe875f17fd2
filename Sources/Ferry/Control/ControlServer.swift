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
                    guard connection.isPeerOwner, connectionCount.load(ordering: .relaxed) < Self.maximumConnectionCount else { continue }
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

    private func serve(_ connection: UnixSocket) async {
        await withTaskCancellationHandler {
            let lines = LineBuffer()
            do {
                while let line = try await blockingCall({ () throws(FerryError) in try lines.next(from: connection) }) {
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
        try await requests.answer(request) { reply in try await Self.send(reply, on: connection) }
    }

    private static func send(_ reply: ControlReply, on connection: UnixSocket) async throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        let line = Array(try encoder.encode(reply))
        try await blockingCall { () throws(FerryError) in try connection.writeLine(line) }
    }
}

/// What was read past the last line; used by one blocking call at a time.
final class LineBuffer: Sendable {
    private let bytes = Mutex<[UInt8]>([])

    func next(from socket: UnixSocket) throws(FerryError) -> [UInt8]? {
        var rest = bytes.withLock { bytes in
            var rest: [UInt8] = []
            swap(&rest, &bytes)
            return rest
        }
        let line = try socket.readLine(&rest)
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
