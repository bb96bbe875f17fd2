import Foundation
import Testing

@testable import ferryctl

@Suite(.serialized, .timeLimit(.minutes(3))) struct DemoTests {
    private func demo(_ flags: [String]) async throws -> (CommandRun, [String: Any]) {
        let folder = try DemoFolder()
        let text = folder.path("text")
        try Data("one two three\nfour five\nsix\n".utf8).write(to: URL(fileURLWithPath: text))
        let path = folder.path("result.json")
        let run = try await CommandRun.ferryctl(
            ["demo", "--state-size", "1MiB", "--event-rate", "500", "--events", "600", "--input", text, "--json", path] + flags)
        return (run, try parseObject(String(contentsOfFile: path, encoding: .utf8)))
    }

    private func expectNothingLost(_ report: [String: Any]) {
        for name in ["eventsLost", "eventsDuplicated", "eventsReordered"] { #expect(report[name] as? Int == 0, "\(name)") }
        #expect(report["chainContinuous"] as? Bool == true)
    }

    @Test(arguments: ["unix", "udp", "memory"], ["source-orchestrates", "target-orchestrates", "third-node"])
    func `nothing is lost on any transport in any topology`(transport: String, topology: String) async throws {
        let (run, report) = try await demo(["--transport", transport, "--topology", topology])
        #expect(run.status == 0, "\(run.error)")
        #expect(run.output.split(separator: "\n").count == 10)
        #expect(report["result"] as? String == "completed")
        #expect(report["error"] == nil)
        #expect(report["eventsAccepted"] as? Int == 600)
        #expect(report["stateMatchesTwin"] as? Bool == true)
        expectNothingLost(report)
    }

    @Test(arguments: ["snapshot", "transfer", "restore", "replay"])
    func `a target that dies before the commit leaves the daemon serving at the source`(phase: String) async throws {
        let (run, report) = try await demo(["--transport", "unix", "--kill", "target@" + phase])
        #expect(run.status == 3, "\(run.error)")
        #expect(run.errorLines.count == 1)
        #expect(report["result"] as? String == "rolledBack")
        #expect((report["error"] as? [String: String])?["code"] == "rolledBack")
        #expect(report["eventsAccepted"] as? Int == 600)
        #expect(report["stateMatchesTwin"] as? Bool == true)
        expectNothingLost(report)
    }

    @Test(arguments: [("snapshot", "rolledBack", 3), ("commit", "inDoubt", 4)] as [(String, String, Int32)])
    func `where the target orders the move and dies, the source tells how it ended`(
        moment: String, result: String, status: Int32
    ) async throws {
        let (run, report) = try await demo(["--transport", "unix", "--topology", "target-orchestrates", "--kill", "target@" + moment])
        #expect(run.status == status, "\(run.error)")
        #expect(report["result"] as? String == result)
        #expect((report["error"] as? [String: String])?["code"] == result)
        expectNothingLost(report)
    }

    @Test(arguments: ["demo", "soak"])
    func `a run that is told to end leaves an error, no folder and no process`(command: String) async throws {
        let folder = try DemoFolder()
        let path = folder.path("result.json")
        // A shell starts what runs beside it with SIGINT ignored, which the command has to undo before it hears anything.
        let script = "\"$@\" & run=$!; while kill -INT $run 2>/dev/null; do sleep 0.1; done; wait $run"
        let run = try await CommandRun.program(
            "/bin/bash",
            ["-c", script, "bash", CommandRun.executable, command, "--state-size", "1MiB", "--event-rate", "500", "--json", path],
            environment: ["TMPDIR": folder.root])
        #expect(run.status == 1, "\(run.error)")
        let report = try parseObject(String(contentsOfFile: path, encoding: .utf8))
        #expect((report["error"] as? [String: String])?["code"] == "interrupted")
        let left = try FileManager.default.contentsOfDirectory(atPath: folder.root).filter { $0.hasPrefix("ferry-demo-") }
        #expect(left.isEmpty, "\(left)")
        let parts = try await CommandRun.program("/usr/bin/pgrep", ["-f", "demo-role " + folder.root])
        #expect(parts.output.isEmpty, "\(parts.output)")
    }

    @Test(arguments: [["--transport", "unix"], ["--transport", "udp", "--topology", "target-orchestrates"]])
    func `a source that dies before the commit takes the daemon with it`(flags: [String]) async throws {
        let (run, report) = try await demo(flags + ["--kill", "source@transfer"])
        #expect(run.status == 1)
        #expect(report["result"] as? String == "failed")
        #expect(try #require(report["eventsLostByCrash"] as? Int) > 0)
        expectNothingLost(report)
    }

    @Test func `a source that dies when the target is active has lost nothing`() async throws {
        let (run, report) = try await demo(["--transport", "unix", "--kill", "source@complete"])
        #expect(run.status == 0, "\(run.error)")
        #expect(report["result"] as? String == "completed")
        #expect(report["eventsLostByCrash"] as? Int == 0)
        #expect(report["stateMatchesTwin"] as? Bool == true)
        expectNothingLost(report)
    }
}
