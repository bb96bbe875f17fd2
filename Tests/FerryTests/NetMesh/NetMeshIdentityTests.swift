import FerryCrypto
import FerrySodium
import FerryStateMachines
import FerryWire
import Testing

@testable import Ferry

@Suite(.timeLimit(.minutes(1))) struct NetMeshIdentityTests {
    /// Moves the daemon from source to target and returns why that failed, nil when it did not.
    private func move(_ mesh: Mesh, _ transport: NetMeshIdentityTransport = .required) async throws -> FailureReason? {
        let handle = try await mesh.source.runtime.startMigration(
            mesh.origin, to: mesh.target.id, options: NetMeshMoveOptions(identityTransport: transport, retryNotReady: nil))
        try await mesh.network.run(handle)
        let reason: FailureReason?
        do throws(FerryError) {
            try await handle.wait()
            reason = nil
        } catch {
            reason = error.cause as? FailureReason
        }
        await mesh.network.drain()
        return reason
    }

    /// A second object with the same key, as a target would have it.
    private func copy(of keypair: EntityKeypair, for mesh: Mesh) async throws -> EntityKeypair {
        let host = try #require(mesh.source.runtime.core.registry.host(mesh.origin))
        let link = await host.head
        var snapshot = StateSnapshot(entity: keypair.entityID, chainLink: link, createdAt: 0, state: [])
        let crypto = CryptoProvider.sodium
        try snapshot.sealIdentity(of: keypair, to: mesh.target.identity.staticPublicKey, crypto: crypto, random: crypto.random)
        return try #require(try snapshot.openIdentity(with: mesh.target.identity))
    }

    @Test("required: without the target's static key there is no move, and the daemon serves on (H116)")
    func requiredWithoutTargetKey() async throws {
        try await Mesh.run { mesh in
            mesh.network.forgetStaticKey(of: mesh.target.id)
            let reason = try await move(mesh)
            #expect(reason?.code == .identityTransportFailed || reason?.code == .stateFailed)
            #expect(!mesh.network.deliveredTypes.contains(1))
            #expect(await mesh.owners == [mesh.source.id])
            #expect(mesh.keypair.canSign)
        }
    }

    @Test("preferred: without the target's static key the snapshot goes unsealed, and the target needs a key of its own")
    func preferred() async throws {
        try await Mesh.run(expects: false) { mesh in
            mesh.network.forgetStaticKey(of: mesh.target.id)
            let own = try await copy(of: mesh.keypair, for: mesh)
            try mesh.target.runtime.registerMigrationTargetIdentity(kind: "notebook", identity: own, orchestrator: mesh.source.id)
            #expect(try await move(mesh, .preferred) == nil)
            #expect(await mesh.owners == [mesh.target.id])
            #expect(own.canSign)
            #expect(!mesh.keypair.canSign)
        }
    }

    @Test("none: the key never travels, though it could")
    func none() async throws {
        try await Mesh.run(expects: false) { mesh in
            let own = try await copy(of: mesh.keypair, for: mesh)
            try mesh.target.runtime.registerMigrationTargetIdentity(kind: "notebook", identity: own, orchestrator: mesh.source.id)
            #expect(try await move(mesh, .none) == nil)
            let pieces = mesh.network.delivered.compactMap { message -> [UInt8]? in
                guard case .snapshotReady(let piece) = message.decoded else { return nil }
                return piece.bytes
            }
            #expect(try StateSnapshot(decoding: pieces.flatMap { $0 }).envelope == nil)
            #expect(await mesh.owners == [mesh.target.id])
        }
    }

    @Test("a placeholder without an envelope is terminal: the daemon stays, nothing is left behind")
    func placeholderWithoutEnvelope() async throws {
        try await Mesh.run(expects: false) { mesh in
            try mesh.target.runtime.expectMigration(kind: "notebook", origin: mesh.origin, orchestrator: mesh.source.id)
            let reason = try await move(mesh, .none)
            #expect(reason?.message.contains("identity envelope open failed") == true)
            #expect(await mesh.owners == [mesh.source.id])
            #expect(mesh.target.runtime.arrivals.isEmpty)
        }
    }

    @Test("H4: an envelope wins over the target's own key, and that one is kept for the next attempt when it does not open")
    func envelopeWins() async throws {
        try await Mesh.run(expects: false) { mesh in
            let own = try await copy(of: mesh.keypair, for: mesh)
            try mesh.target.runtime.registerMigrationTargetIdentity(kind: "notebook", identity: own, orchestrator: mesh.source.id)
            #expect(try await move(mesh) == nil)
            let key = await mesh.target.runtime.core.registry.host(mesh.origin)?.frozen()?.keypair
            #expect(key !== own)
            #expect(key?.canSign == true)
            #expect(!own.canSign, "nobody would wipe it later")
        }
    }

    @Test("an expectation that is withdrawn takes its key with it, and the daemon's name may be expected again")
    func withdrawnExpectation() async throws {
        try await Mesh.run(expects: false) { mesh in
            let own = try await copy(of: mesh.keypair, for: mesh)
            let runtime = mesh.target.runtime
            #expect(!runtime.forgetExpectation(mesh.origin))
            try runtime.registerMigrationTargetIdentity(kind: "notebook", identity: own, orchestrator: mesh.source.id)
            #expect(runtime.forgetExpectation(mesh.origin))
            #expect(!own.canSign)
            #expect(try await move(mesh)?.code == .factoryNotFound)
            try runtime.expectMigration(kind: "notebook", origin: mesh.origin)
            #expect(try await move(mesh) == nil)
        }
    }

    @Test("a daemon that replaces another keeps the keypair that both have, and any other object with the old key is wiped")
    func replacedKeypair() async throws {
        try await Mesh.run { mesh in
            let runtime = mesh.source.runtime
            try await runtime.replace(NotebookDaemon(), keypair: mesh.keypair)
            #expect(mesh.keypair.canSign)
            let other = try await copy(of: mesh.keypair, for: mesh)
            try await runtime.replace(NotebookDaemon(), keypair: other)
            #expect(!mesh.keypair.canSign)
            #expect(await runtime.holdsKey(mesh.origin))
        }
    }

    @Test("H5: an unsealer that returns nothing for a present envelope is terminal: refusing to fall back")
    func unsealerReturnsNothing() async throws {
        try await Mesh.run(expects: false) { configuration in
            guard let context = configuration.hooks.identity else { return }
            configuration.hooks.identity = NetMeshIdentityContext(unseal: { _ in nil }, peerStaticKey: context.peerStaticKey)
        } _: { mesh in
            let own = try await copy(of: mesh.keypair, for: mesh)
            try mesh.target.runtime.registerMigrationTargetIdentity(kind: "notebook", identity: own, orchestrator: mesh.source.id)
            let reason = try await move(mesh)
            #expect(reason?.message.contains("refusing to fall back") == true)
            #expect(await mesh.owners == [mesh.source.id])
            #expect(own.canSign)
        }
    }

    @Test("an envelope that does not open tells the orchestrator that was named net-mesh's text")
    func envelopeFails() async throws {
        try await Mesh.run(expects: false) { configuration in
            guard let context = configuration.hooks.identity else { return }
            configuration.hooks.identity = NetMeshIdentityContext(
                unseal: { _ in throw CryptoFailure(.sealOpenFailed, "identity envelope: seal_open failed (wrong target key)") },
                peerStaticKey: context.peerStaticKey)
        } _: { mesh in
            try mesh.target.runtime.expectMigration(kind: "notebook", origin: mesh.origin, orchestrator: mesh.source.id)
            let reason = try await move(mesh)
            #expect(
                reason?.message
                    == "identity envelope open failed: identity envelope: seal_open failed (wrong target key)")
        }
    }

    @Test("the unsealed key of a restore that fails is wiped (H102)")
    func failedRestoreWipes() async throws {
        let opened = Journal<EntityKeypair>()
        try await Mesh.run(expects: false) { configuration in
            guard let context = configuration.hooks.identity else { return }
            configuration.hooks.identity = NetMeshIdentityContext(
                unseal: { snapshot in
                    let keypair = try await context.unseal(snapshot)
                    if let keypair { opened.append(keypair) }
                    return keypair
                }, peerStaticKey: context.peerStaticKey)
        } _: { mesh in
            try mesh.target.runtime.register(NetMeshDaemonFactory(kind: "broken") { _ in throw NotebookDaemon.Refused() })
            try mesh.target.runtime.expectMigration(kind: "broken", origin: mesh.origin)
            let reason = try await move(mesh)
            #expect(reason?.message.hasPrefix("restore_snapshot failed") == true)
            #expect(opened.all.map(\.canSign) == [false])
            #expect(mesh.keypair.canSign)
        }
    }

    @Test("a key that is unsealed after its move was given up is wiped")
    func lateUnseal() async throws {
        let gate = Gate()
        let opened = Journal<EntityKeypair>()
        let runtimes = Journal<NetMeshRuntime>()
        try await Mesh.run { configuration in
            guard let context = configuration.hooks.identity else { return }
            configuration.hooks.identity = NetMeshIdentityContext(
                unseal: { snapshot in
                    let keypair = try await context.unseal(snapshot)
                    if let keypair { opened.append(keypair) }
                    // The node counts as resting while the unsealer hangs.
                    runtimes.all.first?.core.activity.end()
                    await gate.pass()
                    runtimes.all.first?.core.activity.begin()
                    return keypair
                }, peerStaticKey: context.peerStaticKey)
        } _: { mesh in
            runtimes.append(mesh.target.runtime)
            let handle = try await mesh.source.runtime.startMigration(mesh.origin, to: mesh.target.id)
            await mesh.network.drain()
            #expect(gate.arrivedCount == 1)
            #expect(handle.cancel())
            try await mesh.network.run(handle)
            await mesh.network.drain()
            #expect(opened.all.map(\.canSign) == [true])
            gate.open()
            await until { opened.all.allSatisfy { !$0.canSign } }
            await mesh.network.settle()
            #expect(mesh.target.runtime.arrivals.isEmpty)
            #expect(await mesh.owners == [mesh.source.id])
        }
    }

    @Test("H2, H3: a sealing that fails ends the move before a byte is sent, and the daemon serves on")
    func sealingFails() async throws {
        try await Mesh.run { configuration in
            guard let context = configuration.hooks.identity else { return }
            // A small-order point, to which nothing can be sealed.
            let zero = FixedBytes32(copying: [UInt8](repeating: 0, count: 32).rawSpan)
            configuration.hooks.identity = NetMeshIdentityContext(unseal: context.unseal, peerStaticKey: { _ in zero })
        } _: { mesh in
            let reason = try await move(mesh)
            #expect(reason?.message.contains("seal failed") == true)
            #expect(!mesh.network.deliveredTypes.contains(1))
            #expect(await mesh.owners == [mesh.source.id])
        }
    }

    @Test("I-10: a remote order gets the source's own identity transport; where that is required an unknown target key ends the move")
    func remoteOrder() async throws {
        try await Mesh.run { mesh in
            mesh.trustEverybody()
            mesh.network.forgetStaticKey(of: mesh.target.id)
            let handle = try await mesh.third.runtime.startMigration(
                mesh.origin, from: mesh.source.id, to: .node(mesh.target.id),
                options: NetMeshMoveOptions(identityTransport: .none, retryNotReady: nil))
            try await mesh.network.run(handle)
            await #expect(throws: FerryError.self) { try await handle.wait() }
            #expect(!mesh.network.deliveredTypes.contains(1))
            #expect(await mesh.owners == [mesh.source.id])
        }
    }

    @Test("H1: the identity context prints and mirrors nothing but its name")
    func contextShowsNothing() throws {
        let identity = try NodeIdentity.generate(crypto: .sodium)
        let context = NetMeshIdentityContext(identity: identity, peerStaticKey: { _ in nil })
        #expect("\(context)" == "NetMeshIdentityContext")
        #expect(Mirror(reflecting: context).children.isEmpty)
        var text = ""
        dump(context, to: &text)
        #expect(!text.contains(identity.nodeKey.hex))
        let hooks = NetMeshHooks(identity: context)
        #expect(!"\(hooks)".contains(identity.nodeKey.hex))
    }

    @Test("H92, H93: an identity is expected under its own origin, and a second registration leaves the first untouched")
    func registrations() async throws {
        try await Mesh.run { mesh in
            let own = try await copy(of: mesh.keypair, for: mesh)
            let runtime = mesh.target.runtime
            let duplicate = #expect(throws: FerryError.self) {
                try runtime.registerMigrationTargetIdentity(kind: "notebook", identity: own)
            }
            #expect(duplicate?.code == .factoryExists)
            #expect(duplicate?.message.contains("already registered") == true)
            #expect(own.canSign)
            #expect(throws: FerryError.self) { try runtime.expectMigration(kind: "notebook", origin: mesh.origin) }
            let unknown = #expect(throws: FerryError.self) {
                try runtime.expectMigration(kind: "nothing", origin: OriginHash(rawValue: 1))
            }
            #expect(unknown?.code == .unknownKind)
            let kind = #expect(throws: FerryError.self) { try runtime.register(NotebookDaemon.self) }
            #expect(kind?.code == .factoryExists)
            #expect(try await move(mesh) == nil)
        }
    }

    @Test("an expected orchestrator is bound once; a stranger's snapshot is refused, whatever it holds")
    func boundOrchestrator() async throws {
        try await Mesh.run(expects: false) { mesh in
            try mesh.target.runtime.expectMigration(kind: "notebook", origin: mesh.origin, orchestrator: mesh.source.id)
            #expect(mesh.target.runtime.bindExpectedOrchestrator(mesh.origin, to: mesh.source.id))
            #expect(!mesh.target.runtime.bindExpectedOrchestrator(mesh.origin, to: mesh.third.id))
            let piece = try await NetMeshMoveTests.snapshotPiece(of: mesh)
            let bytes = try MigrationMessage.snapshotReady(piece).encoded()
            await mesh.target.endpoint.receive(bytes, from: mesh.third.id)
            await mesh.network.settle()
            #expect(mesh.target.runtime.arrivals.isEmpty)
            #expect(mesh.target.runtime.counters.wrongPeer == 1)
            #expect(try await move(mesh) == nil)
        }
    }

    @Test("H10: a stranger's order is answered the same whether or not the daemon is here, and leaves no record")
    func refusedOrder() async throws {
        try await Mesh.run { mesh in
            for origin in [mesh.origin, OriginHash(rawValue: 4)] {
                let order = try MigrationMessage.takeSnapshot(origin: origin, target: mesh.third.id).encoded()
                await mesh.source.endpoint.receive(order, from: mesh.third.id)
                await mesh.network.settle()
                let answer = try #require(mesh.network.waiting.last?.decoded)
                guard case .migrationFailed(origin, let reason) = answer else {
                    Issue.record("answered \(answer)")
                    return
                }
                let node = "0x" + String(mesh.third.id.rawValue, radix: 16)
                #expect(reason.code == .stateFailed)
                #expect(reason.message == "migration refused: node \(node) is not an authorized orchestrator for this node")
                #expect(mesh.source.runtime.departures.isEmpty)
            }
            #expect(await mesh.owners == [mesh.source.id])
            #expect(try await mesh.source.runtime.deliver(event(from: 9, 1), to: mesh.origin) != .captured)
        }
    }
}
