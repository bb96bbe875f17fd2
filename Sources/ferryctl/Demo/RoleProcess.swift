internal import Foundation
internal import Synchronization

/// One part of the demo: a child process, or a task of this one; commands go in and lines come out.
protocol DemoRole: Sendable {
    /// The child process; nil for a task.
    var processID: Int32? { get }
    /// What it says, a line at a time; ends with it.
    var lines: RoleLines { get }
    /// Sends one line of command.
    func send(_ command: String)
    /// Asks it to end, and waits until it has.
    func finish() async
    /// Ends it at once.
    func kill()
    /// Whether it did not end when it was asked to, within ``ProcessRole/endBound``, and was given up.
    var wasStuck: Bool { get }
}

/// Lines of a role, kept until somebody asks for them; one reader.
struct RoleLines: Sendable {
    let stream: AsyncStream<String>
    let continuation: AsyncStream<String>.Continuation

    init() { (stream, continuation) = AsyncStream.makeStream(of: String.self) }
}

/// A role in a child process of the same executable.
final class ProcessRole: DemoRole {
    /// How long a part may take to end once nobody commands it any more.
    static let endBound = 30
    /// How one exits that took longer.
    static let stuckStatus: Int32 = 75

    let lines = RoleLines()
    private let process: Process
    private let input = Pipe()
    private let ended = Signal()

    init(configurationPath: String) throws {
        process = Process()
        process.executableURL = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
        process.arguments = ["demo-role", configurationPath]
        process.standardInput = input
        let output = Pipe()
        process.standardOutput = output
        let lines = lines
        let ended = ended
        process.terminationHandler = { _ in ended.set() }
        try process.run()
        LineAssembler.read(output.fileHandleForReading, into: lines)
    }

    var processID: Int32? { process.processIdentifier }

    func send(_ command: String) {
        // A role that was killed reads nothing more: the broken pipe is expected then.
        try? input.fileHandleForWriting.write(contentsOf: Data((command + "\n").utf8))
    }

    func kill() {
        // The number of one that has ended may be another's.
        if process.isRunning { Foundation.kill(process.processIdentifier, SIGKILL) }
    }

    var wasStuck: Bool {
        !process.isRunning && process.terminationReason == .exit && process.terminationStatus == Self.stuckStatus
    }

    func finish() async {
        try? input.fileHandleForWriting.close()
        await ended.wait()
    }
}

/// Cuts bytes into lines.
final class LineAssembler: Sendable {
    private let rest = Mutex(Data())
    private let emit: @Sendable (String) -> Void

    init(emit: @escaping @Sendable (String) -> Void) { self.emit = emit }

    /// Reads a handle to its end on a thread of its own: handlers of file handles race with the closing of their descriptors.
    static func read(_ handle: FileHandle, into lines: RoleLines) {
        Thread.detachNewThread {
            let assembler = LineAssembler { lines.continuation.yield($0) }
            while true {
                let data = handle.availableData
                if data.isEmpty { break }
                assembler.take(data)
            }
            lines.continuation.finish()
        }
    }

    func take(_ data: Data) {
        let complete: [String] = rest.withLock { rest in
            rest.append(data)
            var lines: [String] = []
            while let newline = rest.firstIndex(of: UInt8(ascii: "\n")) {
                lines.append(String(decoding: rest[rest.startIndex..<newline], as: UTF8.self))
                rest.removeSubrange(rest.startIndex...newline)
            }
            return lines
        }
        for line in complete { emit(line) }
    }
}

/// Happens once; whoever waits, before or after, goes on.
final class Signal: Sendable {
    private enum State {
        case waiting([CheckedContinuation<Void, Never>])
        case happened
    }

    private let state = Mutex(State.waiting([]))

    func set() {
        let waiting: [CheckedContinuation<Void, Never>] = state.withLock { state in
            guard case .waiting(let continuations) = state else { return [] }
            state = .happened
            return continuations
        }
        for continuation in waiting { continuation.resume() }
    }

    func wait() async {
        await withCheckedContinuation { continuation in
            let happened = state.withLock { state in
                guard case .waiting(let continuations) = state else { return true }
                state = .waiting(continuations + [continuation])
                return false
            }
            if happened { continuation.resume() }
        }
    }
}
