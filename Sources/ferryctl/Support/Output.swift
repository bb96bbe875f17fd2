internal import ArgumentParser
internal import Foundation

/// Where the one JSON object of a command goes; human text goes to standard error once standard output is taken.
struct OutputOptions: ParsableArguments {
    @Option(name: .customLong("json"), help: "Write one JSON object to PATH, or to standard output with '-'.")
    var jsonPath: String?

    /// Prints a line for a person.
    func say(_ line: String) {
        let handle = jsonPath == "-" ? FileHandle.standardError : FileHandle.standardOutput
        handle.put(line + "\n")
    }

    /// Writes the command's JSON object, if one was asked for.
    func write(_ value: JSONValue) throws(CommandFailure) {
        guard let jsonPath else { return }
        let text = value.text + "\n"
        if jsonPath == "-" {
            // A reader that has left is no reason to fail; a disk that is full is.
            _ = try ByteStreams.writeAll(text, to: STDOUT_FILENO)
        } else {
            do {
                try Data(text.utf8).write(to: URL(fileURLWithPath: jsonPath))
            } catch {
                throw CommandFailure(code: "output", message: "cannot write \(jsonPath): \(error.localizedDescription)")
            }
        }
    }

    /// Writes what went wrong: the JSON object, and one line on standard error.
    func complain(_ failure: CommandFailure) {
        try? write(.object([("error", failure.json)]))
        Console.complain(failure.message)
    }

    /// Runs a command's body: what it throws becomes `error` in the JSON object and one line on standard error.
    func run(_ body: () async throws -> CommandResult) async throws {
        let result: CommandResult
        do {
            result = try await body()
        } catch {
            let failure = CommandFailure(describing: error)
            complain(failure)
            throw failure.status.code
        }
        var status = result.status
        do throws(CommandFailure) {
            try write(.object(result.fields + (result.failure.map { [("error", $0.json)] } ?? [])))
        } catch {
            Console.complain(error.message)
            if status == .success { status = error.status }
        }
        if let failure = result.failure { Console.complain(failure.message) }
        if status != .success { throw status.code }
    }
}

/// What a command has to say at its end.
struct CommandResult {
    var fields: [(String, JSONValue)]
    var status: ExitStatus = .success
    var failure: CommandFailure?
}

/// Standard error and the terminal.
enum Console {
    /// One clear line on standard error.
    static func complain(_ message: String) {
        FileHandle.standardError.put("ferryctl: \(oneLine(message))\n")
    }

    /// The text without control characters, whatever a peer has put into it.
    static func oneLine(_ text: String) -> String {
        var line = String.UnicodeScalarView()
        line.append(contentsOf: text.unicodeScalars.map { $0.properties.generalCategory == .control ? " " : $0 })
        return String(line)
    }

    /// Whether standard error is a terminal: progress bars and colour only there.
    static var isTerminal: Bool { isatty(STDERR_FILENO) == 1 }

    /// Replaces the current terminal line.
    static func status(_ text: String) {
        guard isTerminal else { return }
        FileHandle.standardError.put("\r\u{1B}[2K\(text)")
    }
}

extension FileHandle {
    /// Writes text; a reader that has left, as `head` does, is no reason to fail.
    func put(_ text: String) { try? write(contentsOf: Data(text.utf8)) }
}
