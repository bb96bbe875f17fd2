import FerryCrypto
import FerryWire
import Foundation
import Testing

@Suite("Identity files")
struct NodeIdentityFileTests {
    private let folder: URL
    private let crypto = NamedProvider.sodium.crypto

    init() throws {
        folder = FileManager.default.temporaryDirectory.appending(path: "ferry-identity-\(UUID().uuidString)")
    }

    private var path: String { folder.appending(path: "identity").path }

    private func removingFolder(_ body: () throws -> Void) rethrows {
        defer { try? FileManager.default.removeItem(at: folder) }
        try body()
    }

    private func mode(_ path: String) throws -> Int {
        try #require(try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int)
    }

    private func expectRefused(_ path: String, naming cause: String, sourceLocation: SourceLocation = #_sourceLocation) {
        do {
            _ = try NodeIdentity(contentsOf: path, crypto: crypto)
            Issue.record("the file was accepted", sourceLocation: sourceLocation)
        } catch {
            #expect(error.code == .identityFile, sourceLocation: sourceLocation)
            #expect(error.message.contains(path) && error.message.contains(cause), "\(error)", sourceLocation: sourceLocation)
            #expect(!error.message.contains("\n"), sourceLocation: sourceLocation)
        }
    }

    @Test("a created identity is read back, by either provider, with mode 0600 in a folder of mode 0700")
    func createAndRead() throws {
        try removingFolder {
            let created = try NodeIdentity.create(at: path, crypto: crypto)
            #expect(try mode(path) == 0o600)
            #expect(try mode(folder.path) == 0o700)
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["identity"])
            for provider in NamedProvider.all {
                let read = try NodeIdentity(contentsOf: path, crypto: provider.crypto)
                #expect(read.nodeKey == created.nodeKey && read.nodeID == created.nodeID)
                #expect(read.staticPublicKey == created.staticPublicKey)
                let message: [UInt8] = [1, 2]
                #expect(try read.sign(message.rawSpan) == created.sign(message.rawSpan))
            }
        }
    }

    @Test("missing folders are made all the way down")
    func nestedFolders() throws {
        try removingFolder {
            let nested = folder.appending(path: "a/b/identity").path
            _ = try NodeIdentity.create(at: nested, crypto: crypto)
            #expect(try mode(folder.appending(path: "a").path) == 0o700)
            _ = try NodeIdentity(contentsOf: nested, crypto: crypto)
        }
    }

    @Test("an existing file is never replaced")
    func existingFile() throws {
        try removingFolder {
            let first = try NodeIdentity.create(at: path, crypto: crypto)
            expectFailure(.identityFile) { _ = try NodeIdentity.create(at: path, crypto: crypto) }
            #expect(try NodeIdentity(contentsOf: path, crypto: crypto).nodeKey == first.nodeKey)
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["identity"])
        }
    }

    @Test("a path that cannot be written is named, and no draft stays")
    func unwritablePath() throws {
        try removingFolder {
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
            let long = folder.appending(path: String(repeating: "n", count: 250)).path
            do throws(CryptoFailure) {
                _ = try NodeIdentity.create(at: long, crypto: crypto)
                Issue.record("the file was made")
            } catch {
                #expect(error.code == .identityFile && error.message.contains(long) && error.message.contains("too long"))
            }
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).isEmpty)
        }
    }

    @Test("files that group or others can reach are refused", arguments: [0o640, 0o604, 0o620, 0o602, 0o610, 0o601, 0o660, 0o777])
    func looseModes(mode: Int) throws {
        try removingFolder {
            _ = try NodeIdentity.create(at: path, crypto: crypto)
            try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path)
            expectRefused(path, naming: "accessible by group or others (mode 0\(String(mode, radix: 8)))")
        }
    }

    @Test("a read-only file of the owner is accepted")
    func strictMode() throws {
        try removingFolder {
            let created = try NodeIdentity.create(at: path, crypto: crypto)
            try FileManager.default.setAttributes([.posixPermissions: 0o400], ofItemAtPath: path)
            #expect(try NodeIdentity(contentsOf: path, crypto: crypto).nodeKey == created.nodeKey)
        }
    }

    @Test("missing files, folders and other kinds of file are refused")
    func otherKinds() throws {
        try removingFolder {
            expectRefused(path, naming: "No such file")
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
            expectRefused(path, naming: "not a regular file")
            expectRefused("/dev/null", naming: "not a regular file")
            expectFailure(.identityFile) { _ = try NodeIdentity.create(at: path, crypto: crypto) }
            expectFailure(.identityFile) { _ = try NodeIdentity.create(at: "/dev/null/identity", crypto: crypto) }
        }
    }

    @Test("a file of another user is refused", .enabled(if: geteuid() == 0))
    func otherOwner() throws {
        try removingFolder {
            _ = try NodeIdentity.create(at: path, crypto: crypto)
            try FileManager.default.setAttributes([.ownerAccountID: 65_534], ofItemAtPath: path)
            expectRefused(path, naming: "owned by user 65534")
        }
    }

    @Test("truncated and longer files are refused")
    func lengths() throws {
        try removingFolder {
            _ = try NodeIdentity.create(at: path, crypto: crypto)
            let whole = try Data(contentsOf: URL(filePath: path))
            #expect(whole.count == 177)
            for byteCount in [0, 1, 176] {
                try rewrite(whole.prefix(byteCount))
                expectRefused(path, naming: "\(byteCount) bytes instead of 177")
            }
            try rewrite(whole + [0])
            expectRefused(path, naming: "178 bytes instead of 177")
        }
    }

    @Test("one flipped bit anywhere is noticed")
    func flippedBits() throws {
        try removingFolder {
            _ = try NodeIdentity.create(at: path, crypto: crypto)
            let whole = try Data(contentsOf: URL(filePath: path))
            for offset in whole.indices {
                var changed = whole
                changed[offset] ^= 1 << UInt8(offset % 8)
                try rewrite(changed)
                expectRefused(path, naming: offset < 17 ? "not an identity file of version 1" : "damaged")
            }
        }
    }

    @Test("public keys that do not belong to the secrets are noticed, whatever the checksum says", arguments: [17, 49, 81, 113])
    func inconsistentKeys(offset: Int) throws {
        try removingFolder {
            _ = try NodeIdentity.create(at: path, crypto: crypto)
            var bytes = Array(try Data(contentsOf: URL(filePath: path)))
            bytes[offset + 1] ^= 0x10
            let body = Array(bytes.prefix(145))
            let checksum = try crypto.sha256.digest(body)
            try rewrite(Data(body + hex(checksum)))
            expectRefused(path, naming: "inconsistent")
        }
    }

    private func rewrite(_ contents: Data) throws {
        try contents.write(to: URL(filePath: path))
        try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: path)
    }
}
