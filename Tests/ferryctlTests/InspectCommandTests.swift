import FerryWire
import Foundation
import Testing

@testable import ferryctl

/// The executable itself.
@Suite(.timeLimit(.minutes(2))) struct InspectCommandTests {
    /// Runs `ferryctl inspect` with a file as its input.
    private func inspect(_ arguments: [String], input: [UInt8]) async throws -> CommandRun {
        let folder = try DemoFolder()
        try Data(input).write(to: URL(fileURLWithPath: folder.path("input")))
        return try await CommandRun.program(
            "/bin/sh", ["-c", "exec \"$0\" inspect \"$@\" < \"$INSPECT_INPUT\"", CommandRun.executable] + arguments,
            environment: ["INSPECT_INPUT": folder.path("input")])
    }

    private func objects(_ run: CommandRun) throws -> [[String: Any]] {
        #expect(run.status == 0 && run.error.isEmpty)
        #expect(run.output.isEmpty || run.output.hasSuffix("\n"))
        return try run.output.split(separator: "\n", omittingEmptySubsequences: false).dropLast().map { try parseObject(String($0)) }
    }

    @Test func `one object a line, in order, whatever the verdicts`() async throws {
        let cases = try InspectVectors.list("decode_table").map { ($0["hex"] as? String ?? "", $0["accept"] as? Bool) }
        let input = cases.enumerated().map { index, vector in
            (index.isMultiple(of: 2) ? vector.0 : vector.0.uppercased()) + (index.isMultiple(of: 3) ? "\r\n" : "\n")
        }
        // The last line has no end.
        let verdicts = try objects(try await inspect(["message"], input: Array((input.joined() + "\nxyz\n08").utf8)))
        #expect(verdicts.count == cases.count + 3)
        for (verdict, vector) in zip(verdicts, cases) { #expect(verdict["ok"] as? Bool == vector.1) }
        #expect(verdicts.suffix(3).map { $0["error"] as? String } == ["truncated", "invalidHex", "truncated"])
    }

    @Test(arguments: ["snapshot", "message", "link", "envelope", "bindings", "reassemble"])
    func `every kind answers, and no input has no answer`(kind: String) async throws {
        #expect(try objects(try await inspect([kind], input: [])).isEmpty)
        #expect(try objects(try await inspect([kind, "--json", "-"], input: Array("\n\n".utf8))).count == 2)
    }

    @Test func `a line of many MiB is read once`() async throws {
        let state = [UInt8](repeating: 0x30, count: 8 << 20)
        let vector = try #require(try InspectVectors.list("cds1_derived").first?["hex"] as? String)
        let head = Array(vector.utf8.prefix(2 * 85))
        let length = Array("00004000".utf8)
        let verdict = try #require(
            try objects(try await inspect(["snapshot"], input: head + length + state + Array("0000000000\n".utf8))).first)
        #expect(verdict["stateLen"] as? Int == 4 << 20 && (verdict["state"] as? String)?.count == 8 << 20)
    }

    @Test func `each line is answered before the next one comes`() async throws {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: CommandRun.executable)
        process.arguments = ["inspect", "bindings"]
        let (input, output) = (Pipe(), Pipe())
        (process.standardInput, process.standardOutput) = (input, output)
        let ended = Signal()
        process.terminationHandler = { _ in ended.set() }
        try process.run()
        for _ in 0..<3 {
            try input.fileHandleForWriting.write(contentsOf: Data("00000000\n".utf8))
            let answer = output.fileHandleForReading.availableData
            #expect(String(decoding: answer, as: UTF8.self).hasPrefix("{\"ok\":true,\"count\":0,"))
        }
        try input.fileHandleForWriting.close()
        await ended.wait()
        #expect(process.terminationStatus == 0)
    }

    @Test func `the object lines go to the file that was named`() async throws {
        let folder = try DemoFolder()
        let run = try await inspect(["link", "--json", folder.path("out")], input: Array("00\n\n".utf8))
        #expect(run.status == 0 && run.output.isEmpty)
        #expect(try String(contentsOfFile: folder.path("out"), encoding: .utf8).split(separator: "\n").count == 2)
    }

    @Test func `a seed names its entity and node, from a file, from standard input and in the open`() async throws {
        let folder = try DemoFolder()
        for vector in try InspectVectors.list("identity") {
            let seed = try #require(vector["seed"] as? String)
            let raw = try #require([UInt8](hex: seed))
            let path = folder.path("seed")
            try? FileManager.default.removeItem(atPath: path)
            #expect(FileManager.default.createFile(atPath: path, contents: Data(raw), attributes: [.posixPermissions: 0o600]))
            let runs = [
                try await CommandRun.ferryctl(["inspect", "identity", "--seed", "@" + path]),
                try await inspect(["identity", "--seed", "-", "--json", "-"], input: Array((seed + "\n").utf8)),
                try await inspect(["identity", "--seed", "-"], input: raw),
                try await CommandRun.ferryctl(["inspect", "identity", "--seed", seed, "--insecure-test-keys"]),
            ]
            for run in runs {
                #expect(run.status == 0 && run.error.isEmpty)
                let object = try run.object()
                #expect(object.keys.sorted() == ["entityID", "nodeID", "originHash"])
                #expect(plain(object["entityID"]) == plain(vector["entity_id"]))
                #expect(plain(object["originHash"]) == plain(vector["origin_hash"]))
                #expect(plain(object["nodeID"]) == plain(vector["node_id"]))
            }
        }
    }

    @Test func `a seed that others may read, that is none, or that stands in the open is refused and not repeated`() async throws {
        let folder = try DemoFolder()
        let seed = String(repeating: "ab", count: 32)
        let path = folder.path("seed")
        #expect(FileManager.default.createFile(atPath: path, contents: Data(seed.utf8), attributes: [.posixPermissions: 0o644]))
        try await CommandRun.ferryctl(["inspect", "identity", "--seed", "@" + path]).expectFailure(1, code: "identityFile", naming: path)
        try await CommandRun.ferryctl(["inspect", "identity", "--seed", "@" + folder.path("none")])
            .expectFailure(1, code: "identityFile", naming: folder.path("none"))
        try await inspect(["identity", "--seed", "-"], input: Array("abc".utf8))
            .expectFailure(1, code: "invalidKey", naming: "32 raw bytes or 64 hex digits")
        let open = try await CommandRun.ferryctl(["inspect", "identity", "--seed", seed, "--json", "-"])
        try open.expectFailure(64, code: "usage", naming: "--insecure-test-keys")
        #expect(!open.error.contains("abab") && !open.output.contains("abab"))
    }

    @Test(arguments: [
        (["inspect"], "<kind>"), (["inspect", "nothing"], "nothing"), (["inspect", "identity"], "--seed"),
        (["inspect", "link", "--seed", "-"], "--seed goes with"), (["inspect", "identity", "--seed", "@"], "--seed is @FILE"),
    ])
    func `wrong usage is one line, one object and exit 64`(arguments: [String], cause: String) async throws {
        try await CommandRun.ferryctl(arguments + ["--json", "-"]).expectFailure(64, code: "usage", naming: cause)
    }
}
