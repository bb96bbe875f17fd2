import ArgumentParser
import Testing

@testable import ferryctl

@Suite(.serialized, .timeLimit(.minutes(10))) struct SmallMovesTests {
    @Test func `five hundred daemons move at once over udp, and each is on one node`() async throws {
        let options = try BenchOptions.parse(["--transport", "udp", "--runs", "1"])
        #expect(options.daemons == 500)
        let run = try await CommandRun.ferryctl(["bench", "small-moves", "--transport", "udp", "--runs", "1", "--json", "-"])
        #expect(run.status == 0, "\(run.error)")
        let result = try #require((try run.object()["results"] as? [[String: Any]])?.first)
        #expect(result["suite"] as? String == "small-moves")
        #expect(result["transport"] as? String == "udp")
        #expect(result["moves"] as? Int == 500)
        let (completed, rolledBack) = (result["completed"] as? Int ?? 0, result["rolledBack"] as? Int ?? 0)
        #expect(completed + rolledBack == 500)
        #expect(completed > 0)
        #expect(result["onNoNode"] as? Int == 0)
        #expect(result["onBothNodes"] as? Int == 0)
        for name in ["movesPerSecond", "durationP50Milliseconds", "durationP99Milliseconds"] {
            #expect(result[name] as? Double ?? 0 > 0, "\(name)")
        }
    }

    @Test func `a daemon on two nodes or on none fails the run, and so does a move that ends otherwise`() {
        func result(_ results: [String], homeless: Int = 0, doubled: Int = 0) -> SmallMovesResult {
            let run = SmallMovesRun(summaries: results.map { MoveSummary(result: $0) }, seconds: 1, homeless: homeless, doubled: doubled)
            return SmallMovesResult(transport: .udp, crypto: .default, stateByteCount: 1, runs: [run])
        }
        #expect(result(["completed", "rolledBack"]).failure == nil)
        #expect(result(["completed"], homeless: 1).failure?.message.contains("1 daemons are on no node") == true)
        #expect(result(["completed"], doubled: 1).failure?.message.contains("1 on both") == true)
        #expect(result(["completed", "declined"]).failure?.code == "declined")
        #expect(result(["inDoubt"]).failure?.code == "inDoubt")
    }
}
