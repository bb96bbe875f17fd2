public import FerryCrypto
package import FerryStateMachines
internal import FerryWire

/// What a simulation plays with.
public struct SimulationOptions: Sendable {
    /// How much of Ferry is driven, and what goes wrong.
    public var preset: SimulationPreset
    /// The daemons.
    public var cast: SimulatedCast
    /// The primitives; their random source and secret memory are replaced by the simulation's own.
    public var crypto: CryptoProvider
    /// Mistakes that nodes make on purpose.
    package var defects: [Defect] = []
    /// A rule that every machine leaves out.
    package var seededDefect: SeededDefect?
    /// Faults that every seed has, whatever else it draws.
    package var focus: [FaultKind] = []
    /// Whether what orchestrators report is held against what is so.
    package var areVerdictsChecked = true

    /// Plays `preset` with the given daemons and primitives.
    public init(preset: SimulationPreset = .mixed, cast: SimulatedCast = .ledger, crypto: CryptoProvider) {
        self.preset = preset
        self.cast = cast
        self.crypto = crypto
    }
}

/// An invariant that did not hold (system.md §7).
public struct SimulationViolation: Sendable, Hashable, CustomStringConvertible {
    /// S1 to S10, L1 to L3; V for what the orchestrator reports.
    public var invariant: String
    /// What was seen.
    public var text: String
    /// When, in virtual time since the world's clock began.
    public var milliseconds: Int64

    /// `S1 at 1234 ms: text`.
    public var description: String { "\(invariant) at \(milliseconds) ms: \(text)" }
}

/// What one seed came to.
public struct SimulationResult: Sendable, Hashable {
    /// The seed.
    public var seed: UInt64
    /// What the seed played.
    public var preset: SimulationPreset
    /// Moves that were ordered.
    public var moves = 0
    /// Moves after which the target owned the daemon.
    public var completed = 0
    /// Moves that had begun, and after which the source went on.
    public var rolledBack = 0
    /// Moves that were refused before the daemon stopped.
    public var declined = 0
    /// Moves whose daemon a crash took, or that the crash of all who knew of them made forgotten.
    public var lost = 0
    /// Moves without an end when the world ended; each is a violation as well.
    public var inDoubt = 0
    /// Moves that were in doubt for longer than their budget at some time, however they ended.
    public var doubted = 0
    /// Moves of which an operator has ended a doubt by hand.
    public var resolved = 0
    /// Moves that completed in live mode.
    public var completedLive = 0
    /// Inputs that copies replayed from move logs.
    public var replayedInputs: UInt64 = 0
    /// Events that emitters saw accepted.
    public var eventsAccepted: UInt64 = 0
    /// Outputs of daemons, by themselves or on channels, that took effect on other daemons.
    public var outputsProcessed: UInt64 = 0
    /// What went wrong, and how often.
    public var faults = FaultCounts()
    /// Virtual time.
    public var simulatedMilliseconds: Int64 = 0
    /// What did not hold; the first is the one to look at.
    public var violations: [SimulationViolation] = []
    /// XXH3 over everything that happened.
    public var traceHash: UInt64 = 0
}

/// One seed: nodes, emitters and daemons in one thread of virtual time, with everything that goes wrong drawn from the seed.
public struct Simulation: Sendable {
    /// Decides everything.
    public let seed: UInt64
    private let options: SimulationOptions

    /// Prepares a seed.
    public init(seed: UInt64, options: SimulationOptions) {
        self.seed = seed
        self.options = options
    }

    /// Plays the seed.
    ///
    /// - Throws: `CryptoFailure` when the provider lacks what a node's identity needs.
    public func run() throws -> SimulationResult { try play(isReadable: false).result }

    /// Plays the seed once more, and tells what happens in lines for a person: the same seed gives the same run.
    ///
    /// - Throws: as ``run()``.
    public func timeline() throws -> [String] { try play(isReadable: true).lines }

    /// Plays the seed and tells, attempt by attempt, what the hand-over did in the terms of `docs/model`; attempts of whom nothing is left
    /// out, and that were begun once only.
    package func traces() throws -> [[ModelStep]] {
        let world = try SimulationWorld(seed: seed, options: options, isReadable: false)
        world.play()
        return world.moves.filter { !$0.isRevived }.map(\.steps)
    }

    private func play(isReadable: Bool) throws -> (result: SimulationResult, lines: [String]) {
        let world = try SimulationWorld(seed: seed, options: options, isReadable: isReadable)
        world.play()
        return (world.result(preset: options.preset.resolved(seed: seed)), world.trace.lines)
    }
}

extension SimulationWorld {
    func result(preset: SimulationPreset) -> SimulationResult {
        var result = SimulationResult(seed: seed, preset: preset)
        result.moves = moves.count
        for move in moves {
            switch move.result {
            case .completed:
                result.completed += 1
                if move.order.mode == .live { result.completedLive += 1 }
            case .rolledBack: result.rolledBack += 1
            case .declined: result.declined += 1
            case .lost: result.lost += 1
            }
            if move.wasInDoubt { result.doubted += 1 }
            if move.isResolvedByHand { result.resolved += 1 }
        }
        result.inDoubt = nodes.reduce(0) { count, node in
            count + node.dispatcher.moves.count { $0.outcome == nil && $0.isInDoubt && $0.role == .source }
        }
        result.replayedInputs = replayedCount
        result.eventsAccepted = emitters.reduce(0) { $0 + $1.acceptedCount }
        result.outputsProcessed = outputCount
        result.faults = faults
        result.simulatedMilliseconds = now.nanoseconds / 1_000_000
        result.violations = violations
        result.traceHash = trace.hash
        return result
    }
}
