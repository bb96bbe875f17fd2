import FerryCrypto
import FerrySodium
import FerryStateMachines
import FerryTransports
import FerryWire
import Synchronization
import Testing

@testable import Ferry

/// A daemon's owner as emitters see it: one cursor, the rules of system.md §3.
final class LaneCursorOwner: Sendable {
    struct State {
        var cursor: UInt64 = 0
        var payloads: [[UInt8]] = []
        var isSilent = false
    }

    let state = Mutex(State())
    let epoch: Epoch

    init(epoch: Epoch = .first, cursor: UInt64 = 0) {
        self.epoch = epoch
        state.withLock { $0.cursor = cursor }
    }

    func answer(_ message: LaneMessage) -> [LaneMessage.Body] {
        state.withLock { state in
            if state.isSilent { return [] }
            guard case .event(let event) = message.body else { return [.welcome(cursor: state.cursor, epoch: epoch)] }
            if event.previous > state.cursor { return [.gap(cursor: state.cursor, epoch: epoch)] }
            if event.link.sequence > state.cursor {
                state.cursor = event.link.sequence
                state.payloads.append(event.payload)
            }
            return [.acknowledgement(cursor: state.cursor, epoch: epoch)]
        }
    }
}

extension SessionNode {
    func script(_ script: @escaping ScriptedOwner.Script) { owner.state.withLock { $0.script = script } }

    func emitter(to daemon: OriginHash, askingFirst node: NodeKey? = nil, at address: String = "") throws -> EventEmitter {
        try emitters.emitter(
            from: ChainBuilder(origin: OriginHash(rawValue: 99)), to: daemon, belief: OwnerBelief(node: node, address: address))
    }
}

private let daemon = OriginHash(rawValue: 8)
private let quick = EmitterLimits(windowEventCount: 4, retry: .milliseconds(20) ... .milliseconds(40))

private func payload(_ number: Int) -> [UInt8] { [UInt8(number & 255), UInt8(number >> 8)] }

private func redirection(of daemon: EntityKeypair, signedBy signer: EntityKeypair, to target: NodeKey) throws -> Moved {
    let zero = try #require(FixedBytes64([UInt8](repeating: 0, count: 64)))
    let id = try #require(MigrationID([UInt8](repeating: 3, count: 16)))
    var moved = Moved(
        daemon: daemon.entityID, epoch: Epoch(rawValue: 2), migration: id, target: target, targetAddress: rightAddress.description,
        daemonSignature: Signature(rawValue: zero))
    let bytes = try moved.signedBytes()
    moved.daemonSignature = try signer.sign(bytes.rawSpan)
    return moved
}

@Suite struct EventEmitterTests {
    @Test func eventsAreAcceptedOnceAndInOrder() async throws {
        try await withNodes { left, right in
            let owner = LaneCursorOwner()
            right.script { owner.answer($0) }
            let emitter = try left.emitter(to: daemon, askingFirst: right.key, at: rightAddress.description)
            for number in 0..<5_000 { try await emitter.send(payload(number)) }
            try await emitter.flush()
            #expect(owner.state.withLock { $0.payloads } == (0..<5_000).map(payload))
            #expect(emitter.waitingCount == 0)
        }
    }

    @Test func deliverReturnsOnceTheOwnerHasAccepted() async throws {
        try await withNodes { left, right in
            let owner = LaneCursorOwner()
            right.script { owner.answer($0) }
            let emitter = try left.emitter(to: daemon, askingFirst: right.key, at: rightAddress.description)
            for number in 0..<50 {
                try await emitter.deliver(payload(number))
                #expect(owner.state.withLock { $0.payloads.count } == number + 1)
            }
        }
    }

    @Test func concurrentDeliveriesAreAllAccepted() async throws {
        try await withNodes { left, right in
            let owner = LaneCursorOwner()
            right.script { owner.answer($0) }
            let emitter = try left.emitter(to: daemon, askingFirst: right.key, at: rightAddress.description)
            try await withThrowingDiscardingTaskGroup { group in
                for number in 0..<500 { group.addTask { try await emitter.deliver(payload(number)) } }
            }
            #expect(Set(owner.state.withLock { $0.payloads }) == Set((0..<500).map(payload)))
        }
    }

