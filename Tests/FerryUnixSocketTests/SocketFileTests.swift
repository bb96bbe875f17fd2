import FerryTransports
import FerryUnixSocket
import Glibc
import Testing

@Suite struct SocketFileTests {
    @Test func deadSocketFileIsReplaced() async throws {
        try await withFolder { folder in
            let path = folder + "/s"
            // A process that died leaves its file behind: bound, and nobody answers.
            let dead = try boundSocket(path)
            close(dead)
            #expect(mode(of: path) != nil)
            let listener = try #require(try await UnixSocketTransport(path: path).listen())
            let link = try await UnixSocketTransport().connect(to: listener.localAddress)
            await link.close()
            await listener.close()
        }
    }

    @Test func liveSocketFileIsInUseAndGoesOnAnswering() async throws {
        try await withFolder { folder in
            let transport = UnixSocketTransport(path: folder + "/s")
            let first = try #require(try await transport.listen())
            await expectCode(.addressInUse) { _ = try await transport.listen() }
            let link = try await UnixSocketTransport().connect(to: first.localAddress)
            await link.close()
            await first.close()
        }
    }

    @Test func fileIsRemovedAlsoByAListenerThatIsClosedCancelled() async throws {
        try await withFolder { folder in
            let path = folder + "/s"
            let listener = try #require(try await UnixSocketTransport(path: path).listen())
            let closing = Task {
                try? await Task.sleep(for: .seconds(60))
                await listener.close()
            }
            closing.cancel()
            await closing.value
            #expect(mode(of: path) == nil)
        }
    }

    @Test func otherFileInTheWayIsRefusedAndLeftAlone() async throws {
        try await withFolder { folder in
            let path = folder + "/s"
            close(unsafe open(path, O_CREAT | O_WRONLY, 0o644))
            await expectCode(.addressInUse) { _ = try await UnixSocketTransport(path: path).listen() }
            #expect(mode(of: path) == 0o644)
        }
    }

    @Test func folderThatIsMadeIsPrivateAndSoIsTheSocket() async throws {
        try await withFolder { folder in
            let listener = try #require(try await UnixSocketTransport(path: folder + "/made/s").listen())
            #expect(mode(of: folder + "/made") == 0o700)
            #expect(mode(of: folder + "/made/s") == 0o600)
            await listener.close()
            unsafe rmdir(folder + "/made")
        }
    }

    @Test func socketIsPrivateAlsoInAFolderThatOthersMayRead() async throws {
        try await withFolder { folder in
            unsafe chmod(folder, 0o755)
            let listener = try #require(try await UnixSocketTransport(path: folder + "/s").listen())
            #expect(mode(of: folder + "/s") == 0o600)
            await listener.close()
        }
    }

    @Test(arguments: [0o770, 0o707, 0o777] as [mode_t]) func folderThatOthersMayWriteToIsRefused(mode: mode_t) async throws {
        try await withFolder { folder in
            unsafe chmod(folder, mode)
            await expectCode(.permissionDenied) { _ = try await UnixSocketTransport(path: folder + "/s").listen() }
        }
    }

    @Test func stickyFolderThatOthersMayWriteToIsAccepted() async throws {
        try await withFolder { folder in
            unsafe chmod(folder, 0o1777)
            let listener = try #require(try await UnixSocketTransport(path: folder + "/s").listen())
            await listener.close()
        }
    }

    @Test func pathAtTheLimitWorksAndOnePastIsTooLong() async throws {
        try await withFolder { folder in
            let longest = folder + "/" + String(repeating: "s", count: 107 - folder.utf8.count - 1)
            let listener = try #require(try await UnixSocketTransport(path: longest).listen())
            let link = try await UnixSocketTransport().connect(to: listener.localAddress)
            await link.close()
            await listener.close()
            await expectCode(.pathTooLong) { _ = try await UnixSocketTransport(path: longest + "s").listen() }
            let tooLong = TransportAddress(scheme: "unix", rest: longest + "s")
            await expectCode(.pathTooLong) { _ = try await UnixSocketTransport().connect(to: tooLong) }
        }
    }

    @Test func tooLongAPathSaysLimitAndLength() async throws {
        do {
            _ = try await UnixSocketTransport(path: "/tmp/" + String(repeating: "x", count: 200)).listen()
            Issue.record("a path of 205 bytes was accepted")
        } catch {
            #expect(error.message.contains("107"))
            #expect(error.message.contains("205"))
        }
    }

    @Test func missingFolderAboveIsAStorageErrorInOneLine() async throws {
        do {
            _ = try await UnixSocketTransport(path: "/nowhere/at/all/s").listen()
            Issue.record("a socket was made nowhere")
        } catch {
            #expect(error.code == .storage)
            #expect(error.message.contains("/nowhere/at/all"))
            #expect(!error.message.contains("\n"))
        }
    }

    @Test func closeRemovesTheFileButNotOneThatTookItsPlace() async throws {
        try await withFolder { folder in
            let path = folder + "/s"
            let first = try #require(try await UnixSocketTransport(path: path).listen())
            await first.close()
            #expect(mode(of: path) == nil)

            let second = try #require(try await UnixSocketTransport(path: path).listen())
            unsafe unlink(path)
            let other = try boundSocket(path)
            await second.close()
            #expect(mode(of: path) != nil)
            close(other)
        }
    }

    @Test func pathsThatAreNone() async throws {
        for path in ["", "/tmp/", "/tmp/a\u{0}b"] {
            await expectCode(.invalidAddress) { _ = try await UnixSocketTransport(path: path).listen() }
        }
    }

    @Test func tenListenersThatRaceForADeadFileLeaveExactlyOne() async throws {
        try await withFolder { folder in
            let path = folder + "/s"
            close(try boundSocket(path))
            let winners = await withTaskGroup(of: UnixSocketListener?.self) { group in
                for _ in 0..<10 { group.addTask { try? await UnixSocketTransport(path: path).listen() } }
                var winners: [UnixSocketListener] = []
                for await listener in group { if let listener { winners.append(listener) } }
                return winners
            }
            #expect(winners.count == 1)
            let link = try await UnixSocketTransport().connect(to: TransportAddress(scheme: "unix", rest: path))
            await link.close()
            for listener in winners { await listener.close() }
        }
    }
}
