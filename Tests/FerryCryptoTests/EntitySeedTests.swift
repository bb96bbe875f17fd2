import FerryCrypto
import FerrySodium
import FerryWire
import Foundation
import Testing

@Suite("A daemon's seed, from a file or a stream")
struct EntitySeedTests {
    private let seed = (0..<32).map { UInt8($0 + 0xA0) }

    private func parsed(_ bytes: [UInt8]) throws -> [UInt8] {
        try EntitySeed.parse(bytes.rawSpan, allocator: CryptoProvider.sodium.secrets).copiedForTest()
    }

    @Test("32 raw bytes, or 64 digits of either case with or without a line break")
    func forms() throws {
        #expect(try parsed(seed) == seed)
        for text in [seed.hex, seed.hex.uppercased(), seed.hex + "\n", seed.hex + "\r\n"] { #expect(try parsed(Array(text.utf8)) == seed) }
        // Raw bytes are never taken for digits.
        let digits = Array(String(repeating: "ab", count: 16).utf8)
        #expect(try parsed(digits) == digits)
    }

    @Test("everything else is refused, and the refusal repeats nothing of it")
    func refusals() throws {
        let texts = [
            "", seed.hex.dropLast(1) + "", seed.hex + "\n\n", seed.hex + "\r", seed.hex + " ", " " + seed.hex, seed.hex + "\n\r",
            seed.hex.dropLast(2) + "zz", seed.hex + "00", "0x" + seed.hex.dropLast(2),
        ]
        for text in texts.map({ Array($0.utf8) }) + [Array(seed.dropLast()), seed + [0]] {
            do {
                _ = try EntitySeed.parse(text.rawSpan, allocator: CryptoProvider.sodium.secrets)
                Issue.record("accepted \(text)")
            } catch {
                #expect(error.code == .invalidKey && !error.message.contains("a0a1"))
            }
        }
    }

    @Test("a file must be its owner's alone, and of a seed's length")
    func files() throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "seed-\(UInt64.random(in: .min ... .max))")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: false)
        defer { try? FileManager.default.removeItem(at: folder) }
        let path = folder.appending(path: "seed").path
        func write(_ bytes: [UInt8], mode: Int) throws {
            try? FileManager.default.removeItem(atPath: path)
            #expect(FileManager.default.createFile(atPath: path, contents: Data(bytes), attributes: [.posixPermissions: mode]))
        }
        func read() throws -> [UInt8] {
            try EntitySeed.read(contentsOf: path, allocator: CryptoProvider.sodium.secrets).copiedForTest()
        }
        try write(seed, mode: 0o600)
        #expect(try read() == seed)
        try write(Array((seed.hex + "\n").utf8), mode: 0o400)
        #expect(try read() == seed)
        for mode in [0o640, 0o604, 0o644, 0o660, 0o610] {
            try write(seed, mode: mode)
            expectFailure(.identityFile) { _ = try read() }
        }
        for count in [0, 31, 67] {
            try write([UInt8](repeating: 0x61, count: count), mode: 0o600)
            expectFailure(.identityFile) { _ = try read() }
        }
        try write([UInt8](repeating: 0x61, count: 33), mode: 0o600)
        expectFailure(.invalidKey) { _ = try read() }
        expectFailure(.identityFile) { _ = try EntitySeed.read(contentsOf: folder.path, allocator: CryptoProvider.sodium.secrets) }
    }

    @Test("a stream is read to its end, in whatever pieces it comes, and not beyond a seed's length")
    func streams() throws {
        for (pieces, isSeed) in [
            ([seed], true), ([Array(seed.prefix(5)), Array(seed.dropFirst(5))], true), ([Array((seed.hex + "\n").utf8)], true),
            ([Array(seed.hex.utf8), [UInt8](repeating: 0x30, count: 8)], false), ([], false),
        ] {
            let pipe = Pipe()
            for piece in pieces { try pipe.fileHandleForWriting.write(contentsOf: piece) }
            try pipe.fileHandleForWriting.close()
            let result = Result {
                try EntitySeed.read(descriptor: pipe.fileHandleForReading.fileDescriptor, allocator: CryptoProvider.sodium.secrets)
                    .copiedForTest()
            }
            #expect((try? result.get()) == (isSeed ? seed : nil))
        }
    }
}
