internal import HashTreeCollections

/// The positions of one word, in full pages that copies share and one open page that a first write copies.
struct PostingList: Sendable {
    static let pageCapacity = 128

    private(set) var fullPages: TreeDictionary<Int, [UInt64]> = [:]
    private(set) var openPage: [UInt64] = []

    var count: Int { fullPages.count * Self.pageCapacity + openPage.count }

    /// Appends a position.
    mutating func append(_ position: UInt64) {
        openPage.append(position)
        guard openPage.count == Self.pageCapacity else { return }
        fullPages[fullPages.count] = openPage
        openPage.removeAll(keepingCapacity: false)
    }

    /// Pages, the open one included.
    var pageCount: Int { fullPages.count + (openPage.isEmpty ? 0 : 1) }

    /// A page, in order of positions.
    func page(at index: Int) -> [UInt64] { fullPages[index] ?? openPage }
}
