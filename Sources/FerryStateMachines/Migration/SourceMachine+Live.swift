internal import DequeModule
internal import FerryWire

// What only a source in live mode does.
extension SourceMachine {
    mutating func frozen(_ daemon: Result<FrozenDaemon, FailureReason>, now: Timestamp, _ effects: inout MoveEffects) {}

    mutating func logStatus(_ status: MoveLogStatus, now: Timestamp, _ effects: inout MoveEffects) {}
}
