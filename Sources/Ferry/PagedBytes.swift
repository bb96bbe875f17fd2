internal import FerryWire

/// A byte store whose copies cost nothing: a tree of pages that copies share until one of them is written.
///
/// It is what a daemon with a large state keeps it in, so that freezing the daemon for a snapshot is a copy in O(1). The first write to a
/// page after a copy copies that page and the nodes above it, some microseconds at any size; later writes to it go in place. Reads,
/// writes and appends of n bytes touch n / `pageByteCount` pages. Memory: 2 % above the bytes at pages of 4 KiB, 0.5 % at 16 KiB; pages
/// that have never been written since `init(repeating:count:)` share one.
///
/// Releasing a copy that has diverged frees every page that only it held: let go of large frozen copies away from the daemon's executor;
/// any thread will do.
public struct PagedBytes: Sendable {
    /// The page sizes that can be chosen; powers of two only.
    public static let pageByteCounts: ClosedRange<Int> = 4_096...16_384
    /// The longest store.
    public static let maximumCount = 1 << 48

    /// Bytes in the store.
    public private(set) var count: Int
    /// Bytes in every page but the last, which may be shorter.
    public var pageByteCount: Int { 1 << pageBits }

    private let pageBits: Int
    private(set) var root: PagedBytesNode

    /// An empty store.
    ///
    /// - Parameter pageByteCount: a power of two within `pageByteCounts`; anything else is the caller's mistake, and traps.
    public init(pageByteCount: Int = 16_384) {
        self.init(repeating: 0, count: 0, pageByteCount: pageByteCount)
    }

    /// A store of `count` equal bytes, which reserves memory for pages only as they are written.
    ///
    /// - Parameters:
    ///   - byte: the value of every byte.
    ///   - count: at most `maximumCount`.
    ///   - pageByteCount: a power of two within `pageByteCounts`; anything else is the caller's mistake, and traps.
    public init(repeating byte: UInt8 = 0, count: Int, pageByteCount: Int = 16_384) {
        precondition(
            Self.pageByteCounts.contains(pageByteCount) && pageByteCount.nonzeroBitCount == 1,
            "pages are powers of two within \(Self.pageByteCounts) bytes")
        precondition((0...Self.maximumCount).contains(count), "a store has at most 2^48 bytes")
        self.count = count
        pageBits = pageByteCount.trailingZeroBitCount
        guard count > 0 else {
            root = PagedBytesNode(pages: [])
            return
        }
        let page = PagedBytesPage(repeating: byte, byteCount: pageByteCount)
        root = .uniform(page, pageCount: (count + pageByteCount - 1) / pageByteCount)
    }

    /// Pages in the store.
    public var pageCount: Int { (count + pageByteCount - 1) >> pageBits }

    /// The bytes of one page, borrowed; the last page ends with the store.
    @_lifetime(borrow self)
    public func page(at index: Int) -> RawSpan {
        precondition((0..<pageCount).contains(index), "page index out of bounds")
        let page = sharedPage(index)
        let used = page.bytes.extracting(first: min(pageByteCount, count - index << pageBits))
        // The tree keeps the page for as long as the store is borrowed.
        return unsafe _overrideLifetime(used, borrowing: self)
    }

    /// Appends the bytes of `range` to `output`, whose free capacity must hold them.
    public func read(_ range: Range<Int>, into output: inout OutputRawSpan) {
        check(range)
        precondition(range.count <= output.freeCapacity, "output span overflow")
        var offset = range.lowerBound
        while offset < range.upperBound {
            let start = offset & (pageByteCount - 1)
            let taken = min(pageByteCount - start, range.upperBound - offset)
            output.append(contentsOf: sharedPage(offset >> pageBits).bytes.extracting(start..<(start + taken)))
            offset += taken
        }
    }

    /// Overwrites the bytes from `offset` on.
    public mutating func write(_ bytes: RawSpan, at offset: Int) {
        precondition(offset >= 0 && offset <= count - bytes.byteCount, "write out of bounds")
        var written = 0
        while written < bytes.byteCount {
            let start = (offset + written) & (pageByteCount - 1)
            let taken = min(pageByteCount - start, bytes.byteCount - written)
            ownPage((offset + written) >> pageBits).write(bytes.extracting(written..<(written + taken)), at: start)
            written += taken
        }
    }

