internal import Synchronization

/// An inner node of the paged store's tree. It is only changed while uniquely referenced, so sharing it is safe.
final class PagedBytesNode: @unchecked Sendable {
    /// Children of a node. A node is copied as a whole on the first write below it after a copy of the store, and a digest looks at every
    /// child of a node below which something was written: more children mean longer copies and digests, fewer mean more levels.
    /// Digests fold along the tree: nodes of builds that differ here do not understand each other's.
    static var fanOut: Int { ChildHashes.count }
    static var fanOutBits: Int { fanOut.trailingZeroBitCount }
    private typealias ChildHashes = InlineArray<32, Atomic<UInt64>>

    /// 0 when the children are pages, otherwise the number of node levels below.
    let level: Int
    /// The children at level 0.
    var pages: ContiguousArray<PagedBytesPage>
    /// The children above level 0.
    var nodes: ContiguousArray<PagedBytesNode>
    /// The children's hashes, 0 while unknown: side by side, since a digest looks at all of them where one has changed. Atomic since
    /// frozen copies on other threads share the node.
    private let hashes: ChildHashes

    init(pages: ContiguousArray<PagedBytesPage>) {
        level = 0
        self.pages = pages
        nodes = []
        hashes = ChildHashes { _ in Atomic(0) }
    }

    init(level: Int, nodes: ContiguousArray<PagedBytesNode>) {
        self.level = level
        pages = []
        self.nodes = nodes
        hashes = ChildHashes { _ in Atomic(0) }
    }

    /// A node that shares the other's children.
    init(copying other: PagedBytesNode) {
        level = other.level
        pages = other.pages
        nodes = other.nodes
        hashes = ChildHashes { slot in Atomic(other.hashes[slot].load(ordering: .relaxed)) }
    }

    /// A tree of `pageCount` references to one page, with as few nodes as there are different ones.
    static func uniform(_ page: PagedBytesPage, pageCount: Int) -> PagedBytesNode {
        var level = 0
        while pageCount > capacity(level) { level += 1 }
        return uniform(page, pageCount: pageCount, level: level)
    }

    private static func uniform(_ page: PagedBytesPage, pageCount: Int, level: Int) -> PagedBytesNode {
        guard level > 0 else { return PagedBytesNode(pages: ContiguousArray(repeating: page, count: pageCount)) }
        let below = capacity(level - 1)
        var nodes = ContiguousArray<PagedBytesNode>()
        if pageCount >= below {
            nodes = ContiguousArray(repeating: uniform(page, pageCount: below, level: level - 1), count: pageCount / below)
        }
        if !pageCount.isMultiple(of: below) { nodes.append(uniform(page, pageCount: pageCount % below, level: level - 1)) }
        return PagedBytesNode(level: level, nodes: nodes)
    }

    /// The most pages below a node of `level`.
    static func capacity(_ level: Int) -> Int { 1 << (fanOutBits * (level + 1)) }

    /// The child slot towards page `index`.
    func slot(_ index: Int) -> Int { (index >> (Self.fanOutBits * level)) & (Self.fanOut - 1) }

    /// The hash that `remember` kept of a child since the last write to it or below it.
    func knownHash(of slot: Int) -> UInt64? {
        let known = hashes[slot].load(ordering: .relaxed)
        return known == 0 ? nil : known
    }

    func remember(_ hash: UInt64, of slot: Int) { hashes[slot].store(hash, ordering: .relaxed) }

    func forgetHash(of slot: Int) { hashes[slot].store(0, ordering: .relaxed) }
}
