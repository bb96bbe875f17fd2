internal import FerryWire

/// Which daemons of this node listen to which channels: the node joins a channel for the first of them and leaves it after the last.
///
/// Joining and leaving one channel happen one after the other, in the order in which they were asked for, so that a leave never undoes a
/// join that came after it.
actor NetMeshMemberships {
    private struct Key: Hashable {
        let publisher: UInt64
        let channel: ChannelName
    }

    /// A daemon in one of its lives on this node: what ends with a life that was given up does not end the next one's.
    private struct Member: Hashable {
        let origin: OriginHash
        let generation: UInt64

        init(_ host: NetMeshDaemonHost) {
            origin = host.origin
            generation = host.generation
        }
    }

    private struct Channel {
        var members: Set<Member> = []
        var isBusy = false
        var waiting: [Waiter] = []
    }

    private let carrier: any NetMeshCarrier
    private var channels: [Key: Channel] = [:]

    init(carrier: any NetMeshCarrier) { self.carrier = carrier }

    /// Makes the daemon a member; returns once every later event of the channel reaches this node. A token is the first member's.
    func join(_ entry: SubscriptionLedger.Entry, for host: NetMeshDaemonHost) async throws {
        let daemon = Member(host)
        let key = Key(publisher: entry.publisher, channel: entry.channel)
        await enter(key)
        defer { leave(key) }
        // A member before the first event can come, and again none when joining fails.
        let isNew = channels[key, default: Channel()].members.insert(daemon).inserted
        guard isNew, channels[key]?.members.count == 1 else { return }
        do {
            try await carrier.subscribe(to: entry.channel, at: entry.publisher, token: entry.token)
        } catch {
            channels[key]?.members.remove(daemon)
            throw error
        }
    }

    /// Ends the daemon's membership; siblings keep theirs. Harmless when there is none.
    func leave(publisher: UInt64, channel: ChannelName, for host: NetMeshDaemonHost) async throws {
        let daemon = Member(host)
        let key = Key(publisher: publisher, channel: channel)
        guard channels[key] != nil else { return }
        await enter(key)
        defer { leave(key) }
        guard let members = channels[key]?.members, members.contains(daemon) else { return }
        guard members.count == 1 else {
            channels[key]?.members.remove(daemon)
            return
        }
        defer { channels[key]?.members.remove(daemon) }
        // A member until the publisher has confirmed: what it sent before still has a taker.
        try await carrier.unsubscribe(from: channel, at: publisher)
    }

    /// Members of a channel, by origin.
    func members(of channel: ChannelName, at publisher: UInt64) -> [OriginHash] {
        Set((channels[Key(publisher: publisher, channel: channel)]?.members ?? []).map(\.origin)).sorted()
    }

    private func enter(_ key: Key) async {
        guard channels[key, default: Channel()].isBusy else {
            channels[key, default: Channel()].isBusy = true
            return
        }
        await Waiter.suspend { channels[key, default: Channel()].waiting.append($0) }
    }

    /// Hands the turn to whoever waits longest.
    private func leave(_ key: Key) {
        guard var channel = channels[key] else { return }
        if channel.waiting.isEmpty {
            channel.isBusy = false
            channels[key] = channel.members.isEmpty ? nil : channel
        } else {
            let next = channel.waiting.removeFirst()
            channels[key] = channel
            next.resume()
        }
    }
}
