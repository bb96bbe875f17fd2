internal import FerryWire

struct OrchestratorMachine: ~Copyable {
    var epoch: Epoch { .none }
    var isActive: Bool { false }
    var isClosed: Bool { true }
    var nextDeadline: Timestamp? { nil }
    var view: MoveView? { nil }
    init(attempt: MoveAttempt, environment: MoveEnvironment, now: Timestamp) {}
    mutating func start(now: Timestamp, _ effects: inout MoveEffects) {}
    mutating func cancel(_ reason: FailureReason, now: Timestamp, _ effects: inout MoveEffects) -> Bool { false }
    mutating func sessionEstablished(_ peer: PeerIdentity, now: Timestamp, _ effects: inout MoveEffects) {}
    mutating func deadlineReached(now: Timestamp, _ effects: inout MoveEffects) {}
    mutating func receive(_ message: FerryMessage, from peer: PeerIdentity, now: Timestamp, _ effects: inout MoveEffects) -> MessageVerdict
    { .wrongPhase }
}
struct SourceMachine: ~Copyable {
    var epoch: Epoch { .none }
    var isActive: Bool { false }
    var isClosed: Bool { true }
    var nextDeadline: Timestamp? { nil }
    var view: MoveView? { nil }
    init(attempt: MoveAttempt, environment: MoveEnvironment, now: Timestamp) {}
    mutating func cancel(_ reason: FailureReason, now: Timestamp, _ effects: inout MoveEffects) -> Bool { false }
    mutating func sessionEstablished(_ peer: PeerIdentity, now: Timestamp, _ effects: inout MoveEffects) {}
    mutating func sessionLost(_ node: NodeKey, now: Timestamp) {}
    mutating func deadlineReached(now: Timestamp, _ effects: inout MoveEffects) {}
    mutating func receive(
        _ body: FerryMessage.Body, from peer: PeerIdentity, now: Timestamp, wallClock: UInt64, _ effects: inout MoveEffects
    ) -> MessageVerdict { .wrongPhase }
    mutating func described(_ description: Result<DaemonDescription, FailureReason>, now: Timestamp, _ effects: inout MoveEffects) {}
    mutating func fenced(_ daemon: Result<FencedDaemon, FailureReason>, now: Timestamp, _ effects: inout MoveEffects) {}
    mutating func streamOpened(_ stream: UInt64, now: Timestamp, _ effects: inout MoveEffects) {}
    mutating func streamProgress(_ byteCount: UInt64, now: Timestamp) {}
    mutating func streamed(_ state: StateSummary, wireByteCount: UInt64, now: Timestamp, _ effects: inout MoveEffects) {}
    mutating func streamFailed(_ reason: FailureReason, now: Timestamp, _ effects: inout MoveEffects) {}
    mutating func journaled(_ record: UInt64, failure: FailureReason?, now: Timestamp, wallClock: UInt64, _ effects: inout MoveEffects) {}
}
struct TargetMachine: ~Copyable {
    var epoch: Epoch { .none }
    var isActive: Bool { false }
    var isClosed: Bool { true }
    var nextDeadline: Timestamp? { nil }
    var view: MoveView? { nil }
    init(attempt: MoveAttempt, offer: PlanOffer, environment: MoveEnvironment, now: Timestamp) {}
    mutating func cancel(_ reason: FailureReason, now: Timestamp, _ effects: inout MoveEffects) -> Bool { false }
    mutating func sessionEstablished(_ peer: PeerIdentity, now: Timestamp, _ effects: inout MoveEffects) {}
    mutating func sessionLost(_ node: NodeKey, now: Timestamp) {}
    mutating func deadlineReached(now: Timestamp, _ effects: inout MoveEffects) {}
    mutating func receive(_ body: FerryMessage.Body, from peer: PeerIdentity, now: Timestamp, _ effects: inout MoveEffects)
        -> MessageVerdict
    { .wrongPhase }
    mutating func admitted(refusal: FailureReason?, now: Timestamp, _ effects: inout MoveEffects) {}
    mutating func restoreProgress(_ byteCount: UInt64, now: Timestamp) {}
    mutating func restored(_ facts: RestoredFacts, now: Timestamp, _ effects: inout MoveEffects) {}
    mutating func restoreFailed(_ reason: FailureReason, now: Timestamp, _ effects: inout MoveEffects) {}
    mutating func journaled(_ record: UInt64, failure: FailureReason?, now: Timestamp, _ effects: inout MoveEffects) {}
}
