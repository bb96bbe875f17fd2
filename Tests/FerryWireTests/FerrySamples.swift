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

    static let offer = PlanOffer(
        kind: kind, lineage: fixed(0x30), epoch: epoch, predictedByteCount: 1 << 30, predictedWireByteCount: 1 << 29,
        predictedDurationNanoseconds: 3_000_000, predictedPauseNanoseconds: 8_000)

    static func event(_ sequence: UInt64, origin: OriginHash = entity.originHash, byteCount: Int = 3) -> CausalEvent {
        CausalEvent(
            link: CausalLink(origin: origin, horizon: 0xAA, sequence: sequence, parent: 0xBB),
            payload: [UInt8](repeating: UInt8(truncatingIfNeeded: sequence), count: byteCount), receivedAt: 1_000 + sequence)
    }

    static func entry(_ sequence: UInt64, byteCount: Int = 3) -> LoggedInput {
        LoggedInput(event: event(sequence, byteCount: byteCount), outcome: 0xEE)
    }

    static let header = SnapshotHeader(
        entity: entity, lineage: fixed(0x30), epoch: epoch, kind: kind, chainLink: event(9).link, headPayload: [1, 2, 3],
        cursors: [
            LaneCursor(emitter: OriginHash(rawValue: 1), sequence: 10),
            LaneCursor(emitter: OriginHash(rawValue: 2), sequence: 20, emitterEpoch: Epoch(rawValue: 6)),
        ],
        outputLanes: [
            OutputLaneState(subscriber: OriginHash(rawValue: 3), acknowledged: 7, unacknowledged: [event(8), event(9)]),
            OutputLaneState(subscriber: OriginHash(rawValue: 4), acknowledged: 9, unacknowledged: []),
            OutputLaneState(subscriber: OriginHash(rawValue: 5), acknowledged: 0, unacknowledged: [event(9)]),
        ],
        bindings: [0, 0, 0, 0],
        ownerHints: [OwnerHint(daemon: OriginHash(rawValue: 3), node: fixed(0x60), epoch: epoch, address: "udp:[::1]:1")], createdAt: 5)

    static let genesisHeader = SnapshotHeader(
        entity: entity, lineage: fixed(0x30), epoch: .first, kind: kind, chainLink: .genesis(entity.originHash), headPayload: [],
        cursors: [],
        outputLanes: [], bindings: [], createdAt: 0)

    static let state = StateSummary(chunkCount: 4, byteCount: 1 << 20, digest: fixed(0x90))

    static let release = Release(
        lineage: fixed(0x30), migration: migration, epoch: epoch, daemon: entity, source: fixed(0x40), target: fixed(0x60),
        targetBoot: boot,
        lastLogIndex: 12, inputOutputDigest: fixed(0xC0), chainSequence: 9, forwardHash: 0xDD, cursors: header.cursors,
        outputLanesDigest: fixed(0xD0), bindingsDigest: fixed(0xE0), state: state, stateDigest: fixed(0xF0), determinism: .verified)

    static let signedRelease = SignedRelease(release: release, daemonSignature: fixed(0x20), nodeSignature: fixed(0x21))

    static let take = Take(
        migration: migration, epoch: epoch, lineage: fixed(0x30), daemon: entity, release: releaseHash, target: fixed(0x60),
        targetBoot: boot,
        daemonSignature: fixed(0x22), nodeSignature: fixed(0x23))

    static let moved = Moved(
        daemon: entity, epoch: epoch, migration: migration, target: fixed(0x60), targetAddress: "unix:/run/b.sock",
        daemonSignature: fixed(0x24))

    static let credential = LaneCredential(daemon: entity, epoch: epoch, node: fixed(0x60), daemonSignature: fixed(0x25))

    static let channel = name("prices/eur")

    static func name(_ text: String) -> ChannelName {
        guard let name = ChannelName(text) else { preconditionFailure("\(text) is no channel") }
        return name
    }

    static func daemonEvent(_ content: EventContent, payload: [UInt8] = []) -> LaneEvent {
        LaneEvent(epoch: epoch, emitterEpoch: Epoch(rawValue: 3), previous: 8, link: event(9).link, content: content, payload: payload)
    }

    static let bindings = {
        var bindings = DaemonBindings()
        bindings.ledger.record(SubscriptionLedger.Entry(publisher: 5, channel: channel))
        bindings.roster.insert(OriginHash(rawValue: 9), on: channel)
        bindings.roster.insert(OriginHash(rawValue: 4), on: channel)
        bindings.roster.insert(OriginHash(rawValue: 7), on: name("a"))
        return bindings
    }()

    static let failure = FailureReason(.stateFailed, "disk full")

    static let figures = MoveFigures(
        stateByteCount: 1 << 20, wireByteCount: 1 << 19, durationNanoseconds: 2_000_000, pauseNanoseconds: 9_000, rounds: 1,
        predictedDurationNanoseconds: 3_000_000, predictedPauseNanoseconds: 8_000, replayedInputCount: 12, take: take,
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
        ("bufferedEvents", .bufferedEvents(BufferedEvents(firstIndex: 11, entries: [entry(1), entry(2, byteCount: 0)]))),
        ("bufferedEvents, none", .bufferedEvents(BufferedEvents(firstIndex: 1, entries: []))),
        ("activateTarget", .activateTarget(releaseHash)),
        ("activateAck", .activateAck(take)),
        ("plan", .plan(Plan(order: order, boot: boot, offer: offer))),
        ("plan without offer", .plan(Plan(order: localOrder, offer: nil))),
        ("planReply offered", .planReply(.offered(offer))),
        ("planReply reserved", .planReply(.reserved(boot: boot, isDurable: true, memoryByteCount: 1 << 31))),
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
        (
            "progress",
            .progress(
                MoveProgress(
                    phase: .transfer, byteCount: 1, totalByteCount: 2, bytesPerSecond: 3, replayLag: 4, estimatedPauseNanoseconds: 5,
                    stall: "no credit"))
        ),
    ]

    static let lanes: [(name: String, body: LaneMessage.Body)] = [
        ("hello", .hello()),
        ("hello of a daemon", .hello(credential)),
        ("welcome", .welcome(cursor: 10, epoch: epoch)),
        ("event", .event(LaneEvent(epoch: epoch, previous: 8, link: event(9).link, payload: [1, 2, 3, 4]))),
        ("event without payload", .event(LaneEvent(epoch: .none, previous: 0, link: event(1).link, payload: []))),
        ("subscribe", .event(daemonEvent(.subscribe(channel)))),
        ("unsubscribe", .event(daemonEvent(.unsubscribe(channel)))),
        ("published", .event(daemonEvent(.published(channel), payload: [7]))),
        ("acknowledgement", .acknowledgement(cursor: 11, epoch: epoch)),
        ("gap", .gap(cursor: 5, epoch: epoch)),
        ("hold", .hold(migration: migration, retryAfterNanoseconds: 5_000_000)),
        ("moved", .moved(moved)),
        ("notHere", .notHere),
        ("violation", .violation),
        ("unproven", .unproven),
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
