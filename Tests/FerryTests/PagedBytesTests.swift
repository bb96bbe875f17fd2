import FerryWire
import Testing

@testable import Ferry

@Suite("Paged bytes")
struct PagedBytesTests {
    private static let page = 4_096

    /// Bytes that differ from page to page.
    private static func pattern(_ count: Int, salt: Int = 0) -> [UInt8] {
        (0..<count).map { UInt8(truncatingIfNeeded: ($0 + salt) &* 31 &+ ($0 + salt) >> 8) }
    }

    private static func store(_ bytes: [UInt8], pageByteCount: Int = page) -> PagedBytes {
        var store = PagedBytes(pageByteCount: pageByteCount)
        store.append(contentsOf: bytes.rawSpan)
        return store
    }

    private static func bytes(_ store: PagedBytes) -> [UInt8] {
        [UInt8](rawCapacity: store.count) { store.read(0..<store.count, into: &$0) }
    }

    /// How many pages both hold at the same place as the same object.
    private static func sharedPageCount(_ left: PagedBytes, _ right: PagedBytes) -> Int {
        (0..<min(left.pageCount, right.pageCount)).count { left.sharedPage($0) === right.sharedPage($0) }
    }

    @Test("what is appended is read back, at every size around pages and nodes", arguments: [0, 1, 4_095, 4_096, 4_097, 40_000, 2_500_000])
    func appendAndRead(count: Int) {
        let original = Self.pattern(count)
        let store = Self.store(original)
        #expect(store.count == count)
        #expect(store.pageCount == (count + 4_095) / 4_096)
        #expect(Self.bytes(store) == original)
        var paged = [UInt8]()
        for index in 0..<store.pageCount { paged.append(contentsOf: store.page(at: index)) }
        #expect(paged == original)
    }

    @Test("the store grows by a level when its root is full")
    func levels() {
        let pageCount = PagedBytesNode.fanOut + 1
        var store = PagedBytes(repeating: 1, count: (pageCount - 1) * Self.page, pageByteCount: Self.page)
        let frozen = store
        store.append(contentsOf: Self.pattern(Self.page + 5).rawSpan)
        #expect(store.pageCount == pageCount + 1)
        #expect(Self.bytes(store) == [UInt8](repeating: 1, count: frozen.count) + Self.pattern(Self.page + 5))
        #expect(Self.bytes(frozen) == [UInt8](repeating: 1, count: frozen.count))
    }

