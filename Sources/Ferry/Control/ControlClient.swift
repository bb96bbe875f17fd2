#if canImport(FoundationEssentials)
internal import FoundationEssentials
#else
internal import Foundation
#endif

/// The operator's end of a node's control socket; one request at a time.
public final class ControlClient: Sendable {
    private let socket: UnixSocket
    private let lines = LineBuffer()

    /// Connects.
    ///
    /// - Throws: `.controlSocket`, which names the path and the cause.
    public init(path: String) throws(FerryError) { socket = try UnixSocket.connect(path) }

    /// Asks, hands every line before the last one to `onProgress`, and returns the last.
    ///
    /// Cancelling the task closes the connection; a move that was ordered goes on.
    ///
    /// - Throws: `.controlSocket`, `.malformedRequest`. A request that the node refused is a reply with an `error`.
    public func send(
        _ request: ControlRequest, onProgress: (ControlReply.ProgressLine) -> Void = { _ in }
    ) async throws(FerryError) -> ControlReply {
        let line: [UInt8]
        do { line = Array(try JSONEncoder().encode(request)) } catch {
            throw FerryError(.malformedRequest, "the request has no JSON form", cause: error)
        }
        let socket = socket
        let lines = lines
        try await blockingCall { () throws(FerryError) in try socket.writeLine(line) }
        while true {
            let answer = try await withClosing(socket) { () async throws(FerryError) -> [UInt8]? in
                try await blockingCall { () throws(FerryError) in try lines.next(from: socket) }
            }
            guard let answer else { throw FerryError(.controlSocket, "the node closed the control socket without an answer") }
            let reply: ControlReply
            do { reply = try JSONDecoder().decode(ControlReply.self, from: Data(answer)) } catch {
                throw FerryError(.malformedRequest, "the node's answer is not one of version \(ControlProtocol.version)", cause: error)
            }
            guard let progress = reply.progress else { return reply }
            onProgress(progress)
        }
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
