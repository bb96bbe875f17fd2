internal import FerryStateMachines
internal import FerryWire

extension NetMeshAction {
    /// The daemon that the action is about.
    var origin: OriginHash {
        switch self {
        case .send(let message, _): message.origin
        case .takeSnapshot(let origin, _), .seal(let origin, _, _, _), .keyNotSealed(let origin, _, _), .preCleanup(let origin, _),
            .retire(let origin), .release(let origin), .resume(let origin, _, _), .askReadiness(let origin, _),
            .unseal(let origin, _, _), .restore(let origin, _, _, _), .postRestore(let origin, _), .replay(let origin, _, _),
            .activate(let origin, _, _), .deliver(let origin, _), .discard(let origin), .failureHook(let origin, _, _),
            .ended(let origin, _):
            origin
        }
    }
}