    @Test func aFullWindowHoldsSendersBackUntilTheOwnerAccepts() async throws {
        try await withNodes(emitterLimits: quick) { left, right in
            let owner = LaneCursorOwner()
            owner.state.withLock { $0.isSilent = true }
            right.script { owner.answer($0) }
            let emitter = try left.emitter(to: daemon, askingFirst: right.key, at: rightAddress.description)
            // The window holds four; the fifth waits.
            for number in 0..<4 { try await emitter.send(payload(number)) }
            let fifth = Task { try await emitter.send(payload(4)) }
            #expect(emitter.waitingCount == 4)
            owner.state.withLock { $0.isSilent = false }
            try await fifth.value
            try await emitter.flush()
            #expect(owner.state.withLock { $0.payloads } == (0..<5).map(payload))
        }
    }

    @Test func aCancelledSenderIsNotBuffered() async throws {
        try await withNodes(emitterLimits: quick) { left, right in
            right.script { _ in [] }
            let emitter = try left.emitter(to: daemon, askingFirst: right.key, at: rightAddress.description)
            for number in 0..<4 { try await emitter.send(payload(number)) }
            let waiting = Task { try await emitter.send(payload(4)) }
            let delivering = Task { try await emitter.flush() }
            waiting.cancel()
            delivering.cancel()
            let (sent, flushed) = (await waiting.result, await delivering.result)
            #expect(throws: CancellationError.self) { try sent.get() }
            #expect(throws: CancellationError.self) { try flushed.get() }
            #expect(emitter.waitingCount == 4)
        }
    }

    @Test func aHoldIsWaitedOut() async throws {
        try await withNodes(emitterLimits: quick) { left, right in
            let owner = LaneCursorOwner()
            let holds = Mutex(3)
            let migration = try #require(MigrationID([UInt8](repeating: 1, count: 16)))
            right.script { message in
                let isHeld = holds.withLock { holds in
                    holds -= 1
                    return holds >= 0
                }
                guard isHeld else { return owner.answer(message) }
                return [.hold(migration: migration, retryAfterNanoseconds: 1_000_000)]
            }
            let emitter = try left.emitter(to: daemon, askingFirst: right.key, at: rightAddress.description)
            try await emitter.deliver(payload(1))
            #expect(owner.state.withLock { $0.payloads } == [payload(1)])
        }
    }

    @Test func aGapIsFilled() async throws {
        try await withNodes(emitterLimits: quick) { left, right in
            let owner = LaneCursorOwner()
            let dropped = Mutex(false)
            right.script { message in
                guard case .event(let event) = message.body, event.link.sequence == 2 else { return owner.answer(message) }
                let isFirst = dropped.withLock { dropped in
                    defer { dropped = true }
                    return !dropped
                }
                return isFirst ? [] : owner.answer(message)
            }
            let emitter = try left.emitter(to: daemon, askingFirst: right.key, at: rightAddress.description)
            for number in 0..<20 { try await emitter.send(payload(number)) }
            try await emitter.flush()
            #expect(owner.state.withLock { $0.payloads } == (0..<20).map(payload))
        }
    }

    @Test func aSignedRedirectionOfAHigherEpochIsFollowedAndAForgedOneIsNot() async throws {
        try await withNodes(emitterLimits: quick) { left, right in
            let crypto = CryptoProvider.sodium
            let keys = try EntityKeypair.generate(crypto: crypto)
            let forger = try EntityKeypair.generate(crypto: crypto)
            let owner = LaneCursorOwner(epoch: Epoch(rawValue: 2), cursor: 0)
            right.script { owner.answer($0) }
            let forged = try redirection(of: keys, signedBy: forger, to: right.key)
            let genuine = try redirection(of: keys, signedBy: keys, to: right.key)
            let answered = Mutex(0)
            // The own node was the owner and redirects.
            left.script { _ in
                let count = answered.withLock { answered in
                    answered += 1
                    return answered
                }
                return count == 1 ? [.moved(forged)] : [.moved(genuine)]
            }
            let emitter = try left.emitter(to: keys.originHash, askingFirst: left.key)
            try await emitter.deliver(payload(1))
            #expect(owner.state.withLock { $0.payloads } == [payload(1)])
            #expect(answered.withLock { $0 } >= 2)
        }
    }

