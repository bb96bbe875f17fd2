internal import FerryWire

// What a frozen daemon must fit into.
extension SourceMachine {
    /// Why the daemon's facts cannot be sent, known at the freeze and at the fence; nil when they can.
    ///
    /// A message that has no encoding is never sent, and the daemon would stand still until the stall budget ends the move.
    func obstacle(_ snapshot: SnapshotHeader, to targetBoot: BootID) -> FailureReason? {
        let none = StateSummary(chunkCount: 0, byteCount: 0, digest: .zero)
        let announcement = SnapshotReady(order: attempt.order, snapshot: snapshot, stream: .max)
        guard let release = statement(of: snapshot, for: targetBoot, none) else {
            return FailureReason(.stateFailed, "the daemon's facts have no canonical form")
        }
        let signed = SignedRelease(release: release, daemonSignature: .none, nodeSignature: .none)
        do throws(WireError) {
            // By itself too: a header that is too long for its reader may still fit the message.
            _ = try snapshot.measured()
            for body in [FerryMessage.Body.snapshotReady(announcement), .release(signed)] {
                let header = MessageHeader(migration: attempt.migration, epoch: attempt.epoch)
                _ = try PeerMessage.migration(FerryMessage(header: header, body: body)).measured()
            }
        } catch {
            return FailureReason(.stateFailed, "the daemon's cursors, bindings and last output cannot be sent: \(error)")
        }
        return nil
    }
}
