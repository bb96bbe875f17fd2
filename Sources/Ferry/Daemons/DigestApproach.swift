internal import FerryStateMachines

extension DigestAhead {
    /// Digests that are taken at most while the daemon serves; each leaves fewer written pages to the next.
    private static let approachCount = 4
    /// Who was done so soon leaves so little that everybody may wait for it.
    static let shortDigest = Duration.milliseconds(1)
    /// Digests that go on for so long do not become shorter.
    private static let patience = Duration.seconds(1)

    /// Digests a daemon that serves until next to nothing is left for the digest that it is stopped for.
    ///
    /// - Returns: the least that one took, as a stopped daemon's will; zero for a daemon without a digest.
    static func approach(_ host: DaemonHost, clock: NodeClock) async -> Duration {
        let begin = clock.now
        var least: Duration?
        for round in 0..<approachCount {
            guard let copy = await host.digestible() else { break }
            // The first one is long, and the daemon serves meanwhile; how long the rest takes decides.
            let duration = await run(copy, isAwaited: round > 0)
            least = min(least ?? duration, duration)
            if duration <= shortDigest || clock.now - begin > patience { break }
        }
        return least ?? .zero
    }
}
