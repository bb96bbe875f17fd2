import Ferry
import FerryWire
import Foundation
import Testing

@Suite(.timeLimit(.minutes(1))) struct ControlTests {
    /// A fresh folder below the system's temporary one; socket paths must be short.
    private static func socketPath() -> String {
        NSTemporaryDirectory() + "ferry-\(UInt32.random(in: 0 ... .max))/run/c.sock"
    }

    private static func withControl(_ body: @Sendable @escaping ([FerryNode], String) async throws -> Void) async throws {
        let path = socketPath()
        let configure = { (index: Int, composition: inout Composition) in
            if index == 0 { composition.controlSocketPath = path }
        }
        try await withHosts(2, configure: configure) { nodes in
            await eventually { FileManager.default.fileExists(atPath: path) }
            try await body(nodes, path)
        }
        #expect(!FileManager.default.fileExists(atPath: path))
    }

    @Test("status, daemons, digest, migrate with progress, moves and cancel go over the socket")
    func roundTrip() async throws {
        try await Self.withControl { nodes, path in
            let client = try ControlClient(path: path)
            let status = try #require(try await client.send(ControlRequest(.status)).status)
            #expect(status.nodeKey == nodes[0].nodeKey.hex)
            #expect(status.endpoints == nodes[0].endpoints.map(\.description))
            let entity = try await nodes[0].spawn(LedgerDaemon(seed: 200, paddingByteCount: 1 << 20))
            let daemons = try #require(try await client.send(ControlRequest(.daemons)).daemons)
            #expect(daemons.map(\.entityID) == [entity.hex])
            #expect(daemons.map(\.state) == ["active"])
            var digest = ControlRequest(.digest)
            digest.daemon = "\(entity.originHash)"
            #expect(try await client.send(digest).digest?.bytes ?? 0 > 1 << 20)
            await eventually { (try? await client.send(ControlRequest(.status)).status?.phase) == "ready" }
            var migrate = ControlRequest(.migrate)
            migrate.daemon = entity.hex
            migrate.to = nodes[1].endpoint.description
            var progressCount = 0
            let reply = try await client.send(migrate) { _ in progressCount += 1 }
            #expect(reply.report?.result == "completed")
            #expect(progressCount > 0)
            let moves = try #require(try await client.send(ControlRequest(.moves)).moves)
            #expect(Set(moves.map(\.role)) == ["orchestrator", "source"])
            var cancel = ControlRequest(.cancel)
            cancel.migration = moves.first?.migration
            #expect(try await client.send(cancel).accepted == false)
        }
    }

    @Test("the socket is its owner's alone, and so is its folder")
    func permissions() async throws {
        try await Self.withControl { _, path in
            let manager = FileManager.default
            let mode = try #require(try manager.attributesOfItem(atPath: path)[.posixPermissions] as? Int)
            #expect(mode & 0o777 == 0o600)
            let folder = (path as NSString).deletingLastPathComponent
            let folderMode = try #require(try manager.attributesOfItem(atPath: folder)[.posixPermissions] as? Int)
            #expect(folderMode & 0o777 == 0o700)
        }
    }

    @Test("requests that mean nothing get an error and leave the connection usable")
    func malformed() async throws {
        try await Self.withControl { _, path in
            let client = try ControlClient(path: path)
            var unknown = ControlRequest(.status)
            unknown.command = "dance"
            #expect(try await client.send(unknown).error?.code == "unknownCommand")
            var version = ControlRequest(.status)
            version.version = 2
            #expect(try await client.send(version).error?.code == "unsupportedVersion")
            #expect(try await client.send(ControlRequest(.migrate)).error?.code == "malformedRequest")
            var digest = ControlRequest(.digest)
            digest.daemon = "12"
            #expect(try await client.send(digest).error?.code == "daemonNotFound")
            #expect(try await client.send(ControlRequest(.status)).status != nil)
        }
    }

    @Test("a socket that nobody serves, and a path that is too long, are errors that name the path")
    func unreachable() {
        let path = NSTemporaryDirectory() + "ferry-nobody.sock"
        let error = #expect(throws: FerryError.self) { _ = try ControlClient(path: path) }
        #expect(error?.code == .controlSocket)
        #expect(error?.message.contains(path) == true)
        let long = "/" + String(repeating: "a", count: 200)
        #expect(throws: FerryError.self) { _ = try ControlClient(path: long) }
    }
}
