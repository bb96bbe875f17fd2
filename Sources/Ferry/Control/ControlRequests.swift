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
        node.core.answers.begin()
        defer { node.core.answers.end() }
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
        case .plan: answer.plan = ControlReply.PlanLine(try await plan(request))
        case .resolve:
            try await resolve(request)
            answer.accepted = true
        case .cancel: answer.accepted = await node.cancel(try migration(request))
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
        let handle: MigrationHandle
        let (source, target) = try endpoints(request)
        if let text = request.order {
            handle = try await node.migrate(try Self.order(text), from: source, to: target)
        } else {
            handle = try await node.migrate(try entity(request), from: source, to: target, options: try Self.options(request))
        }
        for await progress in handle.progress {
            var line = ControlReply()
            line.progress = ControlReply.ProgressLine(progress)
            try await reply(line)
        }
        return ControlReply.ReportLine(try await handle.value)
    }

    private func plan(_ request: ControlRequest) async throws -> MovePlan {
        let (source, target) = try endpoints(request)
        return try await node.plan(try entity(request), from: source, to: target, options: try Self.options(request))
    }

    private func resolve(_ request: ControlRequest) async throws {
        let resolution: MoveResolution
        switch request.resolution {
        case "take-back": resolution = .takeBack
        case "give-up": resolution = .giveUp
        default: throw FerryError(.malformedRequest, "a doubt is ended by take-back or give-up")
        }
        try await node.resolve(try migration(request), resolution)
    }

    // MARK: What requests name

    private func migration(_ request: ControlRequest) throws(FerryError) -> MigrationID {
        guard let text = request.migration, let migration = MigrationID(hex: text) else {
            throw FerryError(.malformedRequest, "\(request.command.prefix(64)) needs a migration id of 32 hex digits")
        }
        return migration
    }

    private func endpoints(_ request: ControlRequest) throws(FerryError) -> (Endpoint?, Endpoint) {
        guard let to = request.to else { throw FerryError(.malformedRequest, "\(request.command.prefix(64)) needs a target") }
        return (try request.from.map { text throws(FerryError) in try Endpoint(text) }, try Endpoint(to))
    }

    private static func order(_ hex: String) throws(FerryError) -> MoveOrder {
        guard let bytes = [UInt8](hex: hex), let order = try? MoveOrder(decoding: bytes) else {
            throw FerryError(.malformedRequest, "the order is not one in hex")
        }
        return order
    }

    private static func options(_ request: ControlRequest) throws(FerryError) -> MoveOptions {
        var options = MoveOptions()
        switch request.mode {
        case nil: break
        case "stop-and-copy": options.mode = .stopAndCopy
        case "live": options.mode = .live
        case let mode?: throw FerryError(.malformedRequest, "no mode \"\(mode.prefix(64))\"")
        }
        if let seconds = request.timeoutSeconds {
            guard (1...86_400).contains(seconds) else {
                throw FerryError(.limitExceeded, "a timeout of \(seconds) seconds is outside 1 second to 1 day")
            }
            options.timeout = .milliseconds(Int64(seconds * 1_000))
        }
        if let milliseconds = request.pauseBudgetMilliseconds {
            guard (0...86_400_000).contains(milliseconds) else {
                throw FerryError(.limitExceeded, "a pause budget of \(milliseconds) milliseconds is outside 0 to 1 day")
            }
            options.pauseBudget = .nanoseconds(Int64(milliseconds * 1_000_000))
        }
        return options
    }

    private func entity(_ request: ControlRequest) throws(FerryError) -> EntityID {
        let (origin, entity) = try daemon(request)
        guard let entity = entity ?? node.core.table.host(origin)?.entity else {
            throw FerryError(.daemonNotFound, "daemon \(origin) is not here: name a remote one by its public key")
        }
        return entity
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
