internal import Foundation

/// What a process of the demo is told at its start, as a file that only its owner reads.
struct RoleConfiguration: Codable, Sendable {
    enum Kind: String, Codable, Sendable {
        /// A node that may host the daemon.
        case node
        /// The emitter outside of the nodes.
        case emitter
        /// What lies between the nodes.
        case relay
    }

    var kind: Kind
    /// One word for a person: `a`, `b`, `orchestrator`, `emitter`.
    var name: String
    var identityPath: String
    var transport: DemoTransport
    /// `scheme:rest`; nil to dial only.
    var listenAddress: String?
    var crypto: DemoCrypto
    var compression: DemoCompression
    /// The largest frame of unix and memory links; nil for their default.
    var frameByteCount: Int?
    /// Keys of the nodes that may open sessions, and of those that may order moves.
    var allowedKeys: [String]
    var orchestratorKeys: [String]
    /// Who is dialled at the start, and asked for a daemon that is not where it was.
    var knownPeers: [String]?
    /// How long a node that has taken a daemon in waits for its source's word; nil for the default.
    var promiseSeconds: Int?
    /// Where a node writes what it processed.
    var processedLogPath: String
    var controlPath: String?
    /// Die when a move reaches this moment.
    var killMoment: DemoKill.Moment?
    /// How this node moves daemons; nil for stop-and-copy, which any daemon can.
    var mode: DemoMode?
    /// The daemon's padding in bytes.
    var stateByteCount: Int
    /// The emitter's events per second, its lines, and how many it offers at most.
    var eventRate: Int
    var linesPath: String
    var eventCount: Int?

    func write(to path: String) throws {
        let data = try JSONEncoder().encode(self)
        guard FileManager.default.createFile(atPath: path, contents: data, attributes: [.posixPermissions: 0o600]) else {
            throw CommandFailure(code: "file", message: "cannot write \(path)")
        }
    }

    init(contentsOf path: String) throws {
        self = try JSONDecoder().decode(Self.self, from: Data(contentsOf: URL(fileURLWithPath: path)))
    }

    /// The least that a role needs; the rest is set afterwards.
    init(kind: Kind, name: String, identityPath: String, transport: DemoTransport) {
        self.kind = kind
        self.name = name
        self.identityPath = identityPath
        self.transport = transport
        crypto = .default
        compression = .adaptive
        allowedKeys = []
        orchestratorKeys = []
        processedLogPath = ""
        stateByteCount = 0
        eventRate = 0
        linesPath = ""
    }

    init(kind: Kind, name: String, folder: DemoFolder, options: DemoOptions) {
        self.kind = kind
        self.name = name
        identityPath = folder.path("\(name).identity")
        transport = options.transport
        crypto = options.crypto
        compression = options.compression
        allowedKeys = []
        orchestratorKeys = []
        processedLogPath = folder.path("\(name).processed")
        mode = options.mode
        controlPath = kind == .node ? folder.path("\(name).control") : nil
        stateByteCount = options.stateSize.byteCount
        eventRate = options.eventRate
        linesPath = folder.path("lines")
        eventCount = options.events
    }
}

/// A private folder for one run, removed at its end.
final class DemoFolder: Sendable {
    let root: String

    init() throws {
        var template = Array((NSTemporaryDirectory() + "/ferry-demo-XXXXXX").utf8CString)
        guard unsafe mkdtemp(&template) != nil else {
            throw CommandFailure(code: "file", message: "cannot make a folder in \(NSTemporaryDirectory()): \(SystemError.current)")
        }
        root = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    deinit { remove() }

    /// At the end of the run, also when somebody still holds the folder.
    func remove() { Self.remove(root) }

    /// Removes a folder of that name, whoever is about to write into it or to remove it as well.
    static func remove(_ root: String) {
        let gone = root + ".gone"
        _ = unsafe rename(root, gone)
        for _ in 0..<100 where FileManager.default.fileExists(atPath: gone) { try? FileManager.default.removeItem(atPath: gone) }
    }

    func path(_ name: String) -> String { root + "/" + name }
}
