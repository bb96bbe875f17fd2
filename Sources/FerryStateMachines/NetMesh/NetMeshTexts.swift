internal import FerryWire

// The texts of net-mesh's own failures; they travel inside MigrationFailed, and its tests compare them.
extension FailureReason {
    /// The one answer to whoever may not order or bring a daemon: the same whether the daemon exists or not.
    static func notAuthorized(_ node: NodeID) -> FailureReason {
        FailureReason(
            .stateFailed, "migration refused: node \(node.rawValue.prefixedHex) is not an authorized orchestrator for this node")
    }

    static let unparsableSnapshot = FailureReason(.stateFailed, "failed to parse snapshot bytes on target")

    static func sealFailed(_ text: String) -> FailureReason {
        FailureReason(.stateFailed, "identity envelope seal failed: \(text)")
    }

    static func openFailed(_ text: String) -> FailureReason {
        FailureReason(.stateFailed, "identity envelope open failed: \(text)")
    }

    static let noEnvelope = openFailed(
        "placeholder factory registered but snapshot has no identity envelope (and no local fallback keypair available)")
    static let noKeyInEnvelope = openFailed(
        "identity envelope present but the unsealer returned no keypair; refusing to fall back to the local keypair")
    static let noContextToOpen = openFailed(
        "identity envelope present but this node has no identity context (and no local fallback keypair available)")

    static func restoreFailed(_ inner: FailureReason) -> FailureReason {
        FailureReason(.stateFailed, "restore_snapshot failed: StateFailed(\(inner.message.quoted))")
    }

    /// What a sender is told that no expectation or policy names and whose envelope has not opened: what a node answers that knows nothing
    /// of the daemon. Come again later is the exception, since a sender that can prove itself needs it.
    var forUnproven: FailureReason { isRetriable ? self : FailureReason(.factoryNotFound) }

    /// The reason as net-mesh can carry it: its own codes, and no text beyond 1,024 bytes.
    var onNetMeshWire: FailureReason {
        var reason = self
        if code.rawValue > Code.notReadyTimeout.rawValue {
            reason = FailureReason(.stateFailed, message.isEmpty ? "\(code)" : message)
        }
        while reason.message.utf8.count > WireLimits.textByteCount { reason.message.removeLast(max(1, reason.message.count / 8)) }
        return reason
    }

    static func originMismatch(_ snapshot: OriginHash, _ daemon: OriginHash) -> FailureReason {
        FailureReason(
            .stateFailed, "snapshot origin \(snapshot.rawValue.prefixedHex) does not match daemon \(daemon.rawValue.prefixedHex)")
    }

    static func timedOut(in phase: MigrationPhase) -> FailureReason {
        FailureReason(.stateFailed, "migration timed out in phase \(phase)")
    }

    static func notHosted(_ origin: OriginHash) -> FailureReason {
        FailureReason(.stateFailed, "daemon \(origin.rawValue.prefixedHex) not found")
    }

    static func snapshotTooLarge(_ byteCount: Int, limit: Int) -> FailureReason {
        FailureReason(.stateFailed, "snapshot of \(byteCount) bytes exceeds \(limit) bytes")
    }
}

extension String {
    /// In double quotes, with the escapes that net-mesh's debug output uses.
    fileprivate var quoted: String {
        var text = "\""
        for scalar in unicodeScalars {
            switch scalar {
            case "\"": text += "\\\""
            case "\\": text += "\\\\"
            case "\n": text += "\\n"
            case "\r": text += "\\r"
            case "\t": text += "\\t"
            default: text.unicodeScalars.append(scalar)
            }
        }
        return text + "\""
    }
}