    @Test("random writes and reads agree with an array", arguments: [4_096, 8_192, 16_384])
    func randomAccess(pageByteCount: Int) {
        var model = Self.pattern(300_000)
        var store = Self.store(model, pageByteCount: pageByteCount)
        var copies: [(PagedBytes, [UInt8])] = []
        var state: UInt64 = 9
        func random(_ bound: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % bound
        }
        for round in 0..<200 {
            let count = random(40_000)
            let offset = random(model.count - count + 1)
            let bytes = Self.pattern(count, salt: round)
            store.write(bytes.rawSpan, at: offset)
            model.replaceSubrange(offset..<(offset + count), with: bytes)
            let range = offset..<(offset + random(model.count - offset + 1))
            #expect([UInt8](rawCapacity: range.count) { store.read(range, into: &$0) } == Array(model[range]))
            if round.isMultiple(of: 40) { copies.append((store, model)) }
        }
        for (copy, original) in copies { #expect(Self.bytes(copy) == original) }
    }

    @Test("a write after a copy copies one page and shares all others")
    func structureSharing() {
        var store = Self.store(Self.pattern(1_000 * Self.page))
        let frozen = store
        #expect(Self.sharedPageCount(store, frozen) == 1_000)
        store[500 * Self.page + 3] = 0
        #expect(Self.sharedPageCount(store, frozen) == 999)
        #expect(store.sharedPage(500) !== frozen.sharedPage(500))
        let written = ObjectIdentifier(store.sharedPage(500))
        store[500 * Self.page + 4] = 1
        #expect(ObjectIdentifier(store.sharedPage(500)) == written)
        #expect(Self.sharedPageCount(store, frozen) == 999)
        #expect(Self.bytes(frozen) == Self.pattern(1_000 * Self.page))
    }

    @Test("without a copy every write goes in place")
    func writesInPlace() {
        var store = Self.store(Self.pattern(600 * Self.page))
        let before = (0..<600).map { ObjectIdentifier(store.sharedPage($0)) }
        for index in 0..<600 { store[index * Self.page] = 9 }
        #expect((0..<600).map { ObjectIdentifier(store.sharedPage($0)) } == before)
    }

    @Test("an append to a copy leaves the original as it was")
    func appendAfterCopy() {
        let original = Self.store(Self.pattern(10_000))
        var longer = original
        longer.append(contentsOf: [1, 2, 3].rawSpan)
        #expect(Self.bytes(original) == Self.pattern(10_000))
        #expect(Self.bytes(longer) == Self.pattern(10_000) + [1, 2, 3])
    }

    @Test("equal bytes share one page until they are written")
    func uniform() {
        var store = PagedBytes(repeating: 7, count: 10_000 * Self.page + 1, pageByteCount: Self.page)
        #expect(store.pageCount == 10_001)
        #expect((0..<store.pageCount).allSatisfy { store.sharedPage($0) === store.sharedPage(0) })
        store[5_000 * Self.page] = 8
        #expect((0..<store.pageCount).count { store.sharedPage($0) === store.sharedPage(0) } == 10_000)
        #expect(store[5_000 * Self.page - 1] == 7)
        #expect(store[5_000 * Self.page] == 8)
        #expect(store[5_000 * Self.page + 1] == 7)
        #expect(store[10_000 * Self.page] == 7)
    }

    @Test("a store of 2^48 bytes is addressable to its last byte")
    func maximumCount() {
        var store = PagedBytes(count: PagedBytes.maximumCount)
        store[PagedBytes.maximumCount - 1] = 5
        #expect(store[PagedBytes.maximumCount - 1] == 5)
        #expect(store[PagedBytes.maximumCount - 2] == 0)
        #expect(store[0] == 0)
    }

    @Test("pages are filled without a buffer between, and a throw appends nothing")
    func appendPart() {
        struct Refused: Error {}
        var store = PagedBytes(pageByteCount: Self.page)
        var next: UInt8 = 0
        while store.count < 10_000 {
            store.appendPart { output in
                for _ in 0..<min(1_000, output.freeCapacity) {
                    output.append(littleEndian: next)
                    next &+= 1
                }
            }
        }
        #expect(Self.bytes(store) == (0..<store.count).map { UInt8($0 & 255) })
        let full = PagedBytes(repeating: 1, count: Self.page, pageByteCount: Self.page)
        var grown = full
        #expect(throws: Refused.self) {
            try grown.appendPart { output throws(Refused) in
                output.append(littleEndian: UInt8(1))
                throw Refused()
            }
        }
        #expect(grown == full)
        grown.append(contentsOf: [3].rawSpan)
        #expect(grown.count == Self.page + 1)
        #expect(grown[Self.page] == 3)
    }

    @Test("equality is of bytes, whatever the history and the page size")
    func equality() {
        let bytes = Self.pattern(100_000)
        let store = Self.store(bytes)
        var other = store
        #expect(other == store)
        other[99_999] ^= 1
        #expect(other != store)
        other[99_999] ^= 1
        #expect(other == store)
        #expect(Self.store(bytes, pageByteCount: 16_384) == store)
        #expect(Self.store(Array(bytes.dropLast())) != store)
        #expect(PagedBytes(count: 5_000) == Self.store([UInt8](repeating: 0, count: 5_000)))
        #expect(PagedBytes(repeating: 1, count: 3) == Self.store([1, 1, 1]))
    }

