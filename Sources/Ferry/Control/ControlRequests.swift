internal import FerryStateMachines
internal import FerryWire

#if canImport(FoundationEssentials)
internal import FoundationEssentials
#else
internal import Foundation
#endif

/// What the operator's requests mean to a node.
struct ControlRequests: Sendable {
    let node: FerryNode

    /// Answers one request with one or more replies.
    ///
    /// - Throws: what `reply` throws; a request that fails is answered with its error.
    func answer(_ request: ControlRequest, reply: @Sendable (ControlReply) async throws -> Void) async throws {
        let last: ControlReply
        do {
            guard request.version == ControlProtocol.version else {
                throw FerryError(
                    .unsupportedVersion, "this node speaks version \(ControlProtocol.version), the request has \(request.version)")
            }
            guard let command = ControlRequest.Command(rawValue: request.command) else {
                throw FerryError(.unknownCommand, "no command \"\(request.command.prefix(64))\"")
            }
            last = try await perform(command, request, reply: reply)
        } catch let error as FerryError {
            last = .failed(error)
        } catch {
            last = .failed(FerryError(.failed, "\(type(of: error))"))
        }
        try await reply(last)
    }

    private func perform(
        _ command: ControlRequest.Command, _ request: ControlRequest, reply: @Sendable (ControlReply) async throws -> Void
    ) async throws -> ControlReply {
        var answer = ControlReply()
        switch command {
        case .status: answer.status = status
        case .daemons: answer.daemons = await node.daemons.map(ControlReply.DaemonLine.init)
        case .moves: answer.moves = await node.moves.map(ControlReply.MoveLine.init)
        case .migrate: answer.report = try await migrate(request, reply: reply)
        case .cancel:
            guard let text = request.migration, let migration = MigrationID(hex: text) else {
                throw FerryError(.malformedRequest, "cancel needs a migration id of 32 hex digits")
            }
            answer.accepted = await node.cancel(migration)
        case .digest:
            let (origin, _) = try daemon(request)
            answer.digest = ControlReply.DigestLine(try await node.stateDigest(of: origin))
        case .stop:
            node.requestStop()
            answer.accepted = true
        }
        return answer
    }

    private var status: ControlReply.Status {
        let core = node.core
        let age = Double(WallClock.nanoseconds - min(core.startedAt, WallClock.nanoseconds)) / 1e9
        return ControlReply.Status(
            nodeKey: node.nodeKey.hex, nodeID: "\(node.nodeKey.nodeID)", endpoints: node.endpoints.map(\.description),
            phase: "\(core.phase)", uptimeSeconds: age, sessions: core.sessions.established.map(\.peer.nodeKey.hex))
    }

    private func migrate(
        _ request: ControlRequest, reply: @Sendable (ControlReply) async throws -> Void
    ) async throws -> ControlReply.ReportLine {
        let (origin, entity) = try daemon(request)
        guard let to = request.to else { throw FerryError(.malformedRequest, "migrate needs a target") }
        var options = MoveOptions()
        switch request.mode {
        case nil, "stop-and-copy": options.mode = .stopAndCopy
        case "live": options.mode = .live
        case let mode?: throw FerryError(.malformedRequest, "no mode \"\(mode.prefix(64))\"")
        }
        if let seconds = request.timeoutSeconds {
            guard (1...86_400).contains(seconds) else {
                throw FerryError(.limitExceeded, "a timeout of \(seconds) seconds is outside 1 second to 1 day")
            }
            options.timeout = .milliseconds(Int64(seconds * 1_000))
        }
        guard let entity = entity ?? node.core.table.host(origin)?.entity else {
            throw FerryError(.daemonNotFound, "daemon \(origin) is not here: name a remote one by its public key")
        }
        let source = try request.from.map { text throws(FerryError) in try Endpoint(text) }
        let handle = try await node.migrate(entity, from: source, to: try Endpoint(to), options: options)
        for await progress in handle.progress {
            var line = ControlReply()
            line.progress = ControlReply.ProgressLine(progress)
            try await reply(line)
        }
        return ControlReply.ReportLine(try await handle.value)
    }

    private func daemon(_ request: ControlRequest) throws(FerryError) -> (OriginHash, EntityID?) {
        guard let text = request.daemon else { throw FerryError(.malformedRequest, "the request names no daemon") }
        if let entity = EntityID(hex: text) { return (entity.originHash, entity) }
        guard let origin = UInt64(text) else {
            throw FerryError(.malformedRequest, "a daemon is named by its origin hash (decimal) or its public key (64 hex digits)")
        }
        return (OriginHash(rawValue: origin), nil)
    }
}

extension Duration {
    /// For JSON.
    var inSeconds: Double { Double(wholeNanoseconds) / 1e9 }
}

extension ControlReply.DaemonLine {
    init(_ status: DaemonStatus) {
        self.init(
            origin: "\(status.origin)", entityID: status.entity.hex, kind: "\(status.kind)", epoch: "\(status.epoch)",
            state: status.standing.rawValue, events: status.processedEventCount)
    }
}

extension ControlReply.MoveLine {
    init(_ move: MoveStatus) {
        let seconds = move.elapsed.inSeconds
        self.init(
            migration: move.migration.hex, daemon: "\(move.daemon)", role: "\(move.role)", source: move.source.hex,
            target: move.target.hex, phase: "\(move.phase)", elapsedSeconds: seconds, ageInPhaseSeconds: move.ageInPhase.inSeconds,
            bytes: move.byteCount, totalBytes: move.totalByteCount, bytesPerSecond: seconds > 0 ? Double(move.byteCount) / seconds : 0,
            replayLag: 0, estimatedPauseMilliseconds: nil, retries: move.retryCount, stall: move.stall,
            boundSeconds: move.bound.inSeconds, result: move.result)
    }
}

extension ControlReply.ProgressLine {
    init(_ progress: MigrationProgress) {
        self.init(
            migration: progress.migration.hex, phase: "\(progress.phase)", bytes: progress.byteCount, totalBytes: progress.totalByteCount,
            bytesPerSecond: progress.bytesPerSecond, elapsedSeconds: progress.elapsed.inSeconds, stall: progress.stall)
    }
}

extension ControlReply.ReportLine {
    init(_ report: MigrationReport) {
        self.init(
            result: "completed", migration: report.migration.hex, daemon: "\(report.daemon)", stateBytes: report.stateByteCount,
            wireBytes: report.wireByteCount, durationSeconds: report.duration.inSeconds,
            pauseMilliseconds: report.pause.inSeconds * 1_000, longestStallMilliseconds: report.longestStall.inSeconds * 1_000,
            rounds: report.rounds, determinism: report.determinism.rawValue, epoch: "\(report.epoch)",
            receipt: Data(report.receipt.bytes).base64EncodedString())
    }
}

extension ControlReply.DigestLine {
    init(_ digest: StateDigest) {
        self.init(
            digest: digest.digest.hex, bytes: digest.byteCount, events: digest.processedEventCount,
            chainSequence: digest.chainHead.sequence, chainHead: digest.chainHead.bytes.hex)
    }
}
