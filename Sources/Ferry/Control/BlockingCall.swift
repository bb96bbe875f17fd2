#if canImport(Glibc)
internal import Glibc
#elseif canImport(Musl)
internal import Musl
#elseif canImport(Darwin)
internal import Darwin
#endif

/// Runs a blocking system call on a thread of its own: the operator's socket is rare and slow, and must not hold a thread of the pool.
func blockingCall<Value: Sendable>(_ body: @escaping @Sendable () throws(FerryError) -> Value) async throws(FerryError) -> Value {
    let result: Result<Value, FerryError> = await withCheckedContinuation { continuation in
        let call = BlockingThread {
            let outcome: Result<Value, FerryError>
            do throws(FerryError) { outcome = .success(try body()) } catch { outcome = .failure(error) }
            continuation.resume(returning: outcome)
        }
        if !call.start() { continuation.resume(returning: .failure(FerryError(.controlSocket, "no thread could be started"))) }
    }
    return try result.get()
}

/// What a new thread runs, once.
private final class BlockingThread: Sendable {
    private let body: @Sendable () -> Void

    init(_ body: @escaping @Sendable () -> Void) { self.body = body }

    func start() -> Bool {
        var thread = pthread_t()
        let context = unsafe Unmanaged.passRetained(self)
        let code = unsafe pthread_create(
            &thread, nil,
            { context in
                if let context = unsafe context { unsafe Unmanaged<BlockingThread>.fromOpaque(context).takeRetainedValue().body() }
                return nil
            }, context.toOpaque())
        guard code == 0 else {
            unsafe context.release()
            return false
        }
        pthread_detach(thread)
        return true
    }
}
