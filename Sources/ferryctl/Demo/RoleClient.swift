internal import Synchronization

/// The coordinator's view of a role: what it said last, and waiting for what it will say.
final class RoleClient: Sendable {
    private struct Waiter: Sendable {
        var matches: @Sendable (RoleEvent) -> Bool
        var continuation: CheckedContinuation<RoleEvent?, Never>
    }

    private struct State: Sendable {
        var unread: [RoleEvent] = []
        var waiters: [Waiter] = []
        var hasEnded = false
        var lastOffering: (offered: UInt64, accepted: UInt64) = (0, 0)
        var lastFailure: CommandFailure?
    }

    let name: String
    let role: any DemoRole
    private let state = Mutex(State())
    private let onProgress: @Sendable (RoleEvent) -> Void
    private let task = Mutex<Task<Void, Never>?>(nil)

    init(name: String, role: any DemoRole, onProgress: @escaping @Sendable (RoleEvent) -> Void) {
        self.name = name
        self.role = role
        self.onProgress = onProgress
        task.withLock { $0 = Task { [self] in await read() } }
    }

    var hasEnded: Bool { state.withLock { $0.hasEnded } }
    var lastOffering: (offered: UInt64, accepted: UInt64) { state.withLock { $0.lastOffering } }
    var lastFailure: CommandFailure? { state.withLock { $0.lastFailure } }

    /// Sends a command.
    func send(_ command: RoleCommand) { role.send(RoleLine.encode(command)) }

    /// The next event that `pick` understands.
    ///
    /// - Throws: what the role reported, when it fails or ends before.
    func expect<Value: Sendable>(_ what: String, _ pick: @escaping @Sendable (RoleEvent) -> Value?) async throws(CommandFailure) -> Value {
        let event = await next { event in
            if case .failed = event { return true }
            return pick(event) != nil
        }
        if let event, let value = pick(event) { return value }
        if case .failed(let code, let message) = event { throw CommandFailure(code: code, message: "\(name): \(message)") }
        throw lastFailure ?? CommandFailure(code: "ended", message: "\(name) ended before \(what)")
    }

    /// Waits until it has ended by itself.
    func ended() async { await task.withLock { $0 }?.value }

    /// Ends the role and waits for it.
    func finish() async {
        await role.finish()
        await task.withLock { $0 }?.value
    }

    private func next(_ matches: @escaping @Sendable (RoleEvent) -> Bool) async -> RoleEvent? {
        await withCheckedContinuation { continuation in
            let answer: RoleEvent?? = state.withLock { state in
                if let index = state.unread.firstIndex(where: matches) { return .some(state.unread.remove(at: index)) }
                if state.hasEnded { return .some(nil) }
                state.waiters.append(Waiter(matches: matches, continuation: continuation))
                return nil
            }
            if let answer { continuation.resume(returning: answer) }
        }
    }

    private func read() async {
        for await line in role.lines.stream {
            guard let event = RoleLine.decode(line, as: RoleEvent.self) else { continue }
            take(event)
        }
        let waiters = state.withLock { state in
            state.hasEnded = true
            defer { state.waiters = [] }
            return state.waiters
        }
        for waiter in waiters { waiter.continuation.resume(returning: nil) }
    }

    private func take(_ event: RoleEvent) {
        onProgress(event)
        let waiter: Waiter? = state.withLock { state in
            switch event {
            case .offering(let offered, let accepted), .emitted(let offered, let accepted): state.lastOffering = (offered, accepted)
            case .failed(let code, let message): state.lastFailure = CommandFailure(code: code, message: "\(name): \(message)")
            default: break
            }
            if let index = state.waiters.firstIndex(where: { $0.matches(event) }) { return state.waiters.remove(at: index) }
            switch event {
            case .offering, .progress, .phase: break
            default: state.unread.append(event)
            }
            return nil
        }
        waiter?.continuation.resume(returning: event)
    }
}
