import ArgumentParser
import FerrySodium
import FerryTestKit
import Foundation
import Testing

@testable import ferryctl

@Suite struct SimulateCommandTests {
    @Test func `the object has the fields of the contract, and seeds have one trace whatever runs beside them`() async throws {
        let arguments = ["simulate", "--seeds", "3", "--start", "5", "--preset", "unordered", "--json", "-"]
        let run = try await CommandRun.ferryctl(arguments + ["--jobs", "2"])
        #expect(run.status == 0, "\(run.error)")
        let object = try run.object()
        #expect(object["seeds"] as? Int == 3)
        for name in ["moves", "completed", "eventsAccepted", "simulatedSeconds", "wallSeconds"] {
            #expect(try #require(object[name] as? Double, "\(name)") > 0, "\(name)")
        }
        for name in ["rolledBack", "declined", "lost", "inDoubt", "doubted", "resolved"] { #expect(object[name] is Int, "\(name)") }
        #expect(object["violations"] as? Int == 0)
        #expect(object["firstViolation"] is NSNull && object["error"] == nil)
        let faults = try #require(object["faults"] as? [String: Int])
        #expect(Set(faults.keys) == Set(FaultKind.allCases.map(\.rawValue)))
        let trace = try #require(object["traceHash"] as? String)
        #expect(try await CommandRun.ferryctl(arguments).object()["traceHash"] as? String == trace)
    }

    @Test func `a violation fails, and names the command that plays its seed again`() async throws {
        var options = SimulationOptions(preset: .unordered, crypto: .sodium)
        options.defects = [.keepKey]
        let report = try await SimulationCampaign(first: 1, count: 4, options: options).run()
        let failure = try #require(report.firstFailure)
        let result = try SimulateCommand.parse(["--preset", "unordered"]).result(of: report)
        #expect(result.status == .failed)
        #expect(result.failure?.code == "violation")
        guard case .string(let first)? = result.fields.first(where: { $0.0 == "firstViolation" })?.1 else {
            Issue.record("no first violation")
            return
        }
        #expect(first.contains("S9") && first.hasSuffix("scripts/ferryctl simulate --seeds 1 --start \(failure.seed) --preset unordered"))
        #expect(result.fields.contains { $0.0 == "violations" && $0.1.text == "\(report.total.violations.count)" })
    }

    @Test(arguments: [["--seeds", "0"], ["--jobs", "0"], ["--preset", "storm"], ["--start", "-1"]])
    func `what cannot be played is wrong usage`(arguments: [String]) async throws {
        let run = try await CommandRun.ferryctl(["simulate"] + arguments)
        #expect(run.status == 64)
        #expect(run.output.isEmpty && run.error.contains(arguments[0]), "\(run.error)")
    }
}
