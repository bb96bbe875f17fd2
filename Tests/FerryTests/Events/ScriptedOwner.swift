import FerryWire
import Synchronization

@testable import Ferry

/// Stands in for the daemon table: by default it knows nothing.
final class ScriptedOwner: LaneOwner {
    typealias Script = @Sendable (LaneMessage) -> [LaneMessage.Body]
    struct State {
        var script: Script = { _ in [.notHere] }
        var heard: [LaneMessage] = []
    }

    let state = Mutex(State())

    func receiveLane(_ message: LaneMessage, from node: NodeKey, reply: LaneReplyPath) async {
        let script = state.withLock { state in
            state.heard.append(message)
            return state.script
        }
        for body in script(message) {
            reply.trySend(LaneMessage(emitter: message.emitter, daemon: message.daemon, body: body))
        }
    }
}
