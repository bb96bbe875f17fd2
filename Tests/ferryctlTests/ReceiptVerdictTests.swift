import Ferry
import FerryCrypto
import FerryWire
import Foundation
import Testing

@testable import ferryctl

@Suite(.timeLimit(.minutes(3))) struct ReceiptVerdictTests {
    private func verdict(_ text: [UInt8], _ expectation: ReceiptExpectation = .init()) -> ReceiptVerdict {
        ReceiptVerdict(of: text, expecting: expectation, crypto: .composite)
    }

    @Test func `the receipt of a real move holds, with its newline or without`() async throws {
        let receipts = try await RealReceipts.get()
        for text in [receipts.there, receipts.back, receipts.ofAnotherDaemon] {
            #expect(verdict(text).isValid)
            #expect(verdict(text.dropLast()).isValid)
            #expect(RealReceipts.text(try RealReceipts.receipt(text)) == text)
        }
    }

    @Test(arguments: [DemoCrypto.sodium, .swiftCrypto])
    func `every back-end judges alike`(crypto: DemoCrypto) async throws {
        let receipts = try await RealReceipts.get()
        #expect(ReceiptVerdict(of: receipts.there, crypto: crypto.provider).isValid)
        var bytes = try RealReceipts.bytes(receipts.there)
        bytes[bytes.count - 1] ^= 1
        #expect(!ReceiptVerdict(of: RealReceipts.text(bytes), crypto: crypto.provider).isValid)
    }

    @Test func `no bit of a receipt can change`() async throws {
        let bytes = try RealReceipts.bytes(await RealReceipts.get().there)
        for index in bytes.indices {
            for bit in 0..<8 {
                var changed = bytes
                changed[index] ^= 1 << UInt8(bit)
                #expect(!verdict(RealReceipts.text(changed)).isValid, "bit \(bit) of byte \(index)")
            }
        }
    }

    @Test func `no character of its text can change`() async throws {
        let text = try await RealReceipts.get().there
        let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=".utf8)
        for index in text.indices {
            // One neighbour in the alphabet differs in the lowest bit only: in the last character that bit may encode nothing.
            let place = alphabet.firstIndex(of: text[index])
            let neighbour = place.map { alphabet[$0 ^ 1 < alphabet.count ? $0 ^ 1 : 0] } ?? UInt8(ascii: "\r")
            for other in [neighbour, text[index] ^ 0x80, UInt8(ascii: " "), UInt8(ascii: "\n"), 0] where other != text[index] {
                var changed = text
                changed[index] = other
                #expect(!verdict(changed).isValid, "character \(index) as \(other)")
            }
        }
    }

    @Test func `a receipt that ends early or goes on is none`() async throws {
        let text = try await RealReceipts.get().there
        for count in 0..<(text.count - 1) { #expect(verdict(Array(text[..<count])).failure?.code == "malformedReceipt") }
        for tail in ["\n", " ", "=", "A", "AAAA", "\r\n"] { #expect(verdict(text + Array(tail.utf8)).failure?.code == "malformedReceipt") }
        #expect(verdict(text + text).failure?.code == "malformedReceipt")
        let bytes = try RealReceipts.bytes(text)
        #expect(verdict(RealReceipts.text(bytes + [0])).failure?.code == "malformedReceipt")
    }

    @Test func `halves of two moves do not make a receipt`() async throws {
        let receipts = try await RealReceipts.get()
        let all = try [receipts.there, receipts.back, receipts.ofAnotherDaemon].map { try RealReceipts.receipt($0) }
        for (first, second) in [(0, 1), (1, 0), (0, 2), (2, 1)] {
            let mixed = verdict(RealReceipts.text(MoveReceipt(release: all[first].release, take: all[second].take)))
            #expect(mixed.failure?.code == "invalidReceipt")
        }
        // The same halves in each other's order are no receipt at all.
        let take = try all[0].take.encoded()
        #expect(!verdict(RealReceipts.text(take + (try all[0].release.encoded()))).isValid)
    }

    @Test func `a signature stands for its own half only`() async throws {
        var receipt = try RealReceipts.receipt(await RealReceipts.get().there)
        swap(&receipt.release.daemonSignature, &receipt.release.nodeSignature)
        #expect(verdict(RealReceipts.text(receipt)).failure?.code == "invalidReceipt")
        swap(&receipt.release.daemonSignature, &receipt.release.nodeSignature)
        receipt.take.daemonSignature = receipt.release.daemonSignature
        #expect(verdict(RealReceipts.text(receipt)).failure?.code == "invalidReceipt")
    }

    @Test func `a valid receipt of another daemon or of other nodes is not the one that is expected`() async throws {
        let receipts = try await RealReceipts.get()
        let release = try RealReceipts.receipt(receipts.there).release.release
        let other = try RealReceipts.receipt(receipts.ofAnotherDaemon).release.release
        let full = ReceiptExpectation(daemon: .entity(release.daemon), source: release.source, target: release.target)
        #expect(verdict(receipts.there, full).isValid)
        #expect(verdict(receipts.there, .init(daemon: .origin(release.daemon.originHash))).isValid)
        let wrong: [ReceiptExpectation] = [
            .init(daemon: .entity(other.daemon)), .init(daemon: .origin(other.daemon.originHash)), .init(source: release.target),
            .init(target: release.source), .init(daemon: .entity(release.daemon), source: other.source, target: release.target),
        ]
        for expectation in wrong { #expect(verdict(receipts.there, expectation).failure?.code == "unexpectedReceipt") }
        #expect(verdict(receipts.back, full).failure?.code == "unexpectedReceipt")
    }

    @Test func `a text of the largest length is read and a longer one refused for its length`() {
        let largest = [UInt8](repeating: UInt8(ascii: "A"), count: ReceiptVerdict.textByteCountLimit)
        #expect(verdict(largest).failure?.message.contains("longer than") == false)
        #expect(verdict(largest + [UInt8(ascii: "A")]).failure?.message.contains("longer than") == true)
        #expect(verdict(largest).failure?.code == "malformedReceipt")
        let endless = ReceiptVerdict(reading: "/dev/zero", crypto: .composite)
        #expect(endless.failure?.message.contains("longer than") == true)
    }

    @Test func `the receipts of a run hold only in their order, each once`() async throws {
        let receipts = try await RealReceipts.get()
        let release = try RealReceipts.receipt(receipts.there).release.release
        let (a, b) = (release.source, release.target)
        func handOver(_ text: [UInt8], _ source: NodeKey, _ target: NodeKey) -> DemoReceipts.HandOver {
            DemoReceipts.HandOver(receipt: String(decoding: text.dropLast(), as: UTF8.self), source: source, target: target)
        }
        let (there, back) = (handOver(receipts.there, a, b), handOver(receipts.back, b, a))
        func holds(_ handOvers: [DemoReceipts.HandOver]) -> Bool {
            DemoReceipts.areValid(handOvers, of: release.daemon, crypto: .composite)
        }
        #expect(holds([there]) && holds([back]) && holds([there, back]))
        #expect(!holds([back, there]) && !holds([there, there]))
        #expect(!holds([there, handOver(receipts.back, a, b)]))
        #expect(!holds([handOver(receipts.ofAnotherDaemon, a, b)]))
        #expect(!holds([there, handOver([], b, a)]))
    }
}
