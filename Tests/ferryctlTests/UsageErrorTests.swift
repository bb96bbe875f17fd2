import Foundation
import Testing

@testable import ferryctl

@Suite(.timeLimit(.minutes(2))) struct UsageErrorTests {
    @Test(arguments: [
        (["bogus"], "'bogus'"), (["demo", "--transport", "tcp"], "'tcp' is invalid for '--transport"),
        (["demo", "--state-size", "64"], "'64' is invalid for '--state-size"), (["demo", "--kill", "target@nothing"], "'target@nothing'"),
        (["demo", "--kill", "target@commit", "--transport", "memory"], "--kill needs processes"),
        (["demo", "--event-rate", "0"], "--event-rate is 1 to"), (["migrate", "5"], "'--to <to>'"),
        (["migrate", "no-daemon", "--to", "unix:/x"], "\"no-daemon\""),
        (["migrate", "5", "--to", "unix:/x", "--timeout", "1ms"], "--timeout is 1s to 24h"), (["daemons", "--nodes", "x"], "'--nodes'"),
    ])
    func `wrong usage is one line, one object and exit 64`(arguments: [String], cause: String) async throws {
        let run = try await CommandRun.ferryctl(arguments + ["--json", "-"])
        try run.expectFailure(64, code: "usage", naming: cause)
        let command = arguments.count > 1 ? "\(arguments[0]) " : ""
        #expect(run.error.contains("(see ferryctl \(command)--help)"), "\(run.error)")
    }

    @Test(arguments: [("x", "x"), ("udp:127.0.0.1:1", "names no node key")])
    func `an address that is none, or has no key, is wrong usage`(address: String, cause: String) async throws {
        try await CommandRun.ferryctl(["migrate", "5", "--to", address, "--json", "-"])
            .expectFailure(64, code: "invalidEndpoint", naming: cause)
    }

    @Test(arguments: [
        (["--listen", "tcp:127.0.0.1:1"], "no transport for \"tcp:\""), (["--listen", "nonsense"], "\"nonsense\" is not of the form"),
        (["--listen", "udp:127.0.0.1"], "udp:127.0.0.1 is not of the form udp:host:port"),
        (["--listen", "udp:127.0.0.1:65536"], "is not of the form udp:host:port"), (["--allow", "zz"], "--allow: \"zz\""),
        (["--allow-orchestrator", "zz"], "--allow-orchestrator"), (["--allow-source", "zz"], "--allow-source"),
        (["--drain-to", "zz"], "--drain-to"), (["--peer", "unix:/x"], "names no node key"),
    ])
    func `a node names the flag that is wrong`(flags: [String], cause: String) async throws {
        let folder = try DemoFolder()
        let run = try await CommandRun.ferryctl(
            ["node", "--identity", folder.path("identity"), "--control", folder.path("control")] + flags)
        #expect(run.status == 64)
        #expect(run.errorLines.count == 1)
        #expect(run.error.contains(cause), "\(run.error)")
        #expect(try run.object()["event"] as? String == "failed")
    }

    @Test func `a command without a running node names the folder or the socket`() async throws {
        let folder = try DemoFolder()
        for arguments in [["daemons"], ["moves"], ["migrate", "5", "--to", "unix:/x#" + String(repeating: "ab", count: 32)]] {
            let run = try await CommandRun.ferryctl(arguments + ["--json", "-"], environment: ["XDG_RUNTIME_DIR": folder.root])
            try run.expectFailure(1, code: "controlSocket", naming: folder.path("ferry"))
        }
        try await CommandRun.ferryctl(["daemons", "--node", folder.path("none"), "--json", "-"])
            .expectFailure(1, code: "controlSocket", naming: folder.path("none"))
    }

    @Test func `several running nodes are listed`() async throws {
        let folder = try DemoFolder()
        try FileManager.default.createDirectory(atPath: folder.path("ferry"), withIntermediateDirectories: true)
        for name in ["1.sock", "2.sock"] { try Data().write(to: URL(fileURLWithPath: folder.path("ferry/" + name))) }
        try await CommandRun.ferryctl(["moves", "--json", "-"], environment: ["XDG_RUNTIME_DIR": folder.root])
            .expectFailure(1, code: "controlSocket", naming: "1.sock, 2.sock")
    }

    @Test func `the object of a failure goes to the file that was named`() async throws {
        let folder = try DemoFolder()
        let path = folder.path("result.json")
        let run = try await CommandRun.ferryctl(["daemons", "--node", folder.path("none"), "--json", path])
        #expect(run.status == 1)
        #expect(run.output.isEmpty)
        let object = try parseObject(String(contentsOfFile: path, encoding: .utf8))
        #expect((object["error"] as? [String: String])?["code"] == "controlSocket")
    }

    @Test func `libraries that are missing and cannot be installed are one line`() async throws {
        let folder = try DemoFolder()
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        // No pkg-config and no apt-get in this PATH, but what the scripts themselves need.
        for name in ["bash", "dirname", "env"] {
            let found = ["/usr/bin/", "/bin/"].map { $0 + name }.first { FileManager.default.isExecutableFile(atPath: $0) }
            try FileManager.default.createSymbolicLink(atPath: folder.path(name), withDestinationPath: try #require(found))
        }
        for script in ["bootstrap", "ferryctl"] {
            let run = try await CommandRun.program(
                root.appendingPathComponent("scripts/" + script).path, [], environment: ["PATH": folder.root])
            #expect(run.status == 1)
            #expect(run.errorLines.count == 1)
            for library in ["libsodium", "libzstd", "libxxhash", "libb2"] { #expect(run.error.contains(library)) }
        }
    }
}
