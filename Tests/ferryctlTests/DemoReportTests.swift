import ArgumentParser
import Testing

@testable import ferryctl

@Suite struct DemoReportTests {
    private func report(_ modes: [String?], stateMatchesTwin: Bool = true) throws -> DemoReport {
        var report = DemoReport(options: try DemoOptions.parse(["--mode", "live"]))
        report.stateMatchesTwin = stateMatchesTwin
        report.moves = modes.map { mode in
            DemoReport.Move(summary: MoveSummary(result: "completed", mode: mode), orderedAt: 0, endedAt: 1)
        }
        return report
    }

    @Test func `a live move that was made by stopping the daemon fails the run`() throws {
        let report = try report(["live", "stop-and-copy"])
        #expect(report.result == "failed")
        #expect(report.status == .failed)
        #expect(report.failure?.message.contains("made by stopping") == true)
    }

    @Test func `a broken promise is named before the way in which a move was made`() throws {
        let report = try report(["stop-and-copy"], stateMatchesTwin: false)
        #expect(report.status == .failed)
        #expect(report.failure?.message.contains("broke a promise") == true)
    }

    @Test func `moves in the mode that was ordered, or of a mode that nobody could tell, succeed`() throws {
        let report = try report(["live", nil])
        #expect(report.result == "completed")
        #expect(report.status == .success)
        #expect(report.failure == nil)
    }
}
