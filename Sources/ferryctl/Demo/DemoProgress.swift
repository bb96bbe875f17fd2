internal import Synchronization

/// The progress bar of a run, on a terminal only.
final class DemoProgress: Sendable {
    private struct State {
        var phase = "feeding"
        var fraction = 0.0
        var accepted: UInt64 = 0
        var moves = 0
    }

    private let options: DemoOptions
    private let state = Mutex(State())

    init(_ options: DemoOptions) { self.options = options }

    func take(_ event: RoleEvent) {
        guard Console.isTerminal else { return }
        let text: String? = state.withLock { state in
            switch event {
            case .progress(let phase, let byteCount, let total):
                state.phase = phase
                state.fraction = total > 0 ? min(1, Double(byteCount) / Double(total)) : 0
            case .offering(_, let accepted): state.accepted = accepted
            case .moved:
                state.moves += 1
                state.phase = "feeding"
            default: return nil
            }
            let filled = Int(state.fraction * 24)
            let bar = String(repeating: "█", count: filled) + String(repeating: "░", count: 24 - filled)
            return "\(bar) move \(min(state.moves + 1, options.moves))/\(options.moves) \(state.phase), \(state.accepted) events accepted"
        }
        if let text { Console.status(text) }
    }

    func clear() { Console.status("") }
}
