import Ferry
import FerryWire
import Foundation
import Testing

@testable import ferryctl

@Suite(.serialized, .timeLimit(.minutes(3))) struct ReceiptCommandTests {
    private static let names = [
        "valid", "daemon", "entityID", "epoch", "source", "target", "chainHead", "chainSequence", "migration", "lineage",
    ]

    private func verify(_ content: [UInt8], _ flags: [String] = []) async throws -> CommandRun {
        let folder = try DemoFolder()
        let path = folder.path("receipt")
        try Data(content).write(to: URL(fileURLWithPath: path))
        return try await CommandRun.ferryctl(["receipt", "verify", path, "--json", "-"] + flags)
    }

    @Test func `a real receipt is valid and says whose it is`() async throws {
        let receipts = try await RealReceipts.get()
        let release = try RealReceipts.receipt(receipts.there).release.release
        let run = try await verify(
            receipts.there, ["--daemon", receipts.origin, "--source", receipts.sourceKey, "--target", receipts.targetKey])
        #expect(run.status == 0, "\(run.error)")
        let object = try run.object()
        #expect(Set(object.keys) == Set(Self.names))
        #expect(object["valid"] as? Bool == true)
        #expect(object["daemon"] as? String == receipts.origin)
        #expect(object["entityID"] as? String == release.daemon.hex)
        #expect(object["epoch"] as? String == "2")
        #expect(object["source"] as? String == receipts.sourceKey)
        #expect(object["target"] as? String == receipts.targetKey)
        #expect(object["chainHead"] as? String == String(release.forwardHash))
    }

    @Test func `standard input is read and a person gets one line`() async throws {
        let receipts = try await RealReceipts.get()
        let folder = try DemoFolder()
        try Data(receipts.there).write(to: URL(fileURLWithPath: folder.path("receipt")))
        let run = try await CommandRun.program(
            "/bin/sh",
            [
                "-c", "exec \"$0\" receipt verify - --daemon \"$1\" < \"$2\"", CommandRun.executable, receipts.origin,
                folder.path("receipt"),
            ])
        #expect(run.status == 0, "\(run.error)")
        #expect(run.output.hasPrefix("valid: daemon \(receipts.origin) went from \(receipts.sourceKey)"))
        #expect(run.output.split(separator: "\n").count == 1)
        #expect(run.error.isEmpty)
    }

    @Test func `a changed receipt is invalid and still says what it claims`() async throws {
        let receipts = try await RealReceipts.get()
        var bytes = try RealReceipts.bytes(receipts.there)
        bytes[bytes.count - 1] ^= 1
        let run = try await verify(RealReceipts.text(bytes))
        try run.expectFailure(1, code: "invalidReceipt", naming: "a signature does not hold")
        #expect(try run.object()["valid"] as? Bool == false)
        #expect(try run.object()["daemon"] as? String == receipts.origin)
    }

    @Test func `what is no receipt is invalid with an error and null fields`() async throws {
        for content in ["", "\n", "not a receipt\n", "AAAA\n", "# Ferry\n\nA page of text.\n"] {
            let run = try await verify(Array(content.utf8))
            try run.expectFailure(1, code: "malformedReceipt", naming: "no receipt")
            let object = try run.object()
            #expect(Set(object.keys) == Set(Self.names + ["error"]))
            #expect(object["valid"] as? Bool == false)
            for name in Self.names.dropFirst() { #expect(object[name] is NSNull, "\(name)") }
        }
    }

    @Test(arguments: ["/nonexistent/receipt", "/"]) func `a file that cannot be read is named`(path: String) async throws {
        let run = try await CommandRun.ferryctl(["receipt", "verify", path, "--json", "-"])
        try run.expectFailure(1, code: "input", naming: path)
        #expect(try run.object()["valid"] as? Bool == false)
    }

    @Test func `a receipt of another hand-over is refused`() async throws {
        let receipts = try await RealReceipts.get()
        try await verify(receipts.ofAnotherDaemon, ["--daemon", receipts.origin])
            .expectFailure(1, code: "unexpectedReceipt", naming: "another hand-over")
        try await verify(receipts.there, ["--source", receipts.targetKey])
            .expectFailure(1, code: "unexpectedReceipt", naming: receipts.sourceKey)
        try await verify(receipts.there, ["--target", receipts.sourceKey])
            .expectFailure(1, code: "unexpectedReceipt", naming: receipts.targetKey)
    }

    @Test(arguments: [["--source", "12"], ["--target", "xyz"], ["--daemon", "nobody"]])
    func `an expectation that names nothing is wrong usage`(flags: [String]) async throws {
        let run = try await verify([], flags)
        try run.expectFailure(64, code: "usage", naming: flags[1])
    }

    @Test(arguments: ["unix", "memory"]) func `a demo verifies the receipts of all its moves`(transport: String) async throws {
        let run = try await CommandRun.ferryctl([
            "demo", "--transport", transport, "--state-size", "1MiB", "--event-rate", "500", "--events", "600", "--moves", "3", "--json",
            "-",
        ])
        #expect(run.status == 0, "\(run.error)")
        #expect(try run.object()["receiptValid"] as? Bool == true)
        #expect(run.error.contains("receipts hold: yes"))
    }
}
