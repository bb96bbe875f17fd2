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

    /// Calls `body` with every page in order of positions.
    func forEachPage<E: Error>(_ body: ([UInt64]) throws(E) -> Void) throws(E) {
        for index in 0..<fullPages.count {
            if let page = fullPages[index] { try body(page) }
        }
        if !openPage.isEmpty { try body(openPage) }
    }
}
