internal import Foundation

/// The resident set of a process, as /proc tells it; nil once the process is gone.
enum ResidentMemory {
    /// Bytes resident now.
    static func current(of process: Int32) -> Int? { field("VmRSS", of: process) }

    /// The most bytes that were resident since the start or the last `resetPeak`.
    static func peak(of process: Int32) -> Int? { field("VmHWM", of: process) }

    /// Starts the peak anew (proc(5), clear_refs).
    static func resetPeak(of process: Int32) {
        guard let handle = FileHandle(forWritingAtPath: "/proc/\(process)/clear_refs") else { return }
        try? handle.write(contentsOf: Data("5".utf8))
        try? handle.close()
    }

    private static func field(_ name: String, of process: Int32) -> Int? {
        guard let status = try? String(contentsOfFile: "/proc/\(process)/status", encoding: .utf8) else { return nil }
        for line in status.split(separator: "\n") where line.hasPrefix(name + ":") {
            let digits = line.filter(\.isNumber)
            return Int(digits).map { $0 * 1024 }
        }
        return nil
    }
}

/// What one node's memory did over the moves: the peaks, and the most that went beyond what the state itself needs.
struct MemoryWatch: Sendable {
    private(set) var peak = 0
    private(set) var peakExtra = 0
    private var before = 0

    /// Samples just before a move.
    mutating func begin(_ process: Int32) {
        before = ResidentMemory.current(of: process) ?? 0
        ResidentMemory.resetPeak(of: process)
    }

    /// Samples just after a move.
    ///
    /// - Parameter added: what the state adds on this node: its size on a target, 0 on a source.
    mutating func end(_ process: Int32, added: Int) {
        guard let peakNow = ResidentMemory.peak(of: process) else { return }
        peak = max(peak, peakNow)
        peakExtra = max(peakExtra, peakNow - before - added)
    }
}
