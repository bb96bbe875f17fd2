import Foundation
import Synchronization
import Testing

@testable import ferryctl

/// A run of the ferryctl executable that was built with these tests, or of another program.
struct CommandRun {
    var status: Int32
    var output: String
    var error: String

    /// The executable beside the test bundle.
    static var executable: String {
        let tests = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
        return tests.deletingLastPathComponent().appendingPathComponent("ferryctl").path
    }

    static func ferryctl(_ arguments: [String], environment: [String: String] = [:]) async throws -> CommandRun {
        try await program(executable, arguments, environment: environment)
    }

    /// - Parameter environment: joins that of the tests.
    static func program(_ path: String, _ arguments: [String], environment: [String: String] = [:]) async throws -> CommandRun {
        let folder = try DemoFolder()
        let (outputPath, errorPath) = (folder.path("output"), folder.path("error"))
        for path in [outputPath, errorPath] { try Data().write(to: URL(fileURLWithPath: path)) }
        let process = Process()
        process.executableURL = URL(fileURLWithPath: path)
        process.arguments = arguments
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = try FileHandle(forWritingTo: URL(fileURLWithPath: outputPath))
        process.standardError = try FileHandle(forWritingTo: URL(fileURLWithPath: errorPath))
        let ended = Signal()
        process.terminationHandler = { _ in ended.set() }
        try process.run()
        await ended.wait()
        return CommandRun(
            status: process.terminationStatus, output: try String(contentsOfFile: outputPath, encoding: .utf8),
            error: try String(contentsOfFile: errorPath, encoding: .utf8))
    }

    /// The lines on standard error.
    var errorLines: [Substring] { error.split(separator: "\n") }

    /// The only line on standard output, as JSON.
    func object() throws -> [String: Any] {
        let lines = output.split(separator: "\n")
        #expect(lines.count == 1)
        return try parseObject(String(try #require(lines.first)))
    }

    /// The one clear line on standard error and the same message in the JSON object's `error`.
    func expectFailure(_ status: Int32, code: String, naming cause: String, location: SourceLocation = #_sourceLocation) throws {
        #expect(self.status == status, sourceLocation: location)
        #expect(errorLines.count == 1, "\(error)", sourceLocation: location)
        #expect(error.hasPrefix("ferryctl: ") && error.contains(cause), "\(error)", sourceLocation: location)
        let failure = try #require(try object()["error"] as? [String: String], sourceLocation: location)
        #expect(failure["code"] == code, sourceLocation: location)
        #expect(failure["message"]?.contains(cause) == true, sourceLocation: location)
    }
}

func parseObject(_ text: String) throws -> [String: Any] {
    try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any], "\(text)")
}

/// A command that goes on until it is told to stop, and the events that it writes.
final class RunningCommand {
    private let process = Process()
    private let lines = RoleLines()
    private let ended = Signal()
    private var iterator: AsyncStream<String>.Iterator

    init(_ arguments: [String]) throws {
        iterator = lines.stream.makeAsyncIterator()
        process.executableURL = URL(fileURLWithPath: CommandRun.executable)
        process.arguments = arguments
        process.standardInput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        let output = Pipe()
        process.standardOutput = output
        let ended = ended
        process.terminationHandler = { _ in ended.set() }
        try process.run()
        LineAssembler.read(output.fileHandleForReading, into: lines)
    }

    deinit { if process.isRunning { process.terminate() } }

    /// The next line with this event; those before it are dropped.
    func next(_ event: String) async throws -> [String: Any] {
        var seen: [String] = []
        while let line = await iterator.next(isolation: #isolation) {
            let object = try parseObject(line)
            if object["event"] as? String == event { return object }
            seen.append(line)
        }
        throw CommandFailure(code: "ended", message: "no \(event) among \(seen)")
    }

    /// SIGTERM; returns the exit status.
    func stop() async -> Int32 {
        process.terminate()
        return await status()
    }

    func status() async -> Int32 {
        await ended.wait()
        return process.terminationStatus
    }
}

/// A node with its own identity and control socket in a private folder.
struct RunningNode {
    let command: RunningCommand
    let folder: DemoFolder
    /// `scheme:rest#NODEKEY`, one for each address that it listens on.
    let endpoints: [String]
    let nodeKey: String

    var control: String { folder.path("control") }

    static func start(listening transports: [String] = ["unix"], flags: [String] = []) async throws -> RunningNode {
        let folder = try DemoFolder()
        let addresses = transports.map { $0 == "unix" ? "unix:" + folder.path("node") : "udp:127.0.0.1:0" }
        let command = try RunningCommand(
            ["node", "--identity", folder.path("identity"), "--control", folder.path("control")]
                + addresses.flatMap { ["--listen", $0] } + flags)
        var endpoints: [String] = []
        var nodeKey = ""
        for _ in addresses {
            let event = try await command.next("listening")
            nodeKey = try #require(event["nodeKey"] as? String)
            #expect(UInt64(try #require(event["nodeID"] as? String)) != nil)
            endpoints.append(try #require(event["address"] as? String) + "#" + nodeKey)
        }
        return RunningNode(command: command, folder: folder, endpoints: endpoints, nodeKey: nodeKey)
    }

    /// What `ferryctl daemons` says.
    func daemons() async throws -> [[String: Any]] {
        let run = try await CommandRun.ferryctl(["daemons", "--node", control, "--json", "-"])
        #expect(run.status == 0)
        return try #require(try run.object()["daemons"] as? [[String: Any]])
    }

    /// The origin of the only daemon.
    func daemon() async throws -> String { try #require(try await daemons().first?["origin"] as? String) }
}
