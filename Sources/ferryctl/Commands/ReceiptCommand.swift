internal import ArgumentParser
internal import FerryCrypto
internal import FerryWire
internal import Foundation

/// `ferryctl receipt`: what can be done with the receipt of a move.
struct ReceiptCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "receipt", abstract: "Check the receipt of a move, without any node.", subcommands: [Verify.self])

    /// `ferryctl receipt verify`: needs no node, no network and no secret.
    struct Verify: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "verify", abstract: "Say whether both halves of a hand-over hold, and whose they are.")

        @Argument(help: "What migrate --receipt wrote: one line of base64; '-' for standard input.")
        var file: String
        @Option(help: "The daemon that has to have moved: origin hash (decimal) or entity id (hex).", transform: ExpectedDaemon.init(text:))
        var daemon: ExpectedDaemon?
        @Option(help: "The node that has to have let go: its key in hex.", transform: Self.nodeKey)
        var source: NodeKey?
        @Option(help: "The node that has to have taken over: its key in hex.", transform: Self.nodeKey)
        var target: NodeKey?
        @OptionGroup var output: OutputOptions

        func run() async throws {
            try await output.run {
                let expectation = ReceiptExpectation(daemon: daemon, source: source, target: target)
                let verdict = ReceiptVerdict(reading: file, expecting: expectation, crypto: .composite)
                if verdict.isValid, let line = verdict.line { output.say(line) }
                return CommandResult(fields: verdict.fields, status: verdict.isValid ? .success : .failed, failure: verdict.failure)
            }
        }

        private static func nodeKey(_ text: String) throws -> NodeKey {
            guard let key = NodeKey(hex: text) else { throw ValidationError("\"\(text)\" is no node key (64 hex digits)") }
            return key
        }
    }
}

/// A daemon as a person names it.
enum ExpectedDaemon: Sendable {
    case origin(OriginHash)
    case entity(EntityID)

    init(text: String) throws {
        if let origin = UInt64(text) {
            self = .origin(OriginHash(rawValue: origin))
        } else if let entity = EntityID(hex: text) {
            self = .entity(entity)
        } else {
            throw ValidationError("\"\(text)\" is neither an origin hash (decimal) nor an entity id (64 hex digits)")
        }
    }

    func names(_ daemon: EntityID) -> Bool {
        switch self {
        case .origin(let origin): origin == daemon.originHash
        case .entity(let entity): entity == daemon
        }
    }
}
