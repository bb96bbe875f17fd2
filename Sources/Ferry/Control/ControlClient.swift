#if canImport(FoundationEssentials)
internal import FoundationEssentials
#else
internal import Foundation
#endif

/// The operator's end of a node's control socket; one request at a time.
public final class ControlClient: Sendable {
    private let path: String
    private let socket: UnixSocket
    private let patience: Duration
    private let lines = LineBuffer()

    /// Connects.
    ///
    /// - Parameter patience: how long a node may be silent before it is asked whether it still answers anybody, in whole seconds, at
    ///   least one.
    /// - Throws: `.controlSocket`, which names the path and the cause.
    public init(path: String, patience: Duration = .seconds(10)) throws(FerryError) {
        self.path = path
        self.patience = max(patience, .seconds(1))
        socket = try UnixSocket.connect(path)
        socket.limitWaiting(read: self.patience, write: self.patience)
    }

    /// Asks, hands every line before the last one to `onProgress`, and returns the last.
    ///
    /// A request may take its time, but a node that answers nobody any more, as one that stands still, is not waited for. Cancelling the
    /// task closes the connection; a move that was ordered goes on.
    ///
    /// - Throws: `.controlSocket`, `.malformedRequest`, `.unsupportedVersion`. A request that the node refused is a reply with an `error`.
    public func send(
        _ request: ControlRequest, onProgress: (ControlReply.ProgressLine) -> Void = { _ in }
    ) async throws(FerryError) -> ControlReply {
        let line: [UInt8]
        do { line = Array(try JSONEncoder().encode(request)) } catch {
            throw FerryError(.malformedRequest, "the request has no JSON form", cause: error)
        }
        let refusal = await write(line)
        while true {
            let answer: [UInt8]?
            // A node that turned the connection away has said why before it closed it.
            do throws(FerryError) { answer = try await nextLine() } catch { throw refusal ?? error }
            guard let answer else {
                throw refusal ?? FerryError(.controlSocket, "the node closed the control socket without an answer")
            }
            let reply = try Self.decode(answer)
            guard let progress = reply.progress else { return reply }
            onProgress(progress)
        }
    }

    /// - Returns: why it could not be written.
    private func write(_ line: [UInt8]) async -> FerryError? {
        let socket = socket
        do throws(FerryError) { try await blockingCall { () throws(FerryError) in try socket.writeLine(line) } } catch { return error }
        return nil
    }

    /// The next line; nil at the end.
    private func nextLine() async throws(FerryError) -> [UInt8]? {
        let socket = socket
        let lines = lines
        while true {
            let read = try await withClosing(socket) { () async throws(FerryError) -> UnixSocket.LineRead in
                try await blockingCall { () throws(FerryError) in try lines.next(from: socket, limit: UnixSocket.maximumReplyByteCount) }
            }
            switch read {
            case .line(let line): return line
            case .end: return nil
            case .silence: try await probe()
            }
        }
    }

    /// Asks on a connection of its own whether the node answers anybody.
    private func probe() async throws(FerryError) {
        let path = path
        let patience = patience
        let answers = try await blockingCall { () throws(FerryError) -> Bool in
            let socket = try UnixSocket.connect(path)
            socket.limitWaiting(read: patience, write: patience)
            try socket.writeLine(Array(#"{"command":"status","version":1}"#.utf8))
            if case .line = try LineBuffer().next(from: socket, limit: UnixSocket.maximumReplyByteCount) { return true }
            return false
        }
        guard answers else {
            throw FerryError(.controlSocket, "the node behind \(path) stands still; what was asked of it may be done when it goes on")
        }
    }

    private static func decode(_ line: [UInt8]) throws(FerryError) -> ControlReply {
        let reply: ControlReply
        do { reply = try JSONDecoder().decode(ControlReply.self, from: Data(line)) } catch {
            throw FerryError(.malformedRequest, "the node's answer is not one of version \(ControlProtocol.version)", cause: error)
        }
        guard reply.version == ControlProtocol.version else {
            throw FerryError(.unsupportedVersion, "the node answers in version \(reply.version), not in \(ControlProtocol.version)")
        }
        return reply
    }

    private func withClosing<Value: Sendable>(
        _ socket: UnixSocket, _ body: () async throws(FerryError) -> Value
    ) async throws(FerryError) -> Value {
        let result: Result<Value, FerryError> = await withTaskCancellationHandler {
            do throws(FerryError) { return .success(try await body()) } catch { return .failure(error) }
        } onCancel: {
            socket.shutDown()
        }
        return try result.get()
    }
}

extension ControlClient {
    /// Where a node's control socket is unless told otherwise: `$XDG_RUNTIME_DIR/ferry/<nodeID>.sock`, without that variable
    /// `~/.ferry/run/<nodeID>.sock`.
    public static func defaultFolder(environment: [String: String]) -> String? {
        if let folder = environment["XDG_RUNTIME_DIR"], folder.hasPrefix("/") { return "\(folder)/ferry" }
        if let home = environment["HOME"], home.hasPrefix("/") { return "\(home)/.ferry/run" }
        return nil
    }
}
