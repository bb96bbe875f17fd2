internal import FerryTransports
internal import FerryWire
internal import Foundation
internal import Synchronization

/// Stands before one node: carries frames between whoever dials it and the node, as badly as the weather is.
final class RelayGate: Sendable {
    private struct State: Sendable {
        var aim: TransportAddress?
        var weather = Weather.fair
        var dice: FateDice
        var counts = RelayCounts()
        var links: [ObjectIdentifier: LinkPair] = [:]
    }

    private let transport: any Transport
    private let listener: any TransportListener
    private let state: Mutex<State>

    /// Listens at an address.
    init(at address: TransportAddress, seed: UInt64) async throws {
        transport = try TransportChoice.listening(on: address, network: nil)
        guard let listener = try await Self.listen(transport) else {
            throw CommandFailure(code: "transport", message: "\(address) did not listen")
        }
        self.listener = listener
        state = Mutex(State(dice: FateDice(seed: seed)))
    }

    private static func listen(_ transport: some Transport) async throws -> (any TransportListener)? { try await transport.listen() }

    var address: TransportAddress { listener.localAddress }
    var counts: RelayCounts { state.withLock { $0.counts } }

    func aim(at address: TransportAddress) { state.withLock { $0.aim = address } }

    func setWeather(_ weather: Weather) { state.withLock { $0.weather = weather } }

    /// Closes every link, as a broken cable would.
    func cut() async {
        let pairs = state.withLock { state in
            state.counts.linksCut += state.links.count
            return Array(state.links.values)
        }
        for pair in pairs { await pair.close() }
    }

    /// Carries until the task is cancelled.
    func run() async {
        await withDiscardingTaskGroup { group in
            while !Task.isCancelled, let near = try? await listener.accept() {
                (near as? any AddressValidating)?.addressValidated()
                group.addTask { await self.serve(near) }
            }
            group.cancelAll()
        }
        await listener.close()
    }

    private func serve(_ near: any TransportLink) async {
        guard let aim = state.withLock({ $0.aim }), let far = try? await dial(transport, aim) else {
            await near.close()
            return
        }
        let pair = LinkPair(near: near, far: far)
        state.withLock { $0.links[ObjectIdentifier(pair)] = pair }
        await withDiscardingTaskGroup { group in
            group.addTask { await self.carry(from: near, to: far, pair) }
            group.addTask { await self.carry(from: far, to: near, pair) }
        }
        state.withLock { $0.links[ObjectIdentifier(pair)] = nil }
    }

    private func dial(_ transport: some Transport, _ address: TransportAddress) async throws -> any TransportLink {
        try await transport.connect(to: address)
    }

    private func carry(from: any TransportLink, to: any TransportLink, _ pair: LinkPair) async {
        let buffer = RawBuffer(capacity: from.properties.maximumFrameByteCount)
        var bucket = TokenBucket()
        // A frame that the next one overtakes.
        var late: [UInt8] = []
        do {
            while try await buffer.fill({ try await from.receive(into: &$0) }) {
                guard let fate = try await pass(buffer.byteCount, mayDrop: !to.properties.isLossFree, &bucket) else { continue }
                if fate == .overtaken, late.isEmpty {
                    late = [UInt8](copying: buffer.bytes)
                    continue
                }
                try await send(buffer.bytes, on: to)
                if fate == .repeated { try await send(buffer.bytes, on: to) }
                if !late.isEmpty {
                    try await send(late.rawSpan, on: to)
                    late = []
                }
            }
        } catch {
            // The other direction learns of it by the closing below.
        }
        await pair.close()
    }

    /// Waits for the frame's turn; nil when it is dropped.
    private func pass(_ byteCount: Int, mayDrop: Bool, _ bucket: inout TokenBucket) async throws -> FrameFate? {
        let (fate, rate) = state.withLock { state in
            let fate = mayDrop ? state.dice.roll(state.weather) : .passed
            switch fate {
            case .dropped: state.counts.dropped += 1
            case .passed: break
            case .repeated: state.counts.repeated += 1
            case .overtaken: state.counts.overtaken += 1
            }
            state.counts.carried += 1
            return (fate, state.weather.bytesPerSecond)
        }
        guard fate != .dropped else { return nil }
        guard let rate else { return fate }
        guard let wait = bucket.wait(for: byteCount, at: rate, mayDrop: mayDrop, now: MonotonicClock.now) else {
            state.withLock { $0.counts.dropped += 1 }
            return nil
        }
        if wait > .zero { try await Task.sleep(for: wait) }
        return fate
    }

    /// What the other side's path does not carry is lost, as on any path.
    private func send(_ frame: RawSpan, on link: any TransportLink) async throws(TransportError) {
        guard frame.byteCount <= link.properties.maximumFrameByteCount else {
            state.withLock { $0.counts.dropped += 1 }
            return
        }
        try await link.send(frame)
    }
}

/// The two halves of a link through a gate.
private final class LinkPair: Sendable {
    let near: any TransportLink
    let far: any TransportLink

    init(near: any TransportLink, far: any TransportLink) {
        self.near = near
        self.far = far
    }

    func close() async {
        await near.close()
        await far.close()
    }
}
