internal import ArgumentParser
internal import FerryWire
internal import Foundation

/// What a benchmark's state consists of.
enum BenchDataKind: String, ExpressibleByArgument, CaseIterable, Codable, Sendable {
    case random, text, json, sqlite, elf
    /// All of the others in turn, a mebibyte each.
    case mixed
}

/// The bytes of a benchmark's state, piece by piece: the same in every process and every run.
struct BenchData: Sendable {
    static let pieceByteCount = 1 << 20
    static let environmentKey = "FERRY_BENCH_DATA"

    /// Where scripts/bench-data puts its files unless told otherwise.
    static let folder: String = {
        if let folder = ProcessInfo.processInfo.environment[environmentKey] { return folder }
        var root = URL(fileURLWithPath: #filePath)
        for _ in 0..<4 { root.deleteLastPathComponent() }
        return root.appendingPathComponent(".cache/bench-data").path
    }()

    let kind: BenchDataKind
    /// One per kind of file; none stands for noise.
    private let files: [PieceFile?]

    /// Opens the files that the kind needs.
    ///
    /// - Throws: `data` when one of them is missing.
    init(_ kind: BenchDataKind, folder: String = BenchData.folder) throws(CommandFailure) {
        self.kind = kind
        let kinds: [BenchDataKind] = kind == .mixed ? [.text, .json, .sqlite, .elf, .random] : [kind]
        var files: [PieceFile?] = []
        for kind in kinds {
            files.append(kind == .random ? nil : try PieceFile("\(folder)/\(kind.rawValue)", pieceByteCount: Self.pieceByteCount))
        }
        self.files = files
    }

    /// Whether the files of every kind are there.
    static var hasFiles: Bool { (try? BenchData(.mixed)) != nil }

    /// Gives `byteCount` bytes to `body`, a piece at a time; files are repeated as often as it takes.
    func forEachPiece<E: Error>(upTo byteCount: Int, _ body: ([UInt8]) throws(E) -> Void) throws(E) {
        var noise = Noise(state: 0x0F_E2_21)
        var given = 0
        var index = 0
        while given < byteCount {
            let wanted = min(Self.pieceByteCount, byteCount - given)
            let piece: [UInt8]
            if let file = files[index % files.count] {
                piece = Array(file.piece(index / files.count).prefix(wanted))
            } else {
                piece = [UInt8](rawCapacity: wanted) { output in
                    while output.freeCapacity >= 8 { output.append(littleEndian: noise.next()) }
                    while output.freeCapacity > 0 { output.append(littleEndian: UInt8(truncatingIfNeeded: noise.next())) }
                }
            }
            try body(piece)
            given += piece.count
            index += 1
        }
    }

    /// `byteCount` bytes in one piece.
    func bytes(_ byteCount: Int) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(byteCount)
        forEachPiece(upTo: byteCount) { (piece) throws(Never) in bytes += piece }
        return bytes
    }
}

/// A file that is read in pieces, over and over.
private struct PieceFile: Sendable {
    let contents: Data
    let pieceByteCount: Int

    init(_ path: String, pieceByteCount: Int) throws(CommandFailure) {
        guard let contents = try? Data(contentsOf: URL(fileURLWithPath: path), options: .alwaysMapped), !contents.isEmpty else {
            throw CommandFailure(
                code: "data", message: "there is no \(path): run scripts/bench-data, or name its folder in \(BenchData.environmentKey)")
        }
        self.contents = contents
        self.pieceByteCount = pieceByteCount
    }

    func piece(_ index: Int) -> [UInt8] {
        let pieceCount = (contents.count + pieceByteCount - 1) / pieceByteCount
        let start = contents.startIndex + index % pieceCount * pieceByteCount
        return [UInt8](contents[start..<min(start + pieceByteCount, contents.endIndex)])
    }
}
