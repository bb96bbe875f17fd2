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
final class ProcessedLog: Sendable {
    private let descriptor: Int32

    init(creating path: String) throws {
        descriptor = unsafe open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            throw CommandFailure(code: "log", message: "cannot create \(path): \(SystemError.current)")
        }
    }

    deinit { close(descriptor) }

    func append(_ event: CausalEvent, epoch: Epoch) {
        let record = [UInt8](rawCapacity: ProcessedRecord.byteCount) { output in
            output.append(littleEndian: MonotonicClock.now)
            output.append(littleEndian: epoch.rawValue)
            event.link.append(to: &output)
            output.append(contentsOf: event.payload.rawSpan)
        }
        let written = unsafe record.withUnsafeBytes { unsafe write(descriptor, $0.baseAddress, $0.count) }
        precondition(written == record.count, "the processed log takes whole records")
    }

    /// Reads the records of a finished (or killed) process; a torn last record is left out.
    static func read(_ path: String) throws -> [ProcessedRecord] {
        guard FileManager.default.fileExists(atPath: path) else { return [] }
        return decode([UInt8](try Data(contentsOf: URL(fileURLWithPath: path))))
    }

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
