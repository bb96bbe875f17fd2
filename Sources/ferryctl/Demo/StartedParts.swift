internal import Synchronization
internal import UnixSignals

/// What a run has started, so that one that is told to end leaves nothing behind.
final class StartedParts: Sendable {
    private struct State {
        var roles: [any DemoRole] = []
        var folders: [Folder] = []
        var interruption: CommandFailure?
    }

    /// A folder is gone with its last user.
    private struct Folder {
        weak var folder: DemoFolder?
    }

    private let state = Mutex(State())

    /// Why the run was told to end.
    var interruption: CommandFailure? { state.withLock { $0.interruption } }

    /// A part that comes after the end of the run is ended at once.
    func add(_ role: any DemoRole) {
        state.withLock { state in
            state.roles.append(role)
            if state.interruption != nil { role.kill() }
        }
    }

    func add(_ folder: DemoFolder) { state.withLock { $0.folders.append(Folder(folder: folder)) } }

    /// Ends every part at once, and the run with this failure.
    func interrupt(_ failure: CommandFailure) {
        let roles = state.withLock { state in
            state.interruption = failure
            return state.roles
        }
        for role in roles { role.kill() }
    }

    func removeFolders() {
        for folder in state.withLock({ $0.folders }) { folder.folder?.remove() }
    }

    /// Runs `body`, and ends every part when the process is told to end.
    func untilSignalled<Value>(_ onEnd: @escaping @Sendable (CommandFailure) -> Void = { _ in }, _ body: () async throws -> Value)
        async rethrows -> Value
    {
        let signals = await UnixSignalsSequence(trapping: .sigint, .sigterm)
        let watching = Task {
            for await signal in signals {
                let failure = CommandFailure(code: "interrupted", message: "the run was ended by \(signal)")
                interrupt(failure)
                onEnd(failure)
            }
        }
        defer { watching.cancel() }
        return try await body()
    }
}