    @Test("the digest follows the bytes, not their history")
    func digest() {
        let bytes = Self.pattern(100_000)
        let store = Self.store(bytes)
        let digest = store.digest()
        #expect(store.digest() == digest)
        #expect(Self.store(bytes).digest() == digest)
        for offset in [0, 4_095, 4_096, 50_000, 99_999] {
            var other = store
            other[offset] ^= 1
            #expect(other.digest() != digest)
            other[offset] ^= 1
            #expect(other.digest() == digest)
        }
        #expect(Self.store(bytes + [0]).digest() != digest)
        #expect(PagedBytes(repeating: 3, count: 5).digest() == Self.store([3, 3, 3, 3, 3]).digest())
        #expect(store.digest() == digest)
    }

    @Test("the digest of a store of many levels follows every page, in copies and originals alike")
    func digestOfManyLevels() {
        let count = (PagedBytesNode.fanOut * 3 + 2) * Self.page
        var store = PagedBytes(repeating: 1, count: count, pageByteCount: Self.page)
        var digests: Set<UInt64> = [store.digest()]
        for page in stride(from: 0, to: store.pageCount, by: 37) {
            let frozen = store
            let before = frozen.digest()
            store[page * Self.page + page] = 2
            #expect(digests.insert(store.digest()).inserted)
            #expect(frozen.digest() == before)
        }
        #expect(store.digest() == Self.store(Self.bytes(store)).digest())
    }

    @Test("the digest follows a store that grows within its last page, across pages and across nodes")
    func digestOfGrowth() {
        var store = PagedBytes(pageByteCount: Self.page)
        var bytes: [UInt8] = []
        // Steps that fall short of pages, meet them and pass them; the end is behind the first node of the second level.
        while store.pageCount < PagedBytesNode.fanOut + 2 {
            let part = Self.pattern([1_000, 2_000, 1_096, 5_000][bytes.count % 4], salt: bytes.count)
            bytes += part
            store.append(contentsOf: part.rawSpan)
            #expect(store.digest() == Self.store(bytes).digest(), "at \(bytes.count) bytes")
        }
    }

    @Test("the digest of a uniform store whose last page is short is that of its bytes", arguments: [1, 2])
    func digestOfShortEnd(nodes: Int) {
        let count = (PagedBytesNode.fanOut * nodes) * Self.page - 1_000
        let store = PagedBytes(repeating: 9, count: count, pageByteCount: Self.page)
        let digest = Self.store([UInt8](repeating: 9, count: count)).digest()
        #expect(store.digest() == digest)
        #expect(store.digest() == digest)
    }

    @Test("an original is digested and written while its copies are digested elsewhere")
    func concurrentDigests() async {
        var bytes = Self.pattern(300 * Self.page)
        var store = Self.store(bytes)
        for round in 0..<8 {
            let frozen = store
            let expected = Self.store(bytes).digest()
            let elsewhere = Task.detached { frozen.digest() == expected }
            for index in stride(from: round, to: 300, by: 7) {
                store[index * Self.page + round] &+= 1
                bytes[index * Self.page + round] &+= 1
                if index % 5 == 0 { _ = store.digest() }
            }
            #expect(store.digest() == Self.store(bytes).digest())
            #expect(await elsewhere.value)
        }
    }

    @Test("an append that throws at a full root leaves the digest as it was")
    func digestAfterThrow() {
        struct Refused: Error {}
        var store = PagedBytes(repeating: 1, count: PagedBytesNode.fanOut * Self.page, pageByteCount: Self.page)
        let digest = store.digest()
        #expect(throws: Refused.self) {
            try store.appendPart { output throws(Refused) in
                output.append(littleEndian: UInt64(7))
                throw Refused()
            }
        }
        #expect(store.digest() == digest)
        store.append(contentsOf: [1].rawSpan)
        #expect(store.digest() == PagedBytes(repeating: 1, count: store.count, pageByteCount: Self.page).digest())
    }

    @Test("a frozen copy is read and released elsewhere while its original is written")
    func concurrentReader() async {
        let original = Self.pattern(400 * Self.page)
        var store = Self.store(original)
        for round in 0..<4 {
            let frozen = store
            let expected = Self.bytes(store)
            let reader = Task.detached { Self.bytes(frozen) == expected && frozen.digest() == Self.store(expected).digest() }
            for index in 0..<400 { store[index * Self.page + round] &+= 1 }
            #expect(await reader.value)
        }
    }
}
