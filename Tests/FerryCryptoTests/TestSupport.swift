import FerryCrypto
import FerrySodium
import FerrySwiftCrypto
import FerryWire
import Foundation
import Synchronization
import Testing

/// A provider with the name that test output shows.
struct NamedProvider: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let crypto: CryptoProvider

    static let sodium = NamedProvider(testDescription: "sodium", crypto: .sodium)
    static let swiftCrypto = NamedProvider(testDescription: "swift-crypto", crypto: .swiftCrypto)
    static let all = [sodium, swiftCrypto]
}

/// Two providers that must understand each other.
struct ProviderPair: Sendable, CustomTestStringConvertible {
    let left: NamedProvider
    let right: NamedProvider

    var testDescription: String { "\(left.testDescription) to \(right.testDescription)" }

    static let all = NamedProvider.all.flatMap { left in NamedProvider.all.map { ProviderPair(left: left, right: $0) } }
}

/// Gives the same bytes every time, as vectors with a fixed ephemeral key need.
struct FixedRandom: SecureRandom {
    let bytes: [UInt8]

    func fill(_ output: inout OutputRawSpan) {
        output.append(contentsOf: bytes.rawSpan.extracting(0..<output.freeCapacity))
    }
}

/// Counts what is allocated and not released, and checks that every buffer is given back whole.
final class CountingAllocator: SecretAllocator {
    private let live = Mutex(0)

    var liveCount: Int { live.withLock { $0 } }

    func allocate(byteCount: Int) -> UnsafeMutableRawBufferPointer {
        live.withLock { $0 += 1 }
        return unsafe WipedPages().allocate(byteCount: byteCount)
    }

    func deallocate(_ buffer: UnsafeMutableRawBufferPointer) {
        live.withLock { $0 -= 1 }
        unsafe WipedPages().deallocate(buffer)
    }
}

extension CryptoProvider {
    func secret(_ hex: String) throws -> SecretBytes {
        let bytes = try #require([UInt8](hex: hex))
        return SecretBytes(copying: bytes.rawSpan, allocator: secrets)
    }

    func keypair(seed hex: String) throws -> EntityKeypair {
        try EntityKeypair(seed: secret(hex), crypto: self)
    }

    func identity(seed: String = String(repeating: "11", count: 32), staticSecret: String) throws -> NodeIdentity {
        try NodeIdentity(seed: secret(seed), staticSecret: secret(staticSecret), crypto: self)
    }
}

extension AEADCipher {
    func sealed(_ plaintext: [UInt8], nonce: AEADNonce, header: [UInt8] = []) throws -> [UInt8] {
        try [UInt8](rawCapacity: plaintext.count + 16) {
            try seal(plaintext.rawSpan, nonce: nonce, authenticating: header.rawSpan, into: &$0)
        }
    }

    func opened(_ ciphertext: [UInt8], nonce: AEADNonce, header: [UInt8] = []) throws -> [UInt8] {
        try [UInt8](rawCapacity: max(ciphertext.count - 16, 0)) {
            try open(ciphertext.rawSpan, nonce: nonce, authenticating: header.rawSpan, into: &$0)
        }
    }
}

func hex(_ text: String) throws -> [UInt8] { try #require([UInt8](hex: text)) }

func bytes32(_ text: String) throws -> FixedBytes32 { try #require(FixedBytes32(hex: text)) }

func nonce(_ text: String) throws -> AEADNonce {
    let bytes = try hex(text)
    return AEADNonce(
        prefix: UInt32(littleEndian: bytes.rawSpan.littleEndianUInt32(at: 0)),
        suffix: UInt64(littleEndian: bytes.rawSpan.littleEndianUInt64(at: 4)))
}

/// Expects a failure with the given code.
func expectFailure(
    _ code: CryptoFailure.Code, sourceLocation: SourceLocation = #_sourceLocation, _ body: () throws -> Void
) {
    do {
        try body()
        Issue.record("expected \(code)", sourceLocation: sourceLocation)
    } catch let failure as CryptoFailure {
        #expect(failure.code == code, sourceLocation: sourceLocation)
    } catch {
        Issue.record(error, sourceLocation: sourceLocation)
    }
}

/// A file of Tests/Vectors.
func vectorFile<Value: Decodable>(_ name: String, as type: Value.Type = Value.self) throws -> Value {
    let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().appending(path: "Vectors")
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    return try decoder.decode(type, from: Data(contentsOf: folder.appending(path: name)))
}

// Testing's macros do not take non-escapable arguments; these take arrays.

extension ExtendedNonce {
    init?(_ bytes: [UInt8]) {
        self.init(copying: bytes.rawSpan)
    }
}

extension SignatureScheme {
    func isValid(_ signature: Signature, over message: [UInt8], by publicKey: FixedBytes32) -> Bool {
        isValid(signature, for: message.rawSpan, publicKey: publicKey)
    }
}

extension EntityID {
    func isValid(_ signature: Signature, over message: [UInt8], crypto: CryptoProvider) throws -> Bool {
        try isValid(signature, for: message.rawSpan, crypto: crypto)
    }
}

extension SecretBytes {
    borrowing func copiedForTest() -> [UInt8] { [UInt8](copying: bytes) }
}
