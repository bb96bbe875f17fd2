import FerryCrypto
import FerrySodium
import FerryTestKit
import Foundation
import Testing

@Suite("Traces in the model's terms") struct ModelTests {
    @Test("what hand-overs do in the simulator, the model allows; and nearly every rule of it is used")
    func traces() throws {
        var used: Set<ModelRules.Rule> = []
        var attemptCount = 0
        for preset in [SimulationPreset.ordered, .unordered] {
            for seed in 1...UInt64(32) {
                let options = SimulationOptions(preset: preset, crypto: .sodium)
                for steps in try Simulation(seed: seed, options: options).traces() {
                    var replay = ModelReplay()
                    if let text = replay.replay(steps) { Issue.record("seed \(seed) \(preset): \(text), after \(steps)") }
                    used.formUnion(replay.used)
                    attemptCount += 1
                }
            }
        }
        #expect(attemptCount > 400)
        for rule in ModelRules.rules where !used.contains(rule) { Issue.record("\(rule) was never used") }
    }

    @Test("a trace that leaves a step out is not allowed")
    func vacuity() throws {
        let options = SimulationOptions(preset: .calm, crypto: .sodium)
        let traces = try Simulation(seed: 1, options: options).traces()
        let steps = try #require(traces.first { $0.contains { $0.event == .enters(.active) } })
        for state in [ModelState.streaming, .released, .committed, .restoring, .prepared, .took] {
            var replay = ModelReplay()
            #expect(replay.replay(steps.filter { $0.event != .enters(state) }) != nil, "\(state.rawValue)")
        }
        for message in [ModelMessage.snapshotReady, .restoreComplete, .release, .prepared, .cutoverNotify, .activateAck, .activateTarget] {
            var replay = ModelReplay()
            #expect(replay.replay(steps.filter { $0.event != .sends(message) }) != nil, "\(message.rawValue)")
        }
    }

    @Test("the words are those of the model")
    func words() throws {
        let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        let model = try String(contentsOf: folder.appending(path: "docs/model/hand-over.pml"), encoding: .utf8)
        let words = ModelState.allCases.map(\.rawValue) + ModelMessage.allCases.map(\.rawValue) + ModelStanding.allCases.map(\.rawValue)
        for word in words { #expect(model.contains(word), "\(word) is not in the model") }
    }
}
