import FerryStateMachines
import FerryWire
import Testing

/// Operators of targets that let go while takes, refusals and their answers overtake each other.
@Suite("Withdrawal") struct WithdrawalTests {
    @Test("an operator who lets go at a target in doubt loses no daemon, whatever the network does", arguments: Topology.allCases)
    func letsGo(topology: Topology) throws {
        var (withdrawnCount, endings) = (0, Set<Int>())
        for seed in UInt64(3_000)..<3_040 {
            var budgets = PhaseBudgets()
            budgets.take = .milliseconds(200)
            let (world, daemon) = try makeWorld(seed: seed, faults: .harsh, budgets: budgets)
            world.emit(10, over: 3_000)
            world.order(from: 0, to: 1, by: topology.rawValue, daemon: daemon)
            var isWithdrawn = false
            for step in Int64(1)...200 {
                world.schedule(
                    after: .milliseconds(50 * step),
                    .script { world in
                        let target = world.nodes[1]
                        for view in target.dispatcher.moves where view.role == .target && view.isInDoubt {
                            let isResolved = target.dispatcher.resolve(
                                view.migration, .giveUp, now: world.now, wallClock: world.wallClock)
                            isWithdrawn = isWithdrawn || isResolved
                            target.drain()
                        }
                    })
            }
            world.run(for: .seconds(11))
            world.healAndCheckLiveness()
            #expect(world.violations.isEmpty, "seed \(seed): \(world.trace)")
            guard isWithdrawn else { continue }
            withdrawnCount += 1
            endings.formUnion(world.owners.map(\.index))
        }
        #expect(withdrawnCount > 0)
        #expect(endings == [0, 1], "both orders of arrival: \(endings)")
    }
}
