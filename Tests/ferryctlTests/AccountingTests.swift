import FerryWire
import Testing

@testable import ferryctl

@Suite struct AccountingTests {
    /// Records of one daemon that processed the given emitter sequences in this order, a millisecond apart.
    private func history(_ sequences: [UInt64]) -> [ProcessedRecord] {
        var link = CausalLink.genesis(OriginHash(rawValue: 9))
        var previousPayload: [UInt8] = []
        return sequences.enumerated().map { index, sequence in
            link = link.next(payload: previousPayload.rawSpan, horizon: 0) ?? link
            previousPayload = InvertedIndex.output(sequence: sequence, wordCount: 3)
            return ProcessedRecord(processedAt: UInt64(index + 1) * 1_000_000, link: link, payload: previousPayload)
        }
    }

    @Test func `an unbroken history split over two nodes has no finding`() {
        let records = history([1, 2, 3, 4, 5, 6])
        let accounting = Accounting(logs: [Array(records[..<3]), Array(records[3...])], accepted: 6)
        #expect(accounting.processed == 6)
        #expect(accounting.lost == 0)
        #expect(accounting.duplicated == 0)
        #expect(accounting.reordered == 0)
        #expect(accounting.isChainContinuous)
    }

    @Test func `a missing event is lost only if it had been accepted`() {
        #expect(Accounting(logs: [history([1, 2, 4])], accepted: 4).lost == 1)
        #expect(Accounting(logs: [history([1, 2])], accepted: 2).lost == 0)
        #expect(Accounting(logs: [[]], accepted: 3).lost == 3)
    }

    @Test func `repeats and inversions are counted`() {
        let accounting = Accounting(logs: [history([1, 3, 2, 3])], accepted: 3)
        #expect(accounting.duplicated == 1)
        #expect(accounting.reordered == 1)
        #expect(accounting.lost == 0)
    }

    @Test func `two owners that emit the same sequence break the chain`() {
        let records = history([1, 2, 3])
        let accounting = Accounting(logs: [records, [records[2]]], accepted: 3)
        #expect(!accounting.isChainContinuous)
        #expect(accounting.duplicated == 1)
    }

    @Test func `a hole in the chain and a wrong parent are seen`() {
        let records = history([1, 2, 3])
        #expect(!Accounting(logs: [[records[0], records[2]]], accepted: 1).isChainContinuous)
        var forged = records
        forged[1].link.parent ^= 1
        #expect(!Accounting(logs: [forged], accepted: 3).isChainContinuous)
        #expect(!Accounting(logs: [Array(records[1...])], accepted: 1).isChainContinuous)
    }

    @Test func `a pause begins at the last fence before the new owner's first event`() {
        let records = history([1, 2, 3, 4])
        let fences: [UInt64] = [500_000, 1_200_000, 1_700_000, 3_500_000]
        #expect(Accounting.pause(from: fences, to: Array(records[2...]), after: 1_000_000) == 1_300_000)
        #expect(Accounting.pause(from: [500_000], to: Array(records[2...]), after: 1_000_000) == nil)
        #expect(Accounting.pause(from: fences, to: [], after: 1_000_000) == nil)
    }

    @Test func `a stall that reaches beyond its window counts whole`() {
        let accounting = Accounting(logs: [history([1, 2, 3])], accepted: 3)
        #expect(accounting.longestStall(from: 1_500_000, to: 1_800_000) == 1_000_000)
    }

    @Test func `the longest stall counts the edges of its window`() {
        let accounting = Accounting(logs: [history([1, 2, 3])], accepted: 3)
        #expect(accounting.longestStall(from: 500_000, to: 3_200_000) == 1_000_000)
        #expect(accounting.longestStall(from: 500_000, to: 9_000_000) == 6_000_000)
    }
}
