import FerryWire

/// One value of each kind that the Ferry profile can say, made of recognizable bytes.
enum Sample {
    static func fixed<Value: FixedByteCount>(_ first: UInt8) -> Value {
        guard let value = Value((0..<Value.byteCount).map { first &+ UInt8($0) }) else { preconditionFailure("size is exact") }
        return value
    }

    static let entity: EntityID = fixed(0x10)
    static let migration: MigrationID = fixed(0x50)
    static let releaseHash: ReleaseHash = fixed(0x70)
    static let boot: BootID = fixed(0xB0)
    static let epoch = Epoch(rawValue: 7)
    static let kind = DaemonKind(name: "key-value", schemaVersion: 3)

    static let order = MoveOrder(
        id: fixed(0x01), daemon: entity, lineage: fixed(0x30), source: fixed(0x40), target: fixed(0x60), targetAddress: "udp:[::1]:4747",
        orchestrator: fixed(0x80), modes: .all, attemptLimit: 3, pauseBudgetNanoseconds: 25_000_000, attempt: 2, mode: .live,
        expiresAt: 0x0102_0304_0506_0708, authorization: OrderAuthorization(signer: fixed(0xA0), signature: fixed(0x22)))

    static let localOrder = MoveOrder(
        id: fixed(0x01), daemon: entity, lineage: nil, source: fixed(0x40), target: fixed(0x60), targetAddress: "",
        orchestrator: fixed(0x40),
        attempt: 1, mode: .stopAndCopy, expiresAt: .max)

    static let offer = PlanOffer(kind: kind, lineage: fixed(0x30), epoch: epoch, predictedByteCount: 1 << 30)

    static func event(_ sequence: UInt64, origin: OriginHash = entity.originHash, byteCount: Int = 3) -> CausalEvent {
        CausalEvent(
            link: CausalLink(origin: origin, horizon: 0xAA, sequence: sequence, parent: 0xBB),
            payload: [UInt8](repeating: UInt8(truncatingIfNeeded: sequence), count: byteCount), receivedAt: 1_000 + sequence)
    }

    static let header = SnapshotHeader(
        entity: entity, lineage: fixed(0x30), epoch: epoch, kind: kind, chainLink: event(9).link, headPayload: [1, 2, 3],
        cursors: [LaneCursor(emitter: OriginHash(rawValue: 1), sequence: 10), LaneCursor(emitter: OriginHash(rawValue: 2), sequence: 20)],
        outputLanes: [
            OutputLaneState(subscriber: OriginHash(rawValue: 3), acknowledged: 7, unacknowledged: [event(8), event(9)]),
            OutputLaneState(subscriber: OriginHash(rawValue: 4), acknowledged: 9, unacknowledged: []),
        ],
        bindings: [0, 0, 0, 0], createdAt: 5)

    static let genesisHeader = SnapshotHeader(
        entity: entity, lineage: fixed(0x30), epoch: .first, kind: kind, chainLink: .genesis(entity.originHash), headPayload: [],
        cursors: [],
        outputLanes: [], bindings: [], createdAt: 0)

    static let state = StateSummary(chunkCount: 4, byteCount: 1 << 20, digest: fixed(0x90))

    static let release = Release(
        lineage: fixed(0x30), migration: migration, epoch: epoch, daemon: entity, source: fixed(0x40), target: fixed(0x60),
        targetBoot: boot,
        lastLogIndex: 12, inputOutputDigest: fixed(0xC0), chainSequence: 9, forwardHash: 0xDD, cursors: header.cursors,
        outputLanesDigest: fixed(0xD0), bindingsDigest: fixed(0xE0), state: state, stateDigest: fixed(0xF0))

    static let signedRelease = SignedRelease(release: release, daemonSignature: fixed(0x20), nodeSignature: fixed(0x21))

    static let take = Take(
        migration: migration, epoch: epoch, lineage: fixed(0x30), daemon: entity, release: releaseHash, target: fixed(0x60),
        targetBoot: boot,
        daemonSignature: fixed(0x22), nodeSignature: fixed(0x23))

    static let moved = Moved(
        daemon: entity, epoch: epoch, migration: migration, target: fixed(0x60), targetAddress: "unix:/run/b.sock",
        daemonSignature: fixed(0x24))

