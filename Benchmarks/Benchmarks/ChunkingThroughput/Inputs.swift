import Foundation

/// What is cut into chunks: the files that scripts/bench-data makes, and random bytes also without it.
enum Inputs {
    /// The folder of the files: `FERRY_BENCH_DATA`, or where scripts/bench-data puts them unless told otherwise.
    static let folder = ProcessInfo.processInfo.environment["FERRY_BENCH_DATA"] ?? "../.cache/bench-data"

    /// The kinds that can be measured.
    static let kinds: [String] = {
        let files = ["text", "json", "sqlite", "elf"].filter { FileManager.default.isReadableFile(atPath: "\(folder)/\($0)") }
        if files.isEmpty {
            FileHandle.standardError.write(Data("No inputs in \(folder): run scripts/bench-data for more than random.\n".utf8))
        }
        return files + ["random"]
    }()

    /// Bytes that one iteration cuts; long enough for 4 chunks of 4 MiB.
    static let byteCount = 16 << 20

    /// The first `byteCount` bytes of a kind.
    static func bytes(_ kind: String) -> [UInt8] {
        if let file = FileManager.default.contents(atPath: "\(folder)/\(kind)"), !file.isEmpty { return [UInt8](file.prefix(byteCount)) }
        var generator = SplitMix64(state: 4_747)
        return (0..<byteCount).map { _ in UInt8(truncatingIfNeeded: generator.next()) }
    }
}

/// The same bytes in every run.
struct SplitMix64: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }
}
