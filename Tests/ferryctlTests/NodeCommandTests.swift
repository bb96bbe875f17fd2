import Foundation
import Testing

@testable import ferryctl

@Suite(.timeLimit(.minutes(2))) struct NodeCommandTests {
    @Test(arguments: ["unix", "udp"])
    func `a daemon moves between two processes and everybody says so`(transport: String) async throws {
        let source = try await RunningNode.start(listening: [transport], flags: ["--spawn-demo", "1MiB"])
        let target = try await RunningNode.start(listening: [transport], flags: ["--allow", source.nodeKey])
        let origin = try #require(try await source.command.next("activated")["daemon"] as? String)
        let endpoint = try #require(target.endpoints.first)
        let receipt = source.folder.path("receipt")
        let run = try await CommandRun.ferryctl(
            ["migrate", origin, "--to", endpoint, "--node", source.control, "--receipt", receipt, "--json", "-"])
        #expect(run.status == 0, "\(run.error)")
        let object = try run.object()
        #expect(object["result"] as? String == "completed")
        #expect(object["error"] == nil)
        // Progress is for terminals.
        #expect(!run.error.contains("\r") && !run.error.contains("\u{1B}"))
        try checkReport(try #require(object["report"] as? [String: Any]))
        #expect(try String(contentsOfFile: receipt, encoding: .utf8) == (object["receipt"] as? String ?? "") + "\n")
        #expect(try await state(of: origin, at: source) == "moved")
        #expect(try await state(of: origin, at: target) == "active")
        try await checkMoves(source, role: ["orchestrator", "source"], origin)
        try await checkMoves(target, role: ["target"], origin)

        #expect(await source.command.stop() == 0)
        #expect(await target.command.stop() == 0)
        #expect(try await target.command.next("session")["peer"] as? String == source.nodeKey)
        for phase in ["snapshot", "transfer", "restore", "replay", "cutover", "complete"] {
            #expect(try await target.command.next("phase")["phase"] as? String == phase)
            if phase == "cutover" { #expect(try await target.command.next("activated")["epoch"] as? String == "2") }
        }
        let departed = try await source.command.next("departed")
        #expect(departed["daemon"] as? String == origin)
        #expect(departed["epoch"] as? String == "2")
        _ = try await source.command.next("stopped")
        _ = try await target.command.next("stopped")
    }

    private func checkReport(_ report: [String: Any]) throws {
        #expect(try #require(report["stateBytes"] as? Int) >= 1 << 20)
        #expect(try #require(report["wireBytes"] as? Int) >= 1 << 20)
        for name in ["durationSeconds", "pauseMilliseconds", "longestStallMilliseconds"] {
            #expect(try #require(report[name] as? Double) >= 0)
        }
        #expect(report["rounds"] as? Int == 1)
        #expect(report["determinism"] as? String == "verified")
        #expect(UInt64(try #require(report["epoch"] as? String)) != nil)
    }

    private func state(of origin: String, at node: RunningNode) async throws -> String? {
        let daemons = try await node.daemons()
        #expect(daemons.count == 1)
        #expect(daemons.first?["origin"] as? String == origin)
        #expect((daemons.first?["entityID"] as? String)?.count == 64)
        for name in ["kind", "epoch"] { #expect(daemons.first?[name] is String) }
        #expect(daemons.first?["events"] is Int)
        return daemons.first?["state"] as? String
    }

    private func checkMoves(_ node: RunningNode, role roles: [String], _ origin: String) async throws {
        let run = try await CommandRun.ferryctl(["moves", "--node", node.control, "--json", "-"])
        #expect(run.status == 0)
        let moves = try #require(try run.object()["moves"] as? [[String: Any]])
        #expect(moves.compactMap { $0["role"] as? String } == roles)
        let names = [
            "migration", "daemon", "role", "source", "target", "phase", "elapsedSeconds", "ageInPhaseSeconds", "bytes", "totalBytes",
            "bytesPerSecond", "replayLag", "estimatedPauseMilliseconds", "retries", "stall", "boundSeconds", "result",
        ]
        for move in moves {
            #expect(Set(move.keys) == Set(names))
            #expect(move["daemon"] as? String == origin)
            #expect(move["result"] as? String == "completed")
            #expect(move["phase"] as? String == "complete")
        }
    }

    @Test func `a node that cannot drain says so in its exit status`() async throws {
        let target = try await RunningNode.start(flags: ["--allow", "any"])
        let heir = try #require(target.endpoints.first)
        let source = try await RunningNode.start(flags: ["--spawn-demo", "64KiB", "--drain-to", heir, "--allow", "any"])
        _ = try await source.command.next("activated")
        #expect(await target.command.stop() == 0)
        #expect(await source.command.stop() == 1)
        _ = try await source.command.next("failed")
        let rest = await #expect(throws: CommandFailure.self, "told twice") { _ = try await source.command.next("failed") }
        #expect(rest?.message.contains("stopped") == true)
    }

    @Test func `a node that drains hands its daemons over before it stops`() async throws {
        let target = try await RunningNode.start(flags: ["--allow", "any"])
        let heir = try #require(target.endpoints.first)
        let source = try await RunningNode.start(flags: ["--spawn-demo", "64KiB", "--drain-to", heir])
        let origin = try #require(try await source.command.next("activated")["daemon"] as? String)
        #expect(await source.command.stop() == 0)
        #expect(try await source.command.next("departed")["daemon"] as? String == origin)
        _ = try await source.command.next("stopped")
        #expect(try await target.daemons().first?["state"] as? String == "active")
        #expect(await target.command.stop() == 0)
    }

    @Test func `watching moves writes a line at once and ends with the node`() async throws {
        let node = try await RunningNode.start()
        let watch = try RunningCommand(["moves", "--watch", "--node", node.control])
        #expect(try await watch.next("moves")["moves"] as? [String] == [])
        #expect(await node.command.stop() == 0)
        #expect(try await watch.next("failed")["code"] as? String == "controlSocket")
        #expect(await watch.status() == 1)
    }
}
