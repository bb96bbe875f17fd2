internal import FerryWire

/// A window of a byte stream, addressed by stream offsets; its capacity is a power of two and doubles on demand.
struct ByteRing: ~Copyable {
    private var storage = RawStorage()

    /// How many consecutive bytes it can hold now.
    var capacity: Int { storage.byteCount }

    /// Makes room for `count` bytes from `start` on, keeping those in `start ..< start + kept`.
    mutating func reserve(_ count: Int, from start: UInt64, keeping kept: Int) {
        guard count > capacity else { return }
        var size = max(capacity, 4096)
        while size < count { size *= 2 }
        var larger = RawStorage(byteCount: size)
        var copied = 0
        while copied < kept {
            let offset = start + UInt64(copied)
            let from = position(offset)
            let to = Int(truncatingIfNeeded: offset) & (size - 1)
            let part = min(kept - copied, capacity - from, size - to)
            larger.write(storage, from: from, count: part, at: to)
            copied += part
        }
        storage = larger
    }

    /// Copies `bytes` to the place of `offset`; the caller guarantees the capacity.
    mutating func write(_ bytes: RawSpan, at offset: UInt64) {
        let start = position(offset)
        let first = min(bytes.byteCount, capacity - start)
        storage.write(bytes.extracting(first: first), at: start)
        if first < bytes.byteCount {
            storage.write(bytes.extracting(droppingFirst: first), at: 0)
        }
    }

    /// Copies `count` bytes from `offset` to `target`.
    func copy(_ count: Int, at offset: UInt64, into target: inout RawStorage, at targetOffset: Int) {
        guard count > 0 else { return }
        let start = position(offset)
        let first = min(count, capacity - start)
        target.write(storage, from: start, count: first, at: targetOffset)
        if first < count {
            target.write(storage, from: 0, count: count - first, at: targetOffset + first)
        }
    }

    /// Appends `count` bytes from `offset` to `output`; the caller guarantees the free capacity.
    func copy(_ count: Int, at offset: UInt64, into output: inout OutputRawSpan) {
        guard count > 0 else { return }
        let start = position(offset)
        let first = min(count, capacity - start)
        output.append(contentsOf: storage.bytes(start, first))
        if first < count {
            output.append(contentsOf: storage.bytes(0, count - first))
        }
    }

    /// Appends `count` bytes from `offset` to an array.
    func copy(_ count: Int, at offset: UInt64, into array: inout [UInt8]) {
        guard count > 0 else { return }
        let start = position(offset)
        let first = min(count, capacity - start)
        array.append(contentsOf: storage.bytes(start, first))
        if first < count { array.append(contentsOf: storage.bytes(0, count - first)) }
    }

    /// The byte at `offset`.
    func byte(at offset: UInt64) -> UInt8 { storage.bytes(position(offset), 1).byte(at: 0) }

    /// Frees the memory.
    mutating func release() { storage = RawStorage() }

    private func position(_ offset: UInt64) -> Int { Int(truncatingIfNeeded: offset) & (capacity - 1) }
}
