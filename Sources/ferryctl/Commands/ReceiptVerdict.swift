internal import Ferry
internal import FerryCrypto
internal import FerryWire
internal import Foundation

/// What a verifier knows from elsewhere; a receipt names its keys itself, and whoever makes up keys can sign with them.
struct ReceiptExpectation: Sendable {
    var daemon: ExpectedDaemon?
    var source: NodeKey?
    var target: NodeKey?
}

/// Whether a text is the receipt of a hand-over, and of which.
struct ReceiptVerdict: Sendable {
    /// What the text claims, proven only if ``isValid``; nil when it is no receipt.
    private(set) var receipt: MoveReceipt?
    /// Why it proves nothing.
    private(set) var failure: CommandFailure?

    var isValid: Bool { failure == nil }

    /// More than the base64 of the largest receipt: a release is a message and has cursors below that limit.
    static let textByteCountLimit = 2 * WireLimits.messageByteCount

    /// Judges the content of a file, or of standard input for `-`.
    init(reading file: String, expecting expectation: ReceiptExpectation = .init(), crypto: CryptoProvider) {
        do throws(CommandFailure) {
            judge(try Self.read(file), expectation, crypto)
        } catch {
            failure = error
        }
    }

    /// Judges one line of base64, with or without its newline.
    init(of text: [UInt8], expecting expectation: ReceiptExpectation = .init(), crypto: CryptoProvider) {
        judge(text, expectation, crypto)
    }

    private mutating func judge(_ text: [UInt8], _ expectation: ReceiptExpectation, _ crypto: CryptoProvider) {
        do throws(CommandFailure) {
            let receipt = try Self.decode(text)
            self.receipt = receipt
            try Self.check(receipt, crypto)
            try Self.check(receipt, against: expectation)
        } catch {
            failure = error
        }
    }

    // MARK: Reading

    private static func read(_ file: String) throws(CommandFailure) -> [UInt8] {
        do {
            let handle = file == "-" ? FileHandle.standardInput : try FileHandle(forReadingFrom: URL(fileURLWithPath: file))
            var text: [UInt8] = []
            // One byte more than allowed shows that there is more, however long a pipe or a device may go on.
            while text.count <= textByteCountLimit {
                guard let part = try handle.read(upToCount: textByteCountLimit + 1 - text.count), !part.isEmpty else { break }
                text += part
            }
            return text
        } catch {
            throw CommandFailure(code: "input", message: "cannot read \(file == "-" ? "standard input" : file)")
        }
    }

    private static func decode(_ text: [UInt8]) throws(CommandFailure) -> MoveReceipt {
        guard text.count <= textByteCountLimit else { throw malformed("it is longer than \(textByteCountLimit) bytes") }
        let line = Data(text.last == UInt8(ascii: "\n") ? text.dropLast() : text[...])
        guard !line.isEmpty else { throw malformed("it is empty") }
        // Base64 has several texts for some bytes; a receipt has one.
        guard let data = Data(base64Encoded: line), data.base64EncodedData() == line else {
            throw malformed("it is not one line of base64")
        }
        let bytes = [UInt8](data)
        do throws(WireError) {
            let receipt = try MoveReceipt(decoding: bytes.rawSpan)
            guard receipt.bytes == bytes else { throw WireError(.notCanonical, "its bytes are not the only ones of its halves") }
            return receipt
        } catch {
            throw malformed(error.message)
        }
    }

    private static func malformed(_ cause: String) -> CommandFailure {
        CommandFailure(code: "malformedReceipt", message: "this is no receipt: \(cause)")
    }

    // MARK: Checking

    private static func check(_ receipt: MoveReceipt, _ crypto: CryptoProvider) throws(CommandFailure) {
        let (release, take) = (receipt.release.release, receipt.take)
        guard release.migration == take.migration else { throw invalid("its halves are of two moves") }
        guard release.daemon == take.daemon else { throw invalid("its halves are of two daemons") }
        let holds: Bool
        do throws(CryptoFailure) {
            holds = try receipt.isValid(crypto: crypto)
        } catch {
            throw CommandFailure(describing: error)
        }
        guard holds else { throw invalid("a signature does not hold, or the take is of another release") }
    }

    private static func invalid(_ cause: String) -> CommandFailure {
        CommandFailure(code: "invalidReceipt", message: "the receipt proves nothing: \(cause)")
    }

    private static func check(_ receipt: MoveReceipt, against expectation: ReceiptExpectation) throws(CommandFailure) {
        let release = receipt.release.release
        if let daemon = expectation.daemon, !daemon.names(release.daemon) {
            throw unexpected("is of the daemon \(release.daemon.hex)")
        }
        if let source = expectation.source, source != release.source { throw unexpected("was let go by the node \(release.source.hex)") }
        if let target = expectation.target, target != release.target { throw unexpected("was taken by the node \(release.target.hex)") }
    }

    private static func unexpected(_ fact: String) -> CommandFailure {
        CommandFailure(code: "unexpectedReceipt", message: "the receipt is of another hand-over: it \(fact)")
    }

    // MARK: Output

    /// The fields of the contract, and what else identifies a hand-over; null where the text is no receipt.
    var fields: [(String, JSONValue)] {
        let release = receipt?.release.release
        func text(_ value: String?) -> JSONValue { value.map(JSONValue.string) ?? .null }
        return [
            ("valid", .bool(isValid)), ("daemon", text(release.map { "\($0.daemon.originHash)" })),
            ("entityID", text(release?.daemon.hex)), ("epoch", text(release.map { "\($0.epoch)" })),
            ("source", text(release?.source.hex)), ("target", text(release?.target.hex)),
            ("chainHead", text(release.map { "\($0.forwardHash)" })), ("chainSequence", text(release.map { "\($0.chainSequence)" })),
            ("migration", text(release?.migration.hex)), ("lineage", text(release?.lineage.hex)),
        ]
    }

    /// One line for a person.
    var line: String? {
        guard let release = receipt?.release.release else { return nil }
        let (source, target) = (release.source.hex, release.target.hex)
        return "valid: daemon \(release.daemon.originHash) went from \(source) to \(target) under epoch \(release.epoch)"
    }
}
