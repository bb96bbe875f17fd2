internal import Ferry
internal import FerryWire
internal import HashTreeCollections

/// The demo's daemon: word → newest positions over the lines that it is fed, and a padding of which every event rewrites 64 bytes.
///
/// All of its state is in structures that share parts, so that a copy is free and the first write after it copies a page.
struct InvertedIndex: StateDigesting {
    static let kind = DaemonKind(name: "inverted-index", schemaVersion: 1)
    static let outputByteCount = 16
    static let rewrittenByteCount = 64
    /// Longer words are cut; a bound for the reader.
    static let maximumWordByteCount = 256
    /// Every event writes somewhere else: the smaller a page, the less the first write to it after a copy costs.
    private static let paddingPageByteCount = PagedBytes.pageByteCounts.lowerBound

    private(set) var postings: TreeDictionary<String, PostingList> = [:]
    private(set) var lineCount: UInt64 = 0
    /// A sum over all postings, in whatever order they came.
    private var postingsHash: UInt64 = 0
    private var positionCount = 0
    private var padding: PagedBytes

    /// An empty index with a padding of incompressible bytes, the same for every instance.
    init(paddingByteCount: Int) {
        padding = PagedBytes(pageByteCount: Self.paddingPageByteCount)
        var noise = Noise(state: 0x0F_E2_21)
        while padding.count < paddingByteCount {
            let wanted = paddingByteCount - padding.count
            padding.appendPart { output in
                var rest = min(wanted, output.freeCapacity)
                while rest >= 8 {
                    output.append(littleEndian: noise.next())
                    rest -= 8
                }
                while rest > 0 {
                    output.append(littleEndian: UInt8(truncatingIfNeeded: noise.next()))
                    rest -= 1
                }
            }
        }
    }

    var predictedByteCount: UInt64 { UInt64(padding.count + positionCount * 8 + postings.count * 16) }

    mutating func process(_ event: CausalEvent, into outputs: inout DaemonOutputs) throws {
        let sequence = event.link.sequence
        var wordCount: UInt64 = 0
        for word in Self.words(in: event.payload) {
            let position = sequence << 16 | min(wordCount, 0xFFFF)
            account(Self.hash(word), position, forgotten: postings[word, default: PostingList()].append(position))
            wordCount += 1
        }
        lineCount += 1
        rewritePadding(sequence)
        outputs.emit(Self.output(sequence: sequence, wordCount: wordCount))
    }

    var stateDigest: FixedBytes32 {
        let bytes = [UInt8](rawCapacity: FixedBytes32.byteCount) { output in
            for word in [lineCount, UInt64(postings.count), postingsHash, padding.digest()] { output.append(littleEndian: word) }
        }
        guard let digest = FixedBytes32(bytes) else { preconditionFailure("four words are 32 bytes") }
        return digest
    }

    /// Counts a position that a word's list has got, and those that it has forgotten for it.
    private mutating func account(_ word: UInt64, _ position: UInt64, forgotten: [UInt64]?) {
        postingsHash &+= Self.hash(word, position)
        positionCount += 1
        for position in forgotten ?? [] {
            postingsHash &-= Self.hash(word, position)
            positionCount -= 1
        }
    }

    private static func hash(_ word: String) -> UInt64 {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in word.utf8 { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01B3 }
        return hash
    }

    private static func hash(_ word: UInt64, _ position: UInt64) -> UInt64 {
        var noise = Noise(state: word ^ position &* 0x9E37_79B9_7F4A_7C15)
        return noise.next()
    }

    /// What the daemon emits for an event: the emitter's sequence, and how many words its line had.
    static func output(sequence: UInt64, wordCount: UInt64) -> [UInt8] {
        [UInt8](rawCapacity: outputByteCount) { output in
            output.append(littleEndian: sequence)
            output.append(littleEndian: wordCount)
        }
    }

    /// Runs of letters and digits, ASCII in lower case; bytes beyond it count as letters.
    static func words(in line: [UInt8]) -> [String] {
        var words: [String] = []
        var word: [UInt8] = []
        for byte in line {
            switch byte {
            case UInt8(ascii: "A")...UInt8(ascii: "Z"): word.append(byte | 0x20)
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), 0x80...: word.append(byte)
            default: close(&word, into: &words)
            }
        }
        close(&word, into: &words)
        return words
    }

    private static func close(_ word: inout [UInt8], into words: inout [String]) {
        guard !word.isEmpty else { return }
        // A byte that is no UTF-8 becomes a character of three.
        words.append(String(decoding: word.prefix(maximumWordByteCount / 4), as: UTF8.self))
        word.removeAll(keepingCapacity: true)
    }

    private mutating func rewritePadding(_ sequence: UInt64) {
        guard padding.count >= Self.rewrittenByteCount else { return }
        var noise = Noise(state: sequence)
        let offset = Int(noise.next() % UInt64(padding.count - Self.rewrittenByteCount + 1))
        let bytes = [UInt8](rawCapacity: Self.rewrittenByteCount) { output in
            while output.freeCapacity >= 8 { output.append(littleEndian: noise.next()) }
        }
        padding.write(bytes.rawSpan, at: offset)
    }

    // The order of a dictionary differs between processes: words are written sorted, so that equal states have equal snapshots.
    func snapshot(into writer: inout SnapshotWriter) async throws {
        writer.write(lineCount)
        writer.writeMark("postings")
        writer.write(UInt64(postings.count))
        for word in postings.keys.sorted() {
            guard let list = postings[word] else { continue }
            writer.write(word)
            writer.write(UInt64(list.count))
            for index in 0..<list.pageCount {
                for position in list.page(at: index) { writer.write(position) }
            }
            try await writer.checkpoint()
        }
        writer.writeMark("padding")
        try await writer.stream(padding)
    }

    init(restoring reader: inout SnapshotReader) async throws {
        self.init(paddingByteCount: 0)
        try await reader.checkpoint()
        lineCount = try reader.read(UInt64.self)
        try reader.readMark("postings")
        let wordCount = try reader.read(UInt64.self)
        for _ in 0..<wordCount {
            // More than a word and its list are long.
            try await reader.checkpoint()
            let word = try reader.readText(limit: Self.maximumWordByteCount)
            let key = Self.hash(word)
            var list = PostingList()
            for _ in 0..<(try reader.read(UInt64.self)) {
                let position = try reader.read(UInt64.self)
                account(key, position, forgotten: list.append(position))
            }
            postings[word] = list
        }
        try await reader.checkpoint()
        try reader.readMark("padding")
        padding = try await reader.streamPagedBytes()
    }
}

/// SplitMix64: cheap bytes that do not compress.
struct Noise {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
