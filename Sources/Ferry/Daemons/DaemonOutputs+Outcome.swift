internal import FerryStateMachines
internal import FerryWire

extension DaemonOutputs {
    /// What the input with this link did, for the comparison with its replay; a failure drops all outputs.
    func outcome(of link: CausalLink, failure: (any Error)?) -> UInt64 {
        // The name of its type alone: what user code puts into an error may differ between nodes.
        var outcome = InputOutcome(link: link, failure: failure.map { String(reflecting: type(of: $0)) })
        if failure == nil {
            for operation in operations {
                switch operation.kind {
                case .emit: outcome.output(operation.payload)
                case .deliver(let destination): outcome.delivery(to: destination, operation.payload)
                case .publish(let channel):
                    outcome.binding(channel.utf8)
                    outcome.output(operation.payload)
                case .subscribe(let channel, let publisher), .unsubscribe(let channel, let publisher):
                    outcome.binding(operation.content == .subscribe(channel) ? [1] : [2])
                    outcome.delivery(to: publisher, channel.utf8)
                }
            }
        }
        return outcome.hash
    }
}
