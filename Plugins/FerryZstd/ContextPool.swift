internal import FerryChunking
internal import Synchronization

/// The idle contexts of both kinds.
final class ContextPool: Sendable {
    let compression: Shelf<CompressionContext>
    let decompression: Shelf<DecompressionContext>

    init(idleContextCount: Int) {
        compression = Shelf(capacity: idleContextCount)
        decompression = Shelf(capacity: idleContextCount)
    }
}

/// A reusable libzstd context, used by one call at a time.
protocol Context: AnyObject, Sendable {
    init?()
    /// Bytes that the context holds between calls.
    var byteCount: Int { get }
}

/// Idle contexts, at most `capacity` of them.
final class Shelf<Item: Context>: Sendable {
    private static var maximumIdleByteCount: Int { 8 << 20 }

    private let capacity: Int
    private let idle = Mutex<[Item]>([])

    init(capacity: Int) {
        self.capacity = max(capacity, 0)
    }

    func acquire() throws(ChunkingError) -> Item {
        if let context = idle.withLock({ $0.popLast() }) { return context }
        guard let context = Item() else { throw ChunkingError(.compressorFailed, "no memory for a zstd context") }
        return context
    }

    func release(_ context: Item) {
        guard context.byteCount <= Self.maximumIdleByteCount else { return }
        idle.withLock { idle in
            if idle.count < capacity { idle.append(context) }
        }
    }

    var idleCount: Int { idle.withLock { $0.count } }
}
