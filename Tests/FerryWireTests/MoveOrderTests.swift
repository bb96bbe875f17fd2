import FerryWire
import Testing

@Suite("Orders to move")
struct MoveOrderTests {
    @Test("terms cover attempts 1 to their limit, and their modes only")
    func allowed() {
        let order = Sample.order
        #expect(order.allows(attempt: 1, mode: .live))
        #expect(order.allows(attempt: 3, mode: .stopAndCopy))
        #expect(!order.allows(attempt: 4, mode: .stopAndCopy))
        #expect(!order.allows(attempt: 0, mode: .live))
        var strict = order
        strict.modes = .stopAndCopy
        #expect(!strict.allows(attempt: 1, mode: .live))
        #expect(strict.allows(attempt: 1, mode: .stopAndCopy))
    }

    @Test("the next attempt has the same terms and authorization, another id, and ends with the limit")
    func next() throws {
        let third = try #require(Sample.order.next(mode: .stopAndCopy))
        #expect(third.attempt == 3)
        #expect(third.mode == .stopAndCopy)
        #expect(third.migration != Sample.order.migration)
        #expect(third.authorization == Sample.order.authorization)
        #expect(third.next(mode: .stopAndCopy) == nil)
        var strict = Sample.order
        strict.modes = .live
        #expect(strict.next(mode: .stopAndCopy) == nil)
        var last = Sample.order
        last.attempt = .max
        last.attemptLimit = .max
        #expect(last.next(mode: .live) == nil)
    }

    @Test("an order that allows no attempt or no mode, or a mode that nobody knows, has no encoding")
    func unencodable() {
        var order = Sample.order
        order.modes = []
        #expect(errorCode { () throws(WireError) in _ = try order.encoded() } == .invalidValue)
        order.modes = MoveModes(rawValue: 4)
        #expect(errorCode { () throws(WireError) in _ = try order.encoded() } == .unknownType)
        order = Sample.order
        order.attemptLimit = 0
        #expect(errorCode { () throws(WireError) in _ = try order.encoded() } == .invalidValue)
        #expect(errorCode { () throws(WireError) in _ = try order.signedBytes() } == .invalidValue)
    }

    @Test("attempt and mode are not signed, every term is")
    func signedTerms() throws {
        let bytes = try Sample.order.signedBytes()
        var order = Sample.order
        order.attempt = 1
        order.mode = .stopAndCopy
        order.authorization = nil
        #expect(try order.signedBytes() == bytes)
        let changes: [(inout MoveOrder) -> Void] = [
            { $0.id = Sample.fixed(0) }, { $0.daemon = Sample.fixed(0) }, { $0.lineage = nil }, { $0.source = Sample.fixed(0) },
            { $0.target = Sample.fixed(0) }, { $0.targetAddress = "" }, { $0.orchestrator = Sample.fixed(0) }, { $0.modes = .live },
            { $0.attemptLimit = 1 }, { $0.pauseBudgetNanoseconds = 0 }, { $0.expiresAt = 0 },
        ]
        for (index, change) in changes.enumerated() {
            var other = Sample.order
            change(&other)
            #expect(try other.signedBytes() != bytes, "change \(index)")
        }
    }
}
