/// The newest positions of one word, in full pages that copies share and one open page that a first write copies.
struct PostingList: Sendable {
    static let pageCapacity = 128
    /// Full pages that a list keeps: an index of an endless stream has to forget.
    static let pageLimit = 4

    private var fullPages: [[UInt64]] = []
    private var openPage: [UInt64] = []

    var count: Int { fullPages.count * Self.pageCapacity + openPage.count }

    /// Appends a position.
    ///
    /// - Returns: the oldest page, when it has to give way.
    mutating func append(_ position: UInt64) -> [UInt64]? {
        if openPage.isEmpty { openPage.reserveCapacity(Self.pageCapacity) }
        openPage.append(position)
        guard openPage.count == Self.pageCapacity else { return nil }
        fullPages.append(openPage)
        openPage = []
        return fullPages.count > Self.pageLimit ? fullPages.removeFirst() : nil
    }

    /// Pages, the open one included.
    var pageCount: Int { fullPages.count + (openPage.isEmpty ? 0 : 1) }

    /// A page, in order of positions.
    func page(at index: Int) -> [UInt64] { index < fullPages.count ? fullPages[index] : openPage }
}
