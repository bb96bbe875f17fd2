import ArgumentParser
import Ferry
import FerryCrypto
import FerryWire
import Foundation
import Testing

@testable import ferryctl

@Suite(.timeLimit(.minutes(2))) struct NodeErrorTests {
    private let folder: DemoFolder

    init() throws { folder = try DemoFolder() }

    /// Runs a node that cannot start, and checks that it says why.
    private func refuse(
        _ flags: [String], code: String, naming cause: String, location: SourceLocation = #_sourceLocation
    ) async throws {
        let run = try await CommandRun.ferryctl(
            ["node", "--identity", folder.path("identity"), "--control", folder.path("control")] + flags)
        try check(run, code: code, naming: cause, location)
    }

    private func check(_ run: CommandRun, code: String, naming cause: String, _ location: SourceLocation) throws {
        #expect(run.status == 1, sourceLocation: location)
        #expect(run.errorLines.count == 1, "\(run.error)", sourceLocation: location)
        #expect(run.error.contains(cause), "\(run.error)", sourceLocation: location)
        let event = try run.object()
        #expect(event["event"] as? String == "failed", sourceLocation: location)
        #expect(event["code"] as? String == code, sourceLocation: location)
        #expect((event["message"] as? String)?.contains(cause) == true, sourceLocation: location)
    }

    private func protect(_ path: String, _ mode: Int) throws {
        try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path)
    }

    @Test func `a port in use is named`() async throws {
        let node = try await RunningNode.start(listening: ["unix", "udp"])
        for endpoint in node.endpoints {
            let address = String(endpoint.prefix { $0 != "#" })
            let cause = String(address.trimmingPrefix("unix:"))
            try await refuse(["--listen", address], code: "addressInUse", naming: cause)
        }
        try await refuse(["--control", node.control], code: "controlSocket", naming: "another node serves")
        #expect(await node.command.stop() == 0)
    }

    @Test func `a corrupted identity file is named and left alone`() async throws {
        let path = folder.path("broken")
        _ = try NodeIdentity.create(at: path, crypto: DemoCrypto.default.provider)
        var bytes = try Data(contentsOf: URL(fileURLWithPath: path))
        bytes[bytes.count / 2] ^= 1
        try bytes.write(to: URL(fileURLWithPath: path))
        try protect(path, 0o600)
        try await refuse(["--identity", path], code: "identityFile", naming: path)
        try Data("not an identity".utf8).write(to: URL(fileURLWithPath: path))
        try protect(path, 0o600)
        try await refuse(["--identity", path], code: "identityFile", naming: path)
        #expect(try String(contentsOfFile: path, encoding: .utf8) == "not an identity")
    }

    @Test func `an identity that others can read is refused`() async throws {
        let path = folder.path("shared")
        _ = try NodeIdentity.create(at: path, crypto: DemoCrypto.default.provider)
        try protect(path, 0o640)
        try await refuse(["--identity", path], code: "identityFile", naming: "mode 0640")
    }

    @Test func `a socket path beyond the system's limit is named with its length`() async throws {
        let long = folder.path(String(repeating: "x", count: 120))
        let cause = "\(long.utf8.count)"
        try await refuse(["--listen", "unix:" + long], code: "pathTooLong", naming: cause)
        try await refuse(["--control", long], code: "controlSocket", naming: cause)
    }

    @Test func `a configuration that cannot be read is named`() async throws {
        try await refuse(["--config", folder.path("none")], code: "config", naming: folder.path("none"))
    }

    @Test(arguments: ["allow-sources", "lissten", "Allow"])
    func `a name in a configuration that no flag has is wrong usage, whatever it was meant to restrict`(name: String) async throws {
        let path = folder.path("config")
        try Data("{\"listen\":[\"udp:127.0.0.1:0\"],\"\(name)\":[]}".utf8).write(to: URL(fileURLWithPath: path))
        let run = try await CommandRun.ferryctl(["node", "--config", path, "--identity", folder.path("identity")])
        #expect(run.status == 64)
        #expect(run.error.contains(name), "\(run.error)")
    }

    @Test func `a configuration that lets nobody in is not one that says nothing`() async throws {
        let path = folder.path("config")
        func write(_ sources: String) throws { try Data("{\"allow-source\":\(sources)}".utf8).write(to: URL(fileURLWithPath: path)) }
        let flags = ["--config", path, "--identity", folder.path("identity"), "--control", folder.path("control")]
        try write("[]")
        #expect(try NodeOptions.parse(flags).merged().composition(observers: []).sources == [])
        #expect(try NodeOptions.parse(Array(flags.dropFirst(2))).merged().composition(observers: []).sources == nil)
        try write("null")
        #expect(try await CommandRun.ferryctl(["node"] + flags).status == 64)
    }

    @Test(
        .enabled(if: geteuid() == 0 && FileManager.default.isExecutableFile(atPath: "/usr/bin/unshare"), "mounts a full file system"),
        arguments: ["listen", "control"])
    func `a full disk for the socket path is named`(flag: String) async throws {
        let disk = folder.path("disk")
        try FileManager.default.createDirectory(atPath: disk, withIntermediateDirectories: false)
        _ = try NodeIdentity.create(at: folder.path("identity"), crypto: DemoCrypto.default.provider)
        // A file system with one inode, taken by its root; it is gone with the process.
        let script = "mount -t tmpfs -o nr_inodes=1,mode=700 tmpfs \"$1\" || exit 77; shift; exec \"$@\""
        let socket = disk + "/socket"
        let flags = flag == "listen" ? ["--listen", "unix:" + socket, "--control", folder.path("control")] : ["--control", socket]
        let run = try await CommandRun.program(
            "/usr/bin/unshare",
            ["-m", "/bin/sh", "-c", script, "sh", disk, CommandRun.executable, "node", "--identity", folder.path("identity")] + flags)
        if run.status == 77 || run.error.contains("unshare failed") {
            try Test.cancel("no file system may be mounted here")
        }
        try check(run, code: flag == "listen" ? "storage" : "controlSocket", naming: "No space left on device", #_sourceLocation)
        #expect(run.error.contains(socket))
    }

    // MARK: Peers

    @Test(arguments: ["unix", "udp"])
    func `a wrong peer key and a peer that is not admitted are named`(transport: String) async throws {
        let stranger = String(repeating: "01", count: 32)
        let target = try await RunningNode.start(listening: [transport], flags: ["--allow", stranger])
        let source = try await RunningNode.start(listening: [transport], flags: ["--spawn-demo", "64KiB"])
        _ = try await source.command.next("activated")
        let daemon = try await source.daemon()
        func migrate(to endpoint: String) async throws -> CommandRun {
            try await CommandRun.ferryctl(["migrate", daemon, "--to", endpoint, "--node", source.control, "--json", "-"])
        }
        let endpoint = try #require(target.endpoints.first)
        let refused = try await migrate(to: endpoint)
        try refused.expectFailure(3, code: "declined", naming: "notAdmitted")
        #expect(try refused.object()["result"] as? String == "declined")
        #expect(refused.error.contains(source.nodeKey))

        let address = String(endpoint.prefix { $0 != "#" })
        let otherKey = try NodeIdentity.create(at: folder.path("other"), crypto: DemoCrypto.default.provider).nodeKey.hex
        let mistaken = try await migrate(to: address + "#" + otherKey)
        try mistaken.expectFailure(3, code: "declined", naming: "wrongPeer")
        #expect(mistaken.error.contains(otherKey) && mistaken.error.contains(target.nodeKey))

        #expect(try await source.daemons().first?["state"] as? String == "active")
        #expect(await source.command.stop() == 0)
        #expect(await target.command.stop() == 0)
    }

    @Test func `a daemon that is not there is named`() async throws {
        let node = try await RunningNode.start()
        let target = "unix:/x#" + String(repeating: "ab", count: 32)
        let run = try await CommandRun.ferryctl(["migrate", "5", "--to", target, "--node", node.control, "--json", "-"])
        try run.expectFailure(1, code: "daemonNotFound", naming: "daemon 5 is not here")
        #expect(try run.object()["result"] as? String == "failed")
        #expect(await node.command.stop() == 0)
    }
}
