internal import Ferry
internal import FerryChunking
internal import FerryCrypto
internal import FerryStateMachines
internal import FerryTransports
internal import Foundation

extension CommandFailure {
    /// Any error as one line with a stable code.
    init(describing error: any Error) {
        switch error {
        case let failure as CommandFailure: self = failure
        case let error as FerryError: self.init(code: error.code.description, message: error.message, status: Self.status(of: error))
        case let error as CompositionError: self.init(code: "composition", message: error.description)
        case let error as TransportError: self.init(code: error.code.description, message: error.message)
        case let error as CryptoFailure: self.init(code: error.code.description, message: error.message)
        case let error as SessionError: self.init(code: error.code.description, message: error.message)
        case let error as ChunkingError: self.init(code: error.code.description, message: error.message)
        case is CancellationError: self.init(code: "cancelled", message: "cancelled")
        default: self.init(code: "failed", message: String(describing: error).split(separator: "\n").first.map(String.init) ?? "failed")
        }
    }

    private static func status(of error: FerryError) -> ExitStatus {
        switch error.code {
        case .declined: .rolledBack
        case .rolledBack: .rolledBack
        case .inDoubt: .inDoubt
        default: .failed
        }
    }

    /// `{"code", "message"}`.
    var json: JSONValue { .object([("code", .string(code)), ("message", .string(message))]) }
}
