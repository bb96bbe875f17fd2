internal import Ferry
internal import Foundation
internal import Synchronization

/// One node of a soak over all of its processes: it is killed, started again under the same identity, stopped and continued.
final class SoakNode: Sendable {
    /// What can be done to it now.
    enum Condition: Hashable, Sendable {
        case serving
        /// Stopped by a signal; it answers once it is continued.
        case suspended
        case dead
    }

    private struct State: Sendable {
        var configuration: RoleConfiguration
        var client: RoleClient?
        var condition = Condition.dead
        var bootCount = 0
        var killCount = 0
        /// The last boot that was told to have ended by itself.
        var fallenBoot = 0
    }

    /// How long an answer may take: a process that is stopped for seconds, on a machine that does many other things, answers within it.
    private static let answerBound = Duration.seconds(30)

    let name: String
    /// Where others dial it: the gate before it.
    let endpoint: String
    /// Its key in hex.
    let key: String
    private let folder: DemoFolder
    private let parts: StartedParts
    private let state: Mutex<State>

    init(_ configuration: RoleConfiguration, behind endpoint: String, in folder: DemoFolder, _ parts: StartedParts) {
        self.parts = parts
        name = configuration.name
        self.endpoint = endpoint
        key = String(endpoint.drop { $0 != "#" }.dropFirst())
        self.folder = folder
        state = Mutex(State(configuration: configuration))
    }

    var condition: Condition { state.withLock { $0.condition } }
    var client: RoleClient? { state.withLock { $0.client } }
    var processID: Int32? { client?.role.processID }
    /// The name of the process that runs now, or ran last.
    var boot: String { state.withLock { "\($0.configuration.name).\($0.bootCount)" } }
    /// How often it was killed.
    var killCount: Int { state.withLock { $0.killCount } }
    /// The logs of all of its processes so far, by boot.
    var logPaths: [(boot: String, path: String)] {
        let count = state.withLock { $0.bootCount }
        return (0..<count).map { ("\(name).\($0 + 1)", logPath($0 + 1)) }
    }

    private func logPath(_ boot: Int) -> String { folder.path("\(name).\(boot).processed") }

    /// Starts a process and waits until it listens.
    ///
    /// - Returns: where it listens itself, `scheme:rest`.
    @discardableResult
    func start() async throws -> String {
        let configuration = state.withLock { state in
            state.bootCount += 1
            state.configuration.processedLogPath = logPath(state.bootCount)
            return state.configuration
        }
        let path = folder.path("\(name).json")
        try configuration.write(to: path)
        let client = RoleClient(name: name, role: try parts.start { try ProcessRole(configurationPath: path) }) { _ in }
        let endpoint: String
        do {
            endpoint = try await client.expect("it listened") { $0.endpoint }
        } catch {
            client.role.processID.map { _ = Foundation.kill($0, SIGKILL) }
            await client.finish()
            throw error
        }
        let address = String(endpoint.prefix { $0 != "#" })
        state.withLock { state in
            state.client = client
            // The kernel's choice of a port is kept: the gate knows it, and nobody else takes it meanwhile.
            state.configuration.listenAddress = address
            state.condition = .serving
        }
        return address
    }

    func kill() async {
        let client = state.withLock { state in
            state.condition = .dead
            state.killCount += 1
            return state.client
        }
        signal(SIGKILL)
        await client?.finish()
    }

    /// Ends its process behind everybody's back, as a trap would.
    func crash() async {
        signal(SIGKILL)
        await client?.ended()
    }

    func suspend() {
        state.withLock { $0.condition = .suspended }
        signal(SIGSTOP)
    }

    func proceed() {
        signal(SIGCONT)
        state.withLock { $0.condition = .serving }
    }

    /// The boot whose process has ended though nobody has ended it; told once.
    func takeFallen() -> String? {
        state.withLock { state in
            guard state.condition != .dead, state.client?.hasEnded == true, state.fallenBoot < state.bootCount else { return nil }
            state.fallenBoot = state.bootCount
            return "\(name).\(state.bootCount)"
        }
    }

    /// Asks it to end, and waits.
    func finish() async { await client?.finish() }

    private func signal(_ number: Int32) {
        if let processID { Foundation.kill(processID, number) }
    }

    /// Asks through its control socket.
    ///
    /// - Throws: `CommandFailure` `silent` when there is no answer within the bound.
    func ask(_ request: ControlRequest, within bound: Duration = SoakNode.answerBound) async throws -> ControlReply {
        let path = state.withLock { $0.configuration.controlPath ?? "" }
        let name = name
        return try await withThrowingTaskGroup(of: ControlReply.self) { group in
            group.addTask { try await ControlClient(path: path).send(request) }
            group.addTask {
                try await Task.sleep(for: bound)
                throw CommandFailure(code: SoakNode.silent, message: "\(name) does not answer within \(bound.seconds) s")
            }
            defer { group.cancelAll() }
            guard let reply = try await group.next() else { throw CommandFailure(code: SoakNode.silent, message: "nobody was asked") }
            return reply
        }
    }

    /// The code of an answer that did not come.
    static let silent = "silent"
}
