import FerryWire
import Testing

@testable import Ferry

@Suite struct ArrivalMemoryTests {
    private let mebibyte: UInt64 = 1 << 20

    @Test("offers are taken up to the limit in sum, and not one past it; what is over gives its part back")
    func sum() {
        let memory = ArrivalMemory(byteCount: 10 * mebibyte)
        var first = memory.reserve(offer: 6 * mebibyte)
        #expect(first != nil)
        #expect(memory.reserve(offer: 4 * mebibyte + 1) == nil)
        let second = memory.reserve(offer: 4 * mebibyte)
        #expect(second != nil)
        #expect(memory.reserve(offer: 1) == nil)
        first = nil
        #expect(memory.takenByteCount == 4 * mebibyte)
        #expect(memory.reserve(offer: 6 * mebibyte) != nil)
    }

    @Test("an offer without an estimate reserves the floor, and its state what others leave")
    func unknown() throws {
        let memory = ArrivalMemory(byteCount: 10 * mebibyte)
        #expect(memory.longestState(offer: 0) == 10 * mebibyte)
        let unknown = try #require(memory.reserve(offer: 0))
        #expect(memory.takenByteCount == ArrivalMemory.floorByteCount)
        let other = try #require(memory.reserve(offer: 5 * mebibyte))
        #expect(unknown.cover(5 * mebibyte))
        #expect(!unknown.cover(5 * mebibyte + 1))
        #expect(!other.cover(5 * mebibyte + 1))
        #expect(unknown.cover(4 * mebibyte))
    }

    @Test("a state is at most its offer, or the floor, times the slack")
    func slack() {
        let memory = ArrivalMemory(byteCount: 100 * mebibyte)
        #expect(memory.longestState(offer: 1) == ArrivalMemory.floorByteCount * ArrivalMemory.slack)
        #expect(memory.longestState(offer: 2 * mebibyte) == 2 * mebibyte * ArrivalMemory.slack)
        #expect(memory.longestState(offer: 90 * mebibyte) == 100 * mebibyte)
        #expect(memory.longestState(offer: .max) == 100 * mebibyte)
    }

    @Test("an offer above the limit is declined, a state without an estimate that outgrows it is stopped, and the source goes on")
    func moves() async throws {
        let configure = { @Sendable (_: Int, composition: inout Composition) in
            composition.limits.arrivingByteCount = 4 << 20
            composition.daemons.append(DaemonRegistration(UnestimatedDaemon.self))
        }
        try await withHosts(2, configure: configure) { nodes in
            let offered = try await nodes[0].spawn(LedgerDaemon(seed: 110, paddingByteCount: 8 << 20))
            let silent = try await nodes[0].spawn(UnestimatedDaemon(byteCount: 8 << 20))
            for (daemon, code) in [(offered, FerryError.Code.declined), (silent, .rolledBack)] {
                let handle = try await nodes[0].migrate(daemon, to: nodes[1].endpoint)
                let error = await #expect(throws: FerryError.self) { _ = try await handle.value }
                #expect(error?.code == code, "\(String(describing: error))")
                await eventually { await nodes[0].daemons.first { $0.entity == daemon }?.standing == .active }
            }
            let small = try await nodes[0].spawn(UnestimatedDaemon(byteCount: 3 << 20))
            _ = try await nodes[0].migrate(small, to: nodes[1].endpoint).value
        }
    }
}

/// Never says how large it is.
struct UnestimatedDaemon: Daemon {
    static let kind = DaemonKind(name: "unestimated", schemaVersion: 1)
    var padding: PagedBytes

    init(byteCount: Int) { padding = PagedBytes(repeating: 3, count: byteCount) }

    mutating func process(_ event: CausalEvent, into outputs: inout DaemonOutputs) throws {}

    func snapshot(into writer: inout SnapshotWriter) async throws { try await writer.stream(padding) }

    init(restoring reader: inout SnapshotReader) async throws { padding = try await reader.streamPagedBytes() }
}
