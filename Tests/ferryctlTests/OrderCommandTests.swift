import Foundation
import Testing

@testable import ferryctl

@Suite(.timeLimit(.minutes(2))) struct OrderCommandTests {
    private static let planFields = [
        "accepted", "reason", "stateBytes", "wireBytes", "durationSeconds", "pauseMilliseconds", "memoryBytes", "mode", "boundSeconds",
    ]

    @Test func `a plan says what a move costs, and a live move reports what it did cost`() async throws {
        let source = try await RunningNode.start(flags: ["--spawn-demo", "1MiB"])
        let target = try await RunningNode.start(flags: ["--allow", source.nodeKey])
        let origin = try #require(try await source.command.next("activated")["daemon"] as? String)
        let endpoint = try #require(target.endpoints.first)
        let plan = try await CommandRun.ferryctl(["plan", origin, "--to", endpoint, "--node", source.control, "--json", "-"])
        #expect(plan.status == 0, "\(plan.error)")
        let planned = try plan.object()
        #expect(Set(planned.keys) == Set(Self.planFields))
        #expect(planned["accepted"] as? Bool == true)
        #expect(planned["reason"] is NSNull)
        #expect(try #require(planned["stateBytes"] as? Int) >= 1 << 20)
        #expect(try #require(planned["memoryBytes"] as? Int) >= 1 << 20)
        #expect(planned["mode"] as? String == "live")
        #expect(try await target.daemons().isEmpty)

        let run = try await CommandRun.ferryctl(
            ["migrate", origin, "--to", endpoint, "--mode", "live", "--pause-budget", "250ms", "--node", source.control, "--json", "-"])
        #expect(run.status == 0, "\(run.error)")
        let report = try #require(try run.object()["report"] as? [String: Any])
        for name in ["predictedDurationSeconds", "predictedPauseMilliseconds", "replayedInputs", "mode"] {
            #expect(report[name] != nil, "\(name)")
        }
        #expect(await source.command.stop() == 0)
        #expect(await target.command.stop() == 0)
    }

    @Test func `a plan that is refused is no success, and says why`() async throws {
        let source = try await RunningNode.start(flags: ["--spawn-demo", "64KiB"])
        let target = try await RunningNode.start(
            flags: ["--allow", source.nodeKey, "--allow-source", String(repeating: "ab", count: 32)])
        let origin = try #require(try await source.command.next("activated")["daemon"] as? String)
        let run = try await CommandRun.ferryctl(
            ["plan", origin, "--to", try #require(target.endpoints.first), "--node", source.control, "--json", "-"])
        #expect(run.status == 3)
        let object = try run.object()
        #expect(object["accepted"] as? Bool == false)
        #expect(object["reason"] as? String == "unauthorized")
        #expect((object["error"] as? [String: String])?["code"] == "declined")
        #expect(Set(object.keys) == Set(Self.planFields + ["error"]))
        #expect(await source.command.stop() == 0)
        #expect(await target.command.stop() == 0)
    }

    @Test func `an order that an operator has signed moves a daemon of a node that obeys nobody else`() async throws {
        let folder = try DemoFolder()
        let seed = folder.path("seed")
        let secret = Data(String(repeating: "5a", count: 32).utf8)
        #expect(FileManager.default.createFile(atPath: seed, contents: secret, attributes: [.posixPermissions: 0o600]))
        let identity = try await CommandRun.ferryctl(["inspect", "identity", "--seed", "@" + seed])
        let operatorKey = try #require(try identity.object()["entityID"] as? String)

        let orchestrator = try await RunningNode.start()
        let policy = ["--allow", "any", "--operator", operatorKey]
        let source = try await RunningNode.start(flags: ["--spawn-demo", "64KiB"] + policy)
        let target = try await RunningNode.start(flags: policy)
        _ = try await source.command.next("activated")
        let entity = try #require(try await source.daemons().first?["entityID"] as? String)
        let order = [
            "migrate", entity, "--from", try #require(source.endpoints.first), "--to", try #require(target.endpoints.first), "--node",
            orchestrator.control, "--json", "-",
        ]
        let unsigned = try await CommandRun.ferryctl(order)
        #expect(unsigned.status == 3)
        #expect(try unsigned.object()["result"] as? String == "declined")
        let signed = try await CommandRun.ferryctl(order + ["--order-key", "@" + seed])
        #expect(signed.status == 0, "\(signed.error)")
        #expect(try signed.object()["result"] as? String == "completed")
        for node in [orchestrator, source, target] { #expect(await node.command.stop() == 0) }
    }

    @Test func `nothing is resolved that is not in doubt`() async throws {
        let node = try await RunningNode.start()
        let migration = String(repeating: "0", count: 32)
        for flag in ["--take-back", "--give-up"] {
            let run = try await CommandRun.ferryctl(["moves", "resolve", migration, flag, "--node", node.control, "--json", "-"])
            try run.expectFailure(1, code: "notInDoubt", naming: migration)
            let object = try run.object()
            #expect(object["accepted"] as? Bool == false)
            #expect(object["migration"] as? String == migration)
            #expect("--" + (object["resolution"] as? String ?? "") == flag)
        }
        #expect(await node.command.stop() == 0)
    }

    @Test(arguments: [
        (["plan", "5"], "'--to <to>'"), (["moves", "resolve", "7", "--take-back"], "not a move of 32 hex digits"),
        (["moves", "resolve", String(repeating: "0", count: 32)], "either --take-back or --give-up"),
        (["moves", "resolve", String(repeating: "0", count: 32), "--take-back", "--give-up"], "either --take-back or --give-up"),
        (["migrate", "5", "--to", "unix:/x", "--pause-budget", "25h"], "--pause-budget is 0ms to 24h"),
    ])
    func `wrong usage is one line, one object and exit 64`(arguments: [String], cause: String) async throws {
        try await CommandRun.ferryctl(arguments + ["--json", "-"]).expectFailure(64, code: "usage", naming: cause)
    }

    @Test func `a key on the command line is refused and not repeated`() async throws {
        let key = String(repeating: "5a", count: 32)
        let run = try await CommandRun.ferryctl(["migrate", "5", "--to", "unix:/x", "--order-key", key, "--json", "-"])
        try run.expectFailure(64, code: "usage", naming: "--order-key is @FILE")
        #expect(!run.error.contains(key) && !run.output.contains(key))
    }

    @Test func `a node names an operator's key that is none`() async throws {
        let folder = try DemoFolder()
        let run = try await CommandRun.ferryctl(
            ["node", "--identity", folder.path("identity"), "--control", folder.path("control"), "--operator", "zz"])
        #expect(run.status == 64)
        #expect(run.error.contains("--operator"), "\(run.error)")
    }
}
