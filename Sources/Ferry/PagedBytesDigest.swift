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
        var pace = CorePace.ifInBackground
        let folded = [UInt8](rawCapacity: 16) { output in
            output.append(littleEndian: UInt64(count))
            output.append(littleEndian: hash(top, firstPage: 0, &pace))
        }
        return xxh3(folded.rawSpan)
    }

    /// The hash of a node: over its children's.
    private func hash(_ node: PagedBytesNode, firstPage: Int, _ pace: inout CorePace?) -> UInt64 {
        let step = node.level == 0 ? 1 : PagedBytesNode.capacity(node.level - 1)
        let childCount = min((pageCount - firstPage + step - 1) / step, PagedBytesNode.fanOut)
        let hashes = [UInt8](rawCapacity: 8 * max(childCount, 0)) { output in
            for slot in 0..<childCount {
                let first = firstPage + slot * step
                output.append(littleEndian: hash(ofChild: slot, of: node, pages: first..<(first + step), &pace))
            }
        }
        return max(xxh3(hashes.rawSpan), 1)
    }

    /// The hash of a child. One that the store ends in is hashed up to there, and not remembered.
    private func hash(ofChild slot: Int, of node: PagedBytesNode, pages: Range<Int>, _ pace: inout CorePace?) -> UInt64 {
        let endsHere = pages.upperBound > count / pageByteCount
        if !endsHere, let known = node.knownHash(of: slot) { return known }
        let computed: UInt64
        if node.level > 0 {
            computed = hash(node.nodes[slot], firstPage: pages.lowerBound, &pace)
        } else {
            let page = node.pages[slot]
            computed = endsHere ? page.hash(first: count - pages.lowerBound * pageByteCount) : page.hash
            pace?.offerCore()
        }
        if !endsHere { node.remember(computed, of: slot) }
        return computed
    }
}
