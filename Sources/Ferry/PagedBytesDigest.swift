internal import FerryWire

extension PagedBytes {
    /// A digest of the bytes and their number: XXH3-64 over the XXH3-64 of every page, folded along the tree.
    ///
    /// Stores with the same bytes and the same `pageByteCount` have the same digest, whatever their history. Only what was written since
    /// the last call on this store, or on the one that it is a copy of, is read again: some microseconds a page. It finds accidents, such
    /// as a replay that went another way; it is not made against an adversary.
    public func digest() -> UInt64 {
        var top = root
        // An append that threw may have left a level without pages.
        while top.level > 0, pageCount <= PagedBytesNode.capacity(top.level - 1) { top = top.nodes[0] }
        let folded = [UInt8](rawCapacity: 16) { output in
            output.append(littleEndian: UInt64(count))
            output.append(littleEndian: hash(top, firstPage: 0))
        }
        return xxh3(folded.rawSpan)
    }

    /// The hash of a node's children. Where the last page is not full, it is hashed up to the end of the store and not remembered.
    private func hash(_ node: PagedBytesNode, firstPage: Int) -> UInt64 {
        let step = node.level == 0 ? 1 : PagedBytesNode.capacity(node.level - 1)
        let fullPageCount = count / pageByteCount
        let isFull = firstPage + PagedBytesNode.capacity(node.level) <= fullPageCount
        if isFull, let known = node.knownHash { return known }
        let childCount = min((pageCount - firstPage + step - 1) / step, PagedBytesNode.fanOut)
        let hashes = [UInt8](rawCapacity: 8 * max(childCount, 0)) { output in
            for slot in 0..<childCount {
                let first = firstPage + slot * step
                if node.level > 0 {
                    output.append(littleEndian: hash(node.nodes[slot], firstPage: first))
                } else if first < fullPageCount {
                    output.append(littleEndian: node.pages[slot].hash)
                } else {
                    let page = node.pages[slot]
                    output.append(littleEndian: xxh3(page.bytes.extracting(first: count - first * pageByteCount)))
                }
            }
        }
        let computed = max(xxh3(hashes.rawSpan), 1)
        if isFull { node.remember(hash: computed) }
        return computed
    }
}
