import FerryCrypto
import FerrySodium
import FerryStateMachines
import FerryTestKit
import FerryWire
import Testing

@testable import Ferry

@Suite(.timeLimit(.minutes(2))) struct NetMeshSubscriptionTests {
    let channel = MeshNetwork.Channel(publisher: 77, name: ChannelName("news/today").unsafelyChecked)

    /// Publishes at every message boundary of a move from two publishers, and returns what each has published.
    private func publishThroughout(
        _ mesh: Mesh, _ handle: NetMeshMoveHandle, second: MeshNetwork.Channel
    ) async throws -> (first: UInt64, second: UInt64) {
        var first: UInt64 = 0
        var other: UInt64 = 0
        try await mesh.network.run(handle) {
            first += 1
            await mesh.network.publish(event(from: 501, first), on: channel)
            guard mesh.network.random.next().isMultiple(of: 2) else { return }
            other += 1
            await mesh.network.publish(event(from: 502, other), on: second)
        }
        for _ in 0..<3 {
            first += 1
            await mesh.network.publish(event(from: 501, first), on: channel)
            await mesh.network.drain()
        }
        return (first, other)
    }

    private func subscribeBoth(_ mesh: Mesh) async throws -> MeshNetwork.Channel {
        let second = MeshNetwork.Channel(publisher: 78, name: channel.name)
        try await mesh.source.runtime.subscribe(mesh.origin, to: channel.name, at: 77)
        try await mesh.source.runtime.subscribe(mesh.origin, to: channel.name, at: 78, token: [9])
        return second
    }

    private func expectAll(_ published: (first: UInt64, second: UInt64), at node: MeshNode, of mesh: Mesh) async throws {
        let notes = try await node.runtime.notes(mesh.origin)
        #expect(notes.filter { $0.emitter == 501 }.map(\.sequence) == Array(1...published.first))
        #expect(notes.filter { $0.emitter == 502 }.map(\.sequence) == Array(0..<published.second).map { $0 + 1 })
        #expect(mesh.network.refusals.all.isEmpty)
    }

    @Test(
        "a subscriber that moves misses nothing, gets nothing twice and keeps each publisher's order, whenever is published",
        arguments: [UInt64](1...10), NetMeshMoveTests.Orchestrator.allCases)
    func movingSubscriber(seed: UInt64, orchestrator: NetMeshMoveTests.Orchestrator) async throws {
        try await Mesh.run(seed: seed) { mesh in
            mesh.trustEverybody()
            let second = try await subscribeBoth(mesh)
            let handle = try await orchestrator.node(mesh).runtime.startMigration(
                mesh.origin, from: mesh.source.id, to: .node(mesh.target.id))
            let published = try await publishThroughout(mesh, handle, second: second)
            try await handle.wait()
            #expect(await mesh.owners == [mesh.target.id])
            try await expectAll(published, at: mesh.target, of: mesh)
            #expect(mesh.network.subscribers(of: channel) == [mesh.target.id])
        }
    }

    @Test("the same over a network that loses and reorders messages", arguments: [UInt64](21...50))
    func movingSubscriberWithFaults(seed: UInt64) async throws {
        try await Mesh.run(seed: seed) { mesh in
            mesh.network.setFaults(lossPercent: 20, reorders: true)
            let second = try await subscribeBoth(mesh)
            let handle = try await mesh.source.runtime.startMigration(mesh.origin, to: mesh.target.id)
            let published = try await publishThroughout(mesh, handle, second: second)
            mesh.network.setFaults(lossPercent: 0, reorders: false)
            await mesh.network.drain()
            let owners = await mesh.owners
            #expect(owners.count == 1)
            let owner = owners == [mesh.target.id] ? mesh.target : mesh.source
            try await expectAll(published, at: owner, of: mesh)
        }
    }

    @Test(
        "ordered elsewhere, over a network that loses and reorders: one owner at most, and nothing twice",
        arguments: [UInt64](21...40), [NetMeshMoveTests.Orchestrator.target, .third])
    func orderedElsewhereWithFaults(seed: UInt64, orchestrator: NetMeshMoveTests.Orchestrator) async throws {
        try await Mesh.run(seed: seed) { mesh in
            mesh.network.setFaults(lossPercent: 20, reorders: true)
            mesh.trustEverybody()
            let second = try await subscribeBoth(mesh)
            let handle = try await orchestrator.node(mesh).runtime.startMigration(
                mesh.origin, from: mesh.source.id, to: .node(mesh.target.id))
            _ = try await publishThroughout(mesh, handle, second: second)
            mesh.network.setFaults(lossPercent: 0, reorders: false)
            for _ in 0..<200 {
                await mesh.network.drain()
                await mesh.network.advance(by: .seconds(1))
            }
            let owners = await mesh.owners
            #expect(owners.count <= 1)
            guard let owner = [mesh.source, mesh.target].first(where: { owners.contains($0.id) }) else { return }
            let notes = try await owner.runtime.notes(mesh.origin)
            #expect(Set(notes).count == notes.count)
        }
    }

    @Test("the target listens before the source leaves, and the publisher sees no gap between them")
    func orderOfMemberships() async throws {
        try await Mesh.run { mesh in
            try await mesh.source.runtime.subscribe(mesh.origin, to: channel.name, at: 77)
            let handle = try await mesh.source.runtime.startMigration(mesh.origin, to: mesh.target.id)
            try await mesh.network.run(handle)
            try await handle.wait()
            await mesh.network.settle()
            #expect(mesh.network.subscriptionLog == ["+\(mesh.source.id)", "+\(mesh.target.id)", "-\(mesh.source.id)"])
        }
    }

    @Test("H121: one daemon's leave, stop or move leaves its siblings' memberships alone")
    func siblings() async throws {
        try await Mesh.run { mesh in
            let sibling = try EntityKeypair.generate(crypto: .sodium)
            try mesh.source.runtime.spawn(NotebookDaemon(), keypair: sibling)
            for origin in [mesh.origin, sibling.originHash] {
                try await mesh.source.runtime.subscribe(origin, to: channel.name, at: 77)
            }
            #expect(mesh.network.subscriptionLog == ["+\(mesh.source.id)"])
            let handle = try await mesh.source.runtime.startMigration(mesh.origin, to: mesh.target.id)
            try await mesh.network.run(handle)
            try await handle.wait()
            await mesh.network.settle()
            #expect(mesh.network.subscribers(of: channel) == [mesh.source.id, mesh.target.id].sorted())
            await mesh.network.publish(event(from: 501, 1), on: channel)
            #expect(try await mesh.source.runtime.notes(sibling.originHash).count == 1)
            #expect(try await mesh.target.runtime.notes(mesh.origin).count == 1)
            try await mesh.source.runtime.unsubscribe(sibling.originHash, from: channel.name, at: 77)
            #expect(mesh.network.subscribers(of: channel) == [mesh.target.id])
            try await mesh.target.runtime.stop(mesh.origin)
            #expect(mesh.network.subscribers(of: channel).isEmpty)
        }
    }

    @Test("a move that is given up leaves the target without memberships and the source with its own")
    func rollbackOfMemberships() async throws {
        try await Mesh.run { mesh in
            try await mesh.source.runtime.subscribe(mesh.origin, to: channel.name, at: 77)
            mesh.network.drop { $0.decoded?.typeByte == 2 }
            let handle = try await mesh.source.runtime.startMigration(mesh.origin, to: mesh.target.id)
            await mesh.network.drain()
            #expect(mesh.network.subscribers(of: channel).count == 2)
            #expect(handle.cancel())
            mesh.network.drop(nil)
            try await mesh.network.run(handle)
            await mesh.network.drain()
            #expect(mesh.network.subscribers(of: channel) == [mesh.source.id])
            #expect(await mesh.owners == [mesh.source.id])
        }
    }

    @Test("H85: a repeated subscription replaces its token, and forgetting is idempotent")
    func repeatedSubscription() async throws {
        try await Mesh.run { mesh in
            try await mesh.source.runtime.subscribe(mesh.origin, to: channel.name, at: 77, token: [1])
            try await mesh.source.runtime.subscribe(mesh.origin, to: channel.name, at: 77, token: [2])
            let entry = SubscriptionLedger.Entry(publisher: 77, channel: channel.name, token: [2])
            #expect(await mesh.source.runtime.daemons.first?.subscriptions == [entry])
            for _ in 0..<2 { try await mesh.source.runtime.unsubscribe(mesh.origin, from: channel.name, at: 77) }
            #expect(await mesh.source.runtime.daemons.first?.subscriptions == [])
            #expect(mesh.network.subscriptionLog == ["+\(mesh.source.id)", "-\(mesh.source.id)"])
        }
    }
}

extension ChannelName? {
    /// The name of a test, which is one.
    fileprivate var unsafelyChecked: ChannelName {
        guard let self else { preconditionFailure("not a channel name") }
        return self
    }
}
