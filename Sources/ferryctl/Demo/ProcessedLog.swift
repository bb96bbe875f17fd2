internal import FerryWire
internal import Foundation
internal import Synchronization

/// One processed event, as the node that processed it wrote it down: independent of what the daemon says about itself.
struct ProcessedRecord: Sendable, Hashable {
    static let byteCount = 16 + CausalLink.byteCount + InvertedIndex.outputByteCount

    /// Monotonic nanoseconds, comparable across the processes of one machine.
    var processedAt: UInt64
    /// The daemon's output for the event.
    var link: CausalLink
    /// The output's payload.
    var payload: [UInt8]
    /// The fencing number under which the node had the daemon.
    var epoch: UInt64 = 0
    /// The emitter's sequence of the event, as the daemon echoes it in its output.
    var emitterSequence: UInt64 { payload.rawSpan.littleEndianUInt64(at: 0) }
}

/// A file of records, written with one `write` each so that a killed process loses none.
private final class RecordFile: Sendable {
    private let descriptor: Int32

    init(creating path: String) throws {
        descriptor = unsafe open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            throw CommandFailure(code: "log", message: "cannot create \(path): \(SystemError.current)")
        }
    }

    deinit { close(descriptor) }

    func append(_ record: [UInt8]) {
        let written = unsafe record.withUnsafeBytes { unsafe write(descriptor, $0.baseAddress, $0.count) }
        precondition(written == record.count, "the log takes whole records")
    }

    /// The bytes that a finished (or killed) process has written.
    static func read(_ path: String) throws -> [UInt8] {
        guard FileManager.default.fileExists(atPath: path) else { return [] }
        return [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
    }
}

/// When a node's daemon was fenced for a move.
struct FenceLog: Sendable {
    private let file: RecordFile

    /// A file beside a node's log of processed events.
    init(beside path: String) throws { file = try RecordFile(creating: Self.path(beside: path)) }

    func append() { file.append([UInt8](rawCapacity: 8) { $0.append(littleEndian: MonotonicClock.now) }) }

    /// Monotonic nanoseconds, oldest first.
    static func read(beside path: String) throws -> [UInt64] {
        let bytes = try RecordFile.read(Self.path(beside: path))
        return (0..<bytes.count / 8).map { bytes.rawSpan.littleEndianUInt64(at: $0 * 8) }
    }

    private static func path(beside path: String) -> String { path + ".fences" }
}

/// A file of the events that a node has processed.
struct ProcessedLog: Sendable {
    private let file: RecordFile

    init(creating path: String) throws { file = try RecordFile(creating: path) }

    func append(_ event: CausalEvent, epoch: Epoch) {
        let record = [UInt8](rawCapacity: ProcessedRecord.byteCount) { output in
            output.append(littleEndian: MonotonicClock.now)
            output.append(littleEndian: epoch.rawValue)
            event.link.append(to: &output)
            output.append(contentsOf: event.payload.rawSpan)
        }
        file.append(record)
    }

    /// Reads the records of a finished (or killed) process; a torn last record is left out.
    static func read(_ path: String) throws -> [ProcessedRecord] { decode(try RecordFile.read(path)) }

    /// The whole records in `bytes`, oldest first.
    static func decode(_ bytes: [UInt8]) -> [ProcessedRecord] {
        (0..<bytes.count / ProcessedRecord.byteCount).compactMap { index in
            let record = bytes.rawSpan.extracting(index * ProcessedRecord.byteCount..<(index + 1) * ProcessedRecord.byteCount)
            guard let link = CausalLink(copying: record.extracting(16..<16 + CausalLink.byteCount)) else { return nil }
            let payload = [UInt8](copying: record.extracting(16 + CausalLink.byteCount..<ProcessedRecord.byteCount))
            return ProcessedRecord(
                processedAt: record.littleEndianUInt64(at: 0), link: link, payload: payload, epoch: record.littleEndianUInt64(at: 8))
        }
    }
}

/// What the operating system says of the last failed call.
enum SystemError {
    static var current: String { unsafe strerror(errno).map { unsafe String(cString: $0) } ?? "error \(errno)" }
}

/// The machine's monotonic clock, the same for all processes.
enum MonotonicClock {
    /// Nanoseconds since boot.
    static var now: UInt64 {
        var time = timespec()
        unsafe clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }
}
