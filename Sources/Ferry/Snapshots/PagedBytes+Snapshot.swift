internal import FerryChunking
internal import FerryWire

extension SnapshotWriter {
    /// Writes the store's page size, length and bytes, page by page and without a copy of the whole.
    ///
    /// - Throws: as ``checkpoint()``.
    public mutating func stream(_ store: PagedBytes) async throws {
        write(UInt64(store.pageByteCount))
        write(UInt64(store.count))
        for index in 0..<store.pageCount {
            write(contentsOf: store.page(at: index))
            try await checkpoint()
        }
        try await checkpoint()
    }
}

extension SnapshotReader {
    /// Reads what ``SnapshotWriter/stream(_:)`` wrote; memory is reserved only as bytes arrive.
    ///
    /// - Throws: `.limitExceeded` beyond `limit` bytes, `.fieldMismatch` when the page size is none; as ``checkpoint(_:)``.
    public mutating func streamPagedBytes(limit: Int = PagedBytes.maximumCount) async throws -> PagedBytes {
        try await checkpoint(16)
        let pageByteCount = try read(UInt64.self)
        let count = try read(UInt64.self)
        guard let page = Int(exactly: pageByteCount), PagedBytes.pageByteCounts.contains(page), page.nonzeroBitCount == 1 else {
            throw FerryError(.fieldMismatch, "a paged store has pages of \(pageByteCount) bytes")
        }
        guard count <= UInt64(limit) else { throw FerryError(.limitExceeded, "a paged store of \(count) bytes exceeds \(limit)") }
        var store = PagedBytes(pageByteCount: page)
        while store.count < Int(count) {
            let wanted = Int(count) - store.count
            if !unread.isEmpty {
                appendFromWindow(wanted, to: &store)
            } else if !appendDecoded(wanted, to: &store) {
                guard try await feed() else { throw lacking(wanted) }
            }
        }
        return store
    }

    private mutating func appendFromWindow(_ wanted: Int, to store: inout PagedBytes) {
        let byteCount = min(wanted, unread.count)
        store.append(contentsOf: window.span(unread.lowerBound..<(unread.lowerBound + byteCount)))
        unread = (unread.lowerBound + byteCount)..<unread.upperBound
    }

    /// Copies straight from the decoded chunk into pages, past the window; false when nothing is decoded.
    private mutating func appendDecoded(_ wanted: Int, to store: inout PagedBytes) -> Bool {
        let byteCount = min(wanted, decoder.unreadByteCount)
        guard byteCount > 0 else { return false }
        store.append(contentsOf: decoder.unreadBytes.extracting(first: byteCount))
        decoder.skip(byteCount)
        return true
    }
}
