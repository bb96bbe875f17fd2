import ArgumentParser
import Foundation
import Testing

@testable import ferryctl

/// Real processes under real faults, briefly: that every fault happens, and that every check can fail.
@Suite(.serialized, .timeLimit(.minutes(5))) struct SoakTests {
    private func soak(_ flags: [String]) async throws -> (CommandRun, [String: Any]) {
        let folder = try DemoFolder()
        let path = folder.path("result.json")
        let run = try await CommandRun.ferryctl(
            ["soak", "--state-size", "256KiB", "--event-rate", "100", "--json", path] + flags)
        return (run, try parseObject(String(contentsOfFile: path, encoding: .utf8)))
    }

    private static let brief = ["--duration", "4s", "--transport", "unix", "--daemons", "2", "--seed", "5"]

    @Test func `a short soak injects every kind of fault and breaks no promise`() async throws {
        let (run, report) = try await soak(["--duration", "16s", "--seed", "11"])
        #expect(run.status == 0, "\(run.error)\n\(run.output)")
        #expect(report["violations"] as? Int == 0)
        #expect(report["firstViolation"] is NSNull)
        #expect(report["error"] == nil)
        #expect(report["seed"] as? String == "11")
        for name in [
            "moves", "completed", "kills", "stops", "cuts", "datagramsDropped", "respawns", "eventsAccepted", "eventsLostByCrash",
            "ownerChecks",
        ] {
            #expect(report[name] as? Int ?? 0 > 0, "\(name)")
        }
        #expect(report["throttledSeconds"] as? Double ?? 0 > 0)
        #expect(report["durationSeconds"] as? Double ?? 0 >= 16)
        for name in ["eventsLost", "eventsDuplicated", "eventsReordered"] { #expect(report[name] as? Int == 0, "\(name)") }
        let ended = ["completed", "rolledBack", "declined", "inDoubt", "unreported"].compactMap { report[$0] as? Int }
        #expect(ended.reduce(0, +) == report["moves"] as? Int)
    }

    @Test(arguments: [("lost", "eventsLost"), ("duplicated", "eventsDuplicated"), ("reordered", "eventsReordered")])
    func `falsified logs are found out`(sabotage: String, counter: String) async throws {
        let (run, report) = try await soak(Self.brief + ["--sabotage", sabotage])
        #expect(run.status == 1)
        #expect(report[counter] as? Int == 1)
        #expect(report["violations"] as? Int ?? 0 > 0)
        let first = try #require(report["firstViolation"] as? String)
        let failure = try #require(report["error"] as? [String: String])
        #expect(failure["code"] == "violation")
        #expect(failure["message"]?.hasPrefix("seed 5: ") == true)
        #expect(failure["message"]?.hasSuffix(first) == true)
        #expect(run.error.contains(first))
    }

    @Test(arguments: [
        ("two-owners", "in the same epoch"), ("memory", "beyond the bound"), ("vanished", "none that had it has died"),
        ("crashed", "nobody has ended it"), ("fell-back", "and made otherwise"),
        ("misreported", "is reported rolled back, and the daemon is at"),
    ])
    func `falsified evidence of owners, processes, places, reports and modes is found out`(
        sabotage: String, words: String
    ) async throws {
        let (run, report) = try await soak(Self.brief + ["--sabotage", sabotage])
        #expect(run.status == 1)
        #expect((report["firstViolation"] as? String)?.contains(words) == true, "\(run.output)")
    }

    @Test(arguments: [
        ["--duration", "3s"], ["--nodes", "2"], ["--daemons", "0"], ["--event-rate", "0"], ["--transport", "memory"], ["--mode", "x"],
    ])
    func `flags outside of their ranges are wrong usage`(flags: [String]) async throws {
        let run = try await CommandRun.ferryctl(["soak"] + flags)
        #expect(run.status == 64)
        #expect(run.errorLines.count == 1)
    }

    @Test func `a soak takes its transports in turn and starts anew in time`() throws {
        #expect(SoakCommand.legs(try SoakOptions.parse(["--duration", "10m"])) == [.udp, .unix, .udp, .unix])
        #expect(SoakCommand.legs(try SoakOptions.parse(["--duration", "4s"])) == [.udp, .unix])
        #expect(SoakCommand.legs(try SoakOptions.parse(["--duration", "151s", "--transport", "udp"])) == [.udp, .udp])
        #expect(SoakCommand.legs(try SoakOptions.parse(["--duration", "150s", "--transport", "unix"])) == [.unix])
    }
}
