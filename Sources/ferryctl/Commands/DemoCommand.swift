internal import ArgumentParser
internal import Foundation

/// `ferryctl demo`: a live daemon moves between processes while events come in.
struct DemoCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "demo", abstract: "Move a live daemon between processes while events come in, and prove that nothing was lost.")

    @OptionGroup var options: DemoOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
        try await output.run {
            let parts = StartedParts()
            let coordinator = try DemoCoordinator(options, input: try DemoInput.read(options.input), parts: parts)
            let report = try await parts.untilSignalled { try await coordinator.run() }
            for line in report.lines { output.say(line) }
            return CommandResult(fields: report.fields, status: report.status, failure: report.failure)
        }
    }
}

/// `ferryctl demo-role`: one part of the demo in a process of its own; the coordinator speaks to it over standard input and output.
struct DemoRoleCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "demo-role", abstract: "One part of the demo.", shouldDisplay: false)

    @Argument(help: "The part's configuration, as the demo wrote it.")
    var path: String

    func run() async throws {
        let configuration = try RoleConfiguration(contentsOf: path)
        let commands = RoleLines()
        // Who waits for a peer that is gone does not read: a part whose coordinator has died ends all the same.
        commands.continuation.onTermination = { _ in
            DispatchQueue.global().asyncAfter(deadline: .now() + .seconds(ProcessRole.endBound)) {
                Console.complain("\(configuration.name) did not end within \(ProcessRole.endBound) s")
                Foundation.exit(ProcessRole.stuckStatus)
            }
        }
        LineAssembler.read(FileHandle.standardInput, into: commands)
        await RoleRunner.run(configuration, network: nil, commands: commands.stream) { event in
            FileHandle.standardOutput.put(RoleLine.encode(event) + "\n")
        }
    }
}

/// The lines that the demo feeds its daemon.
enum DemoInput {
    /// The file's text, standard input for `-`, or the repository's own text files.
    static func read(_ path: String?) throws -> [UInt8] {
        switch path {
        case nil: return try repositoryText()
        case "-": return [UInt8](FileHandle.standardInput.readDataToEndOfFile())
        case .some(let path):
            guard let data = FileManager.default.contents(atPath: path) else {
                throw CommandFailure(code: "input", message: "cannot read \(path)")
            }
            return [UInt8](data)
        }
    }

    /// The Markdown beside the source that this executable was built from; a fixed text where it is not there any more.
    private static func repositoryText() throws -> [UInt8] {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        var text: [UInt8] = []
        for folder in ["", "docs", "docs/decisions", "Plugins"] {
            let path = root.appendingPathComponent(folder).path
            for name in ((try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []).sorted() where name.hasSuffix(".md") {
                text += [UInt8](FileManager.default.contents(atPath: path + "/" + name) ?? Data()) + [UInt8(ascii: "\n")]
            }
        }
        guard !text.isEmpty else {
            throw CommandFailure(code: "input", message: "the repository's text is not beside this executable: give --input FILE")
        }
        return text
    }
}