    static let failure = FailureReason(.stateFailed, "disk full")

    static let figures = MoveFigures(
        stateByteCount: 1 << 20, wireByteCount: 1 << 19, durationNanoseconds: 2_000_000, pauseNanoseconds: 9_000, rounds: 1, take: take,
        release: signedRelease)

    static let bodies: [(name: String, body: FerryMessage.Body)] = [
        ("takeSnapshot", .takeSnapshot(TakeSnapshot(order: order, targetBoot: boot))),
        ("snapshotReady", .snapshotReady(SnapshotReady(order: order, snapshot: header, stream: 4))),
        ("snapshotReady of a daemon without outputs", .snapshotReady(SnapshotReady(order: localOrder, snapshot: genesisHeader, stream: 0))),
        ("restoreComplete", .restoreComplete(state)),
        ("replayComplete", .replayComplete(ReplayComplete(logIndex: 12, inputOutputDigest: fixed(0xC0), lag: 1))),
        ("cutoverNotify", .cutoverNotify(CutoverNotify(release: releaseHash, envelope: [UInt8](repeating: 0xE1, count: 209)))),
        ("cleanupComplete", .cleanupComplete(figures)),
        ("migrationFailed", .migrationFailed(failure)),
        ("migrationFailed with an unknown code", .migrationFailed(FailureReason(FailureReason.Code(rawValue: 60_000)))),
        ("bufferedEvents", .bufferedEvents(BufferedEvents(firstIndex: 11, events: [event(1), event(2, byteCount: 0)]))),
        ("bufferedEvents, none", .bufferedEvents(BufferedEvents(firstIndex: 1, events: []))),
        ("activateTarget", .activateTarget(releaseHash)),
        ("activateAck", .activateAck(take)),
        ("plan", .plan(Plan(order: order, offer: offer))),
        ("plan without offer", .plan(Plan(order: localOrder, offer: nil))),
        ("planReply offered", .planReply(.offered(offer))),
        ("planReply reserved", .planReply(.reserved(boot: boot, isDurable: true))),
        ("planReply refused", .planReply(.refused(FailureReason(.noCapacity)))),
        ("release", .release(signedRelease)),
        ("prepared", .prepared(releaseHash)),
        ("refused", .refused(FailureReason(.releaseMismatch, "I/O digest"))),
        ("abort", .abort(FailureReason(.cancelled))),
        ("tooLate", .tooLate),
        ("busy", .busy(fixed(0x51))),
        ("status", .status),
        ("statusReply", .statusReply(StatusReply(standing: .inDoubt, boot: boot, reason: nil))),
        ("statusReply, abandoned", .statusReply(StatusReply(standing: .abandoned, boot: boot, reason: FailureReason(.phaseTimeout)))),
        ("unknown", .unknown(boot)),
        ("progress", .progress(MoveProgress(phase: .transfer, byteCount: 1, totalByteCount: 2, stall: "no credit"))),
    ]

    static let lanes: [(name: String, body: LaneMessage.Body)] = [
        ("hello", .hello),
        ("welcome", .welcome(cursor: 10, epoch: epoch)),
        ("event", .event(LaneEvent(epoch: epoch, previous: 8, link: event(9).link, payload: [1, 2, 3, 4]))),
        ("event without payload", .event(LaneEvent(epoch: .none, previous: 0, link: event(1).link, payload: []))),
        ("acknowledgement", .acknowledgement(cursor: 11, epoch: epoch)),
        ("gap", .gap(cursor: 5, epoch: epoch)),
        ("hold", .hold(migration: migration, retryAfterNanoseconds: 5_000_000)),
        ("moved", .moved(moved)),
        ("notHere", .notHere),
        ("violation", .violation),
    ]

    static func lane(_ body: LaneMessage.Body) -> PeerMessage {
        .lane(LaneMessage(emitter: OriginHash(rawValue: 0x0102_0304), daemon: entity.originHash, body: body))
    }

    /// Every sample as a whole message.
    static let messages: [(name: String, message: PeerMessage)] =
        bodies.map { name, body in
            (name, .migration(FerryMessage(header: MessageHeader(migration: migration, epoch: epoch), body: body)))
        } + lanes.map { name, body in ("lane: " + name, lane(body)) }
}
