internal import Synchronization
internal import UnixSignals

/// What a run has started, so that one that is told to end leaves nothing behind.
final class StartedParts: Sendable {
    private struct State {
        var roles: [any DemoRole] = []
        var folders: [String] = []
        var interruption: CommandFailure?
    }

    private let state = Mutex(State())

    /// Starts a part, unless the run was told to end.
    func start<Role: DemoRole>(_ make: () throws -> Role) throws -> Role {
        try unlessInterrupted { state in
            let role = try make()
            state.roles.append(role)
            return role
        }
    }

    /// A folder that is gone at the end of the run, however it ends.
    func makeFolder() throws -> DemoFolder {
        try unlessInterrupted { state in
            let folder = try DemoFolder()
            state.folders.append(folder.root)
            return folder
        }
    }

    /// Does what may make a folder, as identities do.
    func make<Value>(_ body: () throws -> Value) throws -> Value { try unlessInterrupted { _ in try body() } }

    /// Nothing begins once the run was told to end, not even what was about to.
    private func unlessInterrupted<Value>(_ body: (inout State) throws -> Value) throws -> Value {
        try state.withLock { state in
            if let interruption = state.interruption { throw interruption }
            return try body(&state)
        }
    }

    /// Ends every part at once, and the run with this failure.
    func interrupt(_ failure: CommandFailure) {
        let roles = state.withLock { state in
            state.interruption = failure
            return state.roles
        }
        for role in roles { role.kill() }
    }

    /// Waits until every part that was interrupted is gone, and removes the folders that they wrote into.
    func cleanUp() async {
        let (roles, folders) = state.withLock { ($0.roles, $0.folders) }
        for role in roles { await role.finish() }
        for folder in folders { DemoFolder.remove(folder) }
    }

    /// Runs `body`, and ends every part when the process is told to end.
    ///
    /// - Parameter onEnd: what is due then; the run does not end before it has.
    /// - Throws: what `body` throws, or why the run was told to end, whatever `body` made of that.
    func untilSignalled<Value>(
        _ onEnd: @escaping @Sendable (CommandFailure) async -> Void = { _ in }, _ body: () async throws -> Value
    ) async throws -> Value {
        let signals = await UnixSignalsSequence(trapping: .sigint, .sigterm)
        let ended = Signal()
        let watching = Task {
            for await signal in signals {
                let failure = CommandFailure(code: "interrupted", message: "the run was ended by \(signal)")
                interrupt(failure)
                await onEnd(failure)
                ended.set()
            }
        }
        defer { watching.cancel() }
        let result: Result<Value, any Error>
        do {
            result = .success(try await body())
        } catch {
            result = .failure(error)
        }
        if let interruption = state.withLock({ $0.interruption }) {
            await ended.wait()
            throw interruption
        }
        return try result.get()
    }
}
