internal import ArgumentParser
internal import FerryCrypto
internal import FerrySodium
internal import FerryWire
internal import Foundation

/// `ferryctl inspect`: says what the bytes of net-mesh's formats are, or why they are none.
struct InspectCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "inspect",
        abstract: "Read hex lines on standard input, write one JSON verdict a line; or print what a seed is the identity of.")

    @Argument(help: "snapshot, message, link, envelope, bindings, reassemble: what each line is; identity: with --seed.")
    var kind: InspectionKind
    @Option(help: "identity: @FILE (0600; 32 raw bytes or 64 hex digits), or '-' for standard input.")
    var seed: String?
    @Flag(help: "Accept a seed in plain hex on the command line.")
    var insecureTestKeys = false
    @OptionGroup var output: OutputOptions

    func validate() throws {
        guard kind == .identity else {
            guard seed == nil else { throw ValidationError("--seed goes with inspect identity") }
            return
        }
        guard let seed else { throw ValidationError("inspect identity needs --seed @FILE or --seed -") }
        // Whatever the value is, it may be a secret: no message repeats it.
        guard seed == "-" || (seed.hasPrefix("@") && seed.count > 1) || insecureTestKeys else {
            throw ValidationError("--seed is @FILE or '-'; plain hex only together with --insecure-test-keys")
        }
    }

    func run() async throws {
        if kind == .identity { return try await identify() }
        do throws(CommandFailure) {
            try inspectLines()
        } catch {
            Console.complain(error.message)
            throw error.status.code
        }
    }

    // MARK: Lines

    private func inspectLines() throws(CommandFailure) {
        let sink = try outputDescriptor()
        defer { if sink != STDOUT_FILENO { close(sink) } }
        var inspection = Inspection(kind)
        var lines = HexLines()
        while true {
            let characters = try ByteStreams.readSome(from: STDIN_FILENO)
            guard !characters.isEmpty else { break }
            guard try answer(lines.take(characters), with: &inspection, to: sink) else { return }
        }
        guard let last = lines.finish() else { return }
        _ = try answer([last], with: &inspection, to: sink)
    }

    /// Answers lines, and writes before the answers to many short ones pile up.
    ///
    /// - Returns: false when nobody reads any more.
    private func answer(_ lines: [HexLine], with inspection: inout Inspection, to sink: Int32) throws(CommandFailure) -> Bool {
        var text = ""
        for line in lines {
            inspection.inspect(line).write(to: &text)
            text += "\n"
            guard text.utf8.count > 1 << 16 else { continue }
            guard try ByteStreams.writeAll(text, to: sink) else { return false }
            text = ""
        }
        return try ByteStreams.writeAll(text, to: sink)
    }

    private func outputDescriptor() throws(CommandFailure) -> Int32 {
        guard let path = output.jsonPath, path != "-" else { return STDOUT_FILENO }
        let descriptor = unsafe open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o666)
        guard descriptor >= 0 else { throw CommandFailure(code: "output", message: "cannot write \(path)") }
        return descriptor
    }

    // MARK: Identity

    private func identify() async throws {
        var output = output
        if output.jsonPath == nil { output.jsonPath = "-" }
        try await output.run {
            let keypair = try EntityKeypair(seed: readSeed(), crypto: .sodium)
            defer { keypair.wipe() }
            return CommandResult(fields: IdentityInspection.fields(of: keypair.entityID))
        }
    }

    private func readSeed() throws -> SecretBytes {
        let allocator = CryptoProvider.sodium.secrets
        guard let seed, seed != "-" else { return try EntitySeed.read(descriptor: STDIN_FILENO, allocator: allocator) }
        if seed.hasPrefix("@") { return try EntitySeed.read(contentsOf: String(seed.dropFirst()), allocator: allocator) }
        return try EntitySeed.parse(Array(seed.utf8).rawSpan, allocator: allocator)
    }
}