    /// One byte.
    public subscript(offset: Int) -> UInt8 {
        get {
            check(offset..<(offset + 1))
            return sharedPage(offset >> pageBits).bytes.byte(at: offset & (pageByteCount - 1))
        }
        set { write([newValue].rawSpan, at: offset) }
    }

    /// Appends bytes at the end.
    public mutating func append(contentsOf bytes: RawSpan) {
        var appended = 0
        while appended < bytes.byteCount {
            appended += appendPart { output in
                output.append(contentsOf: bytes.extracting(appended..<min(bytes.byteCount, appended + output.freeCapacity)))
            }
        }
    }

    /// Lets `body` append to the free rest of the last page, or to a new page when that is full, and returns how many bytes it did.
    ///
    /// This is how a state is read page by page, without a buffer between. After a throw nothing has been appended.
    @discardableResult
    public mutating func appendPart<E: Error>(_ body: (inout OutputRawSpan) throws(E) -> Void) throws(E) -> Int {
        precondition(count < Self.maximumCount, "a store has at most 2^48 bytes")
        let start = count & (pageByteCount - 1)
        if start == 0 { reservePage(pageCount) }
        let appended = try ownPage(count >> pageBits).fill(from: start, body)
        count += appended
        return appended
    }
}

extension PagedBytes: Equatable {
    /// Whether both hold the same bytes; pages that both share are not read.
    public static func == (left: PagedBytes, right: PagedBytes) -> Bool {
        guard left.count == right.count else { return false }
        if left.pageBits == right.pageBits, left.root === right.root { return true }
        var offset = 0
        while offset < left.count {
            let leftIndex = offset >> left.pageBits
            let rightIndex = offset >> right.pageBits
            if left.pageBits == right.pageBits, left.sharedPage(leftIndex) === right.sharedPage(rightIndex) {
                offset += left.pageByteCount
                continue
            }
            let leftBytes = left.page(at: leftIndex).extracting(droppingFirst: offset & (left.pageByteCount - 1))
            let rightBytes = right.page(at: rightIndex).extracting(droppingFirst: offset & (right.pageByteCount - 1))
            let shared = min(leftBytes.byteCount, rightBytes.byteCount)
            guard leftBytes.extracting(first: shared).holdsSameBytes(as: rightBytes.extracting(first: shared)) else { return false }
            offset += shared
        }
        return true
    }
}

extension PagedBytes {
    /// The page at `index`, for reading.
    func sharedPage(_ index: Int) -> PagedBytesPage {
        var node = root
        while node.level > 0 { node = node.nodes[node.slot(index)] }
        return node.pages[node.slot(index)]
    }

    private func check(_ range: Range<Int>) {
        precondition(range.lowerBound >= 0 && range.upperBound <= count, "range out of bounds")
    }

    /// The page at `index`, for writing: it and the nodes above it are copied where a copy of the store shares them.
    private mutating func ownPage(_ index: Int) -> PagedBytesPage {
        if !isKnownUniquelyReferenced(&root) { root = PagedBytesNode(copying: root) }
        var node = root
        while node.level > 0 {
            let slot = node.slot(index)
            node.forgetHash(of: slot)
            if !isKnownUniquelyReferenced(&node.nodes[slot]) { node.nodes[slot] = PagedBytesNode(copying: node.nodes[slot]) }
            node = node.nodes[slot]
        }
        let slot = node.slot(index)
        node.forgetHash(of: slot)
        if !isKnownUniquelyReferenced(&node.pages[slot]) { node.pages[slot] = PagedBytesPage(copying: node.pages[slot]) }
        return node.pages[slot]
    }

    /// Makes sure that the tree has a page at `index`, the first one behind the last.
    private mutating func reservePage(_ index: Int) {
        if index == PagedBytesNode.capacity(root.level) { root = PagedBytesNode(level: root.level + 1, nodes: [root]) }
        if !isKnownUniquelyReferenced(&root) { root = PagedBytesNode(copying: root) }
        var node = root
        while node.level > 0 {
            let slot = node.slot(index)
            if slot == node.nodes.count {
                node.nodes.append(node.level == 1 ? PagedBytesNode(pages: []) : PagedBytesNode(level: node.level - 1, nodes: []))
            } else if !isKnownUniquelyReferenced(&node.nodes[slot]) {
                node.nodes[slot] = PagedBytesNode(copying: node.nodes[slot])
            }
            node = node.nodes[slot]
        }
        // A page may be left over from an append that threw.
        if node.slot(index) == node.pages.count { node.pages.append(PagedBytesPage(byteCount: pageByteCount)) }
    }
}
