internal import ArgumentParser

/// The exit codes of docs/handbook.md; the first that applies.
enum ExitStatus: Int32, Sendable {
    case success = 0
    case failed = 1
    case rolledBack = 3
    case inDoubt = 4
    case usage = 64

    var code: ExitCode { ExitCode(rawValue) }
}

/// An error for a person and for a script: one line, a stable code, an exit status.
struct CommandFailure: Error, CustomStringConvertible {
    var code: String
    var message: String
    var status: ExitStatus = .failed

    var description: String { message }
}
