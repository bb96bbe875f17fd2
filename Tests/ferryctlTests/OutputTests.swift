import Foundation
import Testing

@testable import ferryctl

@Suite(.timeLimit(.minutes(2))) struct OutputTests {
    @Test func `numbers of any size are JSON`() throws {
        for value in [1e308, -1e308, 1e15, -4.5, 0.0004, .greatestFiniteMagnitude] {
            let text = JSONValue.array([.number(value)]).text
            let parsed = try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [Double]
            #expect(abs((parsed?.first ?? .nan) - value) <= max(0.0005, value.magnitude * 1e-12), "\(text)")
        }
        #expect(JSONValue.number(.infinity).text == "null")
        #expect(JSONValue.number(4.555548000000001).text == "4.556")
    }

    @Test func `an object that cannot be written is a failure, a reader that has left is none`() async throws {
        let command = "\(CommandRun.executable) simulate --seeds 1 --json -"
        let full = try await CommandRun.program("/bin/sh", ["-c", "\(command) > /dev/full"])
        #expect(full.status == 1)
        #expect(full.error.contains("ferryctl: cannot write the output"), "\(full.error)")
        let left = try await CommandRun.program("/bin/sh", ["-c", "(\(command); echo $? >&2) | true"])
        #expect(left.errorLines.last == "0", "\(left.error)")
        let folder = try DemoFolder()
        let nowhere = try await CommandRun.ferryctl(["simulate", "--seeds", "1", "--json", folder.path("missing/object")])
        #expect(nowhere.status == 1)
        #expect(nowhere.errorLines.last?.hasPrefix("ferryctl: cannot write") == true, "\(nowhere.error)")
    }

    @Test func `a message of a peer stays one line`() {
        #expect(Console.oneLine("a\nb\u{1B}[2J\u{0}c ü") == "a b [2J c ü")
    }

    @Test func `a receipt that could not be written keeps the daemon where it is`() async throws {
        let folder = try DemoFolder()
        for path in [folder.path("missing/receipt"), folder.root] {
            let run = try await CommandRun.ferryctl([
                "migrate", "5", "--to", "unix:/x#\(String(repeating: "ab", count: 32))", "--node", folder.path("nobody"),
                "--receipt", path, "--json", "-",
            ])
            try run.expectFailure(1, code: "receipt", naming: "the receipt cannot be written to \(path)")
        }
    }
}
