import Ferry
import FerryWire
import Foundation
import Testing

@testable import ferryctl

/// Receipts of real moves between two processes: one daemon there and back, another one there.
struct RealReceipts: Sendable {
    var origin: String
    var sourceKey: String
    var targetKey: String
    /// As `migrate --receipt` wrote them.
    var there: [UInt8]
    var back: [UInt8]
    var ofAnotherDaemon: [UInt8]

    private static let made = Task { try await make() }

    /// The moves are made once for all tests.
    static func get() async throws -> RealReceipts { try await made.value }

    private static func make() async throws -> RealReceipts {
        let source = try await RunningNode.start(flags: ["--spawn-demo", "64KiB", "--allow", "any"])
        let target = try await RunningNode.start(flags: ["--allow", "any"])
        let other = try await RunningNode.start(flags: ["--spawn-demo", "64KiB"])
        let origin = try await source.daemon()
        let there = try await migrate(origin, from: source, to: target)
        let back = try await migrate(origin, from: target, to: source)
        let otherOrigin = try await other.daemon()
        let another = try await migrate(otherOrigin, from: other, to: target)
        let statuses = [await source.command.stop(), await target.command.stop(), await other.command.stop()]
        #expect(statuses == [0, 0, 0])
        return RealReceipts(
            origin: origin, sourceKey: source.nodeKey, targetKey: target.nodeKey, there: there, back: back, ofAnotherDaemon: another)
    }

    private static func migrate(_ origin: String, from source: RunningNode, to target: RunningNode) async throws -> [UInt8] {
        let path = source.folder.path("receipt")
        let endpoint = try #require(target.endpoints.first)
        let run = try await CommandRun.ferryctl(["migrate", origin, "--to", endpoint, "--node", source.control, "--receipt", path])
        #expect(run.status == 0, "\(run.error)")
        return [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
    }

    /// The line without its newline, decoded.
    static func bytes(_ text: [UInt8]) throws -> [UInt8] {
        let data = try #require(Data(base64Encoded: Data(text.dropLast())))
        return [UInt8](data)
    }

    static func receipt(_ text: [UInt8]) throws -> MoveReceipt {
        let bytes = try bytes(text)
        return try MoveReceipt(decoding: bytes.rawSpan)
    }

    static func text(_ receipt: MoveReceipt) -> [UInt8] { text(receipt.bytes) }

    static func text(_ bytes: [UInt8]) -> [UInt8] { [UInt8](Data(bytes).base64EncodedData()) + [UInt8(ascii: "\n")] }
}