    @Test func everyKnownPeerIsAskedWhenTheBelievedOwnerHasNothing() async throws {
        try await withNodes(emitterLimits: quick) { left, right in
            let owner = LaneCursorOwner()
            right.script { owner.answer($0) }
            _ = try await left.table.session(to: right.key, at: rightAddress)
            // The own node answers `notHere`.
            let emitter = try left.emitter(to: daemon, askingFirst: left.key)
            try await emitter.deliver(payload(1))
            #expect(owner.state.withLock { $0.payloads } == [payload(1)])
        }
    }

    @Test func localDaemonsTakeTheSamePath() async throws {
        let node = try SessionNode(transports: [])
        try await node.running { node in
            let owner = LaneCursorOwner()
            node.script { owner.answer($0) }
            let emitter = try node.emitter(to: daemon, askingFirst: node.key)
            for number in 0..<100 { try await emitter.send(payload(number)) }
            try await emitter.flush()
            #expect(owner.state.withLock { $0.payloads } == (0..<100).map(payload))
        }
    }

    @Test func aLostSessionIsDialledAgainAndNothingIsLostOrRepeated() async throws {
        try await withNodes(emitterLimits: quick) { left, right in
            let owner = LaneCursorOwner()
            right.script { owner.answer($0) }
            let emitter = try left.emitter(to: daemon, askingFirst: right.key, at: rightAddress.description)
            for number in 0..<300 {
                try await emitter.send(payload(number))
                if number % 100 == 50 { left.table.existing(right.key)?.close(SessionCloseReason(.normal, "test")) }
            }
            try await emitter.flush()
            #expect(owner.state.withLock { $0.payloads } == (0..<300).map(payload))
        }
    }

    @Test func aViolationEndsTheLane() async throws {
        try await withNodes { left, right in
            let owner = LaneCursorOwner()
            right.script { message in
                if case .event = message.body { [.violation] } else { owner.answer(message) }
            }
            let emitter = try left.emitter(to: daemon, askingFirst: right.key, at: rightAddress.description)
            let error = await #expect(throws: FerryError.self) { try await emitter.deliver(payload(1)) }
            #expect(error?.code == .laneViolation)
            let later = await #expect(throws: FerryError.self) { try await emitter.send(payload(2)) }
            #expect(later?.code == .laneViolation)
            let next = try left.emitter(to: daemon, askingFirst: right.key, at: rightAddress.description)
            #expect(next !== emitter, "a failed lane does not stand in the way of a new one")
        }
    }

    @Test func payloadsAreTakenUpToTheLimitAndNotOnePast() async throws {
        let node = try SessionNode(transports: [])
        let emitter = try node.emitter(to: daemon)
        try await emitter.send([UInt8](repeating: 0, count: WireLimits.eventPayloadByteCount))
        let error = await #expect(throws: FerryError.self) {
            try await emitter.send([UInt8](repeating: 0, count: WireLimits.eventPayloadByteCount + 1))
        }
        #expect(error?.code == .limitExceeded)
    }

    @Test func closingAndStoppingWakeWhoeverWaits() async throws {
        let node = try SessionNode(transports: [])
        let emitter = try node.emitter(to: daemon)
        try await emitter.send(payload(1))
        let flushing = Task { try await emitter.flush() }
        emitter.close()
        let closed = await flushing.result
        #expect(throws: FerryError.self) { try closed.get() }
        let other = try node.emitter(to: OriginHash(rawValue: 12))
        try await other.send(payload(1))
        try await node.running { _ in }
        let stopped = await #expect(throws: FerryError.self) { try await other.flush() }
        #expect(stopped?.code == .shuttingDown)
    }

    @Test func emittersAreCapped() throws {
        let identity = try NodeIdentity.generate(crypto: .sodium)
        let table = EmitterTable(ownKey: identity.nodeKey, crypto: .sodium, clock: NodeClock(), maximumEmitterCount: 1)
        let chain = ChainBuilder(origin: OriginHash(rawValue: 99))
        let first = try table.emitter(from: chain, to: daemon)
        #expect(try table.emitter(from: chain, to: daemon) === first)
        let error = #expect(throws: FerryError.self) { try table.emitter(from: chain, to: OriginHash(rawValue: 9)) }
        #expect(error?.code == .limitExceeded)
        first.close()
        _ = try table.emitter(from: chain, to: OriginHash(rawValue: 9))
    }
}
