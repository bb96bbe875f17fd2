internal import ArgumentParser
internal import Ferry
internal import FerryChunking
internal import FerryCrypto
internal import FerrySodium
internal import FerryStateMachines
internal import FerryTransports
internal import FerryUDP
internal import FerryUnixSocket
internal import FerryWire
internal import FerryZstd
internal import Foundation
internal import Logging

/// The flags of `ferryctl node`; a file given with `--config` has the same names, as one JSON object.
struct NodeOptions: ParsableArguments {
    @Option(help: "A JSON file with the same names as these flags; flags win over it, lists are joined.")
    var config: String?
    @Option(help: "Where to listen: udp:host:port or unix:/path. Repeatable.")
    var listen: [String] = []
    @Option(help: "The node's identity file; made if it does not exist (default: ~/.ferry/identity).")
    var identity: String?
    @Option(help: "A peer to dial at the start: scheme:rest#NODEKEY. Repeatable.")
    var peer: [String] = []
    @Option(help: "A node key that may connect, or 'any'. Repeatable; without it nobody is accepted.")
    var allow: [String] = []
    @Option(help: "A node key that may order moves from here, and of third nodes' daemons to here. Repeatable.")
    var allowOrchestrator: [String] = []
    @Option(name: .customLong("operator"), help: "A key (hex) whose signature makes an order good here, whoever passes it on. Repeatable.")
    var operatorKey: [String] = []
    @Option(help: "A node key that may move daemons to here (default: whoever is allowed). Repeatable.")
    var allowSource: [String] = []
    @Option(help: "The operator's socket (default: $XDG_RUNTIME_DIR/ferry/<nodeID>.sock or ~/.ferry/run/<nodeID>.sock).")
    var control: String?
    @Option(help: "Move every daemon there before stopping: scheme:rest#NODEKEY.")
    var drainTo: String?
    @Option(help: "Host a demo daemon with a padding of this size.")
    var spawnDemo: ByteSize?

    /// The flags over the file.
    func merged() throws -> NodeSettings {
        var settings = NodeSettings()
        if let config {
            guard let data = FileManager.default.contents(atPath: config) else {
                throw CommandFailure(code: "config", message: "cannot read \(config)")
            }
            do {
                settings = try JSONDecoder().decode(NodeSettings.File.self, from: data).settings()
            } catch let failure as CommandFailure {
                throw failure
            } catch {
                throw CommandFailure(code: "config", message: "\(config) is not a JSON object with the names of the flags", status: .usage)
            }
        }
        settings.listen += listen
        settings.peers += peer
        settings.allowed += allow
        settings.orchestrators += allowOrchestrator
        settings.operators += operatorKey
        if !allowSource.isEmpty { settings.sources = (settings.sources ?? []) + allowSource }
        settings.identity = identity ?? settings.identity
        settings.control = control ?? settings.control
        settings.drainTo = drainTo ?? settings.drainTo
        settings.spawnedDemoByteCount = spawnDemo?.byteCount ?? settings.spawnedDemoByteCount
        return settings
    }
}

/// What a node of the command line is made of.
struct NodeSettings {
    var listen: [String] = []
    var identity: String?
    var peers: [String] = []
    var allowed: [String] = []
    var orchestrators: [String] = []
    var operators: [String] = []
    /// Nil where nothing is said of sources; an empty list is nobody.
    var sources: [String]?
    var control: String?
    var drainTo: String?
    var spawnedDemoByteCount: Int?

    /// The file's form.
    struct File: Decodable {
        enum CodingKeys: String, CodingKey, CaseIterable {
            case listen, identity, peer, allow, control
            case allowOrchestrator = "allow-orchestrator"
            case allowSource = "allow-source"
            case operators = "operator"
            case drainTo = "drain-to"
            case spawnDemo = "spawn-demo"
        }

        /// Any key, so that one that no flag has is found: a misspelt restriction must not be none.
        private struct AnyKey: CodingKey {
            var stringValue: String
            var intValue: Int? { nil }
            init?(stringValue: String) { self.stringValue = stringValue }
            init?(intValue: Int) { nil }
        }

        var listen: [String]?
        var identity: String?
        var peer: [String]?
        var allow: [String]?
        var allowOrchestrator: [String]?
        var allowSource: [String]?
        var operators: [String]?
        var control: String?
        var drainTo: String?
        var spawnDemo: String?

        init(from decoder: any Decoder) throws {
            let known = Set(CodingKeys.allCases.map(\.rawValue))
            for key in try decoder.container(keyedBy: AnyKey.self).allKeys where !known.contains(key.stringValue) {
                throw CommandFailure(code: "config", message: "\"\(key.stringValue)\" in the configuration is no flag", status: .usage)
            }
            let values = try decoder.container(keyedBy: CodingKeys.self)
            func list(_ key: CodingKeys) throws -> [String]? { values.contains(key) ? try values.decode([String].self, forKey: key) : nil }
            func text(_ key: CodingKeys) throws -> String? { values.contains(key) ? try values.decode(String.self, forKey: key) : nil }
            (listen, peer, allow, operators) = (try list(.listen), try list(.peer), try list(.allow), try list(.operators))
            (allowOrchestrator, allowSource) = (try list(.allowOrchestrator), try list(.allowSource))
            (identity, control, drainTo, spawnDemo) =
                (try text(.identity), try text(.control), try text(.drainTo), try text(.spawnDemo))
        }

        func settings() throws -> NodeSettings {
            let padding = try spawnDemo.map { text in
                guard let size = ByteSize(argument: text) else {
                    throw CommandFailure(code: "config", message: "spawn-demo: \"\(text)\" is no size", status: .usage)
                }
                return size.byteCount
            }
            return NodeSettings(
                listen: listen ?? [], identity: identity, peers: peer ?? [], allowed: allow ?? [], orchestrators: allowOrchestrator ?? [],
                operators: operators ?? [], sources: allowSource, control: control, drainTo: drainTo, spawnedDemoByteCount: padding)
        }
    }

    /// Reads the identity and picks the plug-ins.
    func composition(observers: [any NodeObserver]) throws -> Composition {
        let crypto = CryptoProvider.composite
        let identity = try loadIdentity(crypto)
        var composition = Composition(
            identity: identity, crypto: crypto, transports: try transports(), compressors: [Zstd(), Uncompressed()],
            daemons: [DaemonRegistration(InvertedIndex.self)])
        composition.peers = allowed.contains("any") ? .anyNode : .nodes(try keys(allowed, "--allow"))
        composition.knownPeers = try peers.map { try Endpoint(argument: $0, of: "--peer") }
        composition.orchestrators = try keys(orchestrators, "--allow-orchestrator")
        composition.operators = Set(try operators.map(Self.operatorKey))
        composition.sources = try sources.map { try keys($0, "--allow-source") }
        composition.observers = observers
        composition.controlSocketPath = try control ?? ControlSocketPath.standard(for: identity.nodeKey.nodeID)
        composition.logger = Logger(label: "ferry") { StreamLogHandler.standardError(label: $0) }
        composition.logger.logLevel = .warning
        return composition
    }

    private func loadIdentity(_ crypto: CryptoProvider) throws -> NodeIdentity {
        let home = ProcessInfo.processInfo.environment["HOME"] ?? "."
        let path = identity ?? "\(home)/.ferry/identity"
        guard FileManager.default.fileExists(atPath: path) else { return try NodeIdentity.create(at: path, crypto: crypto) }
        return try NodeIdentity(contentsOf: path, crypto: crypto)
    }

    private func transports() throws -> [any Transport] {
        let listening = try listen.map { text in
            guard let address = TransportAddress(text) else {
                throw CommandFailure(code: "invalidAddress", message: "\"\(text)\" is not of the form scheme:rest", status: .usage)
            }
            return try TransportChoice.listening(on: address, network: nil)
        }
        // What is not listened on can still be dialled.
        let missing = ["udp", "unix"].filter { scheme in !listening.contains { $0.scheme == scheme } }
        return try listening + missing.map { try TransportChoice.dialling(scheme: $0, network: nil) }
    }

    private static func operatorKey(_ text: String) throws(CommandFailure) -> EntityID {
        guard let key = EntityID(hex: text) else {
            throw CommandFailure(code: "invalidKey", message: "--operator: \"\(text)\" is not a key of 64 hex digits", status: .usage)
        }
        return key
    }

    private func keys(_ texts: [String], _ flag: String) throws -> Set<NodeKey> {
        Set(
            try texts.map { text in
                guard let key = NodeKey(hex: text) else {
                    throw CommandFailure(
                        code: "invalidKey", message: "\(flag): \"\(text)\" is not a node key of 64 hex digits", status: .usage)
                }
                return key
            })
    }
}

extension Endpoint {
    /// An endpoint that a flag names; anything else is wrong usage.
    init(argument: String, of flag: String) throws(CommandFailure) {
        do throws(FerryError) {
            self = try Endpoint(argument)
        } catch {
            throw CommandFailure(code: error.code.description, message: "\(flag): \(error.message)", status: .usage)
        }
        guard nodeKey != nil else {
            throw CommandFailure(
                code: "invalidEndpoint", message: "\(flag): \(argument) names no node key: add #NODEKEY", status: .usage)
        }
    }
}

/// Where the operator's sockets are.
enum ControlSocketPath {
    /// The default path of a node.
    static func standard(for node: NodeID) throws -> String {
        try folder() + "/\(node).sock"
    }

    /// The given socket, or the only one in the default folder.
    static func resolve(_ path: String?) throws -> String {
        if let path { return path }
        let folder = try folder()
        let names = ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []).filter { $0.hasSuffix(".sock") }.sorted()
        switch names.count {
        case 0: throw CommandFailure(code: "controlSocket", message: "no node runs: there is no socket in \(folder); give --node PATH")
        case 1: return "\(folder)/\(names[0])"
        default:
            throw CommandFailure(
                code: "controlSocket", message: "several nodes run in \(folder): \(names.joined(separator: ", ")); give --node PATH")
        }
    }

    private static func folder() throws -> String {
        guard let folder = ControlClient.defaultFolder(environment: ProcessInfo.processInfo.environment) else {
            throw CommandFailure(code: "controlSocket", message: "neither XDG_RUNTIME_DIR nor HOME is set; give the socket's path")
        }
        return folder
    }
}
