internal import FerryStateMachines

extension DigestAhead {
    /// Digests that are taken at most while the daemon serves; each leaves fewer written pages to the next.
    private static let approachCount = 4
    /// Who was done so soon leaves so little that everybody may wait for it.
    private static let shortDigest = Duration.milliseconds(1)

    /// Digests a daemon that serves until next to nothing is left for the digest that it is stopped for.
    static func approach(_ host: DaemonHost, clock: NodeClock) async {
        for _ in 0..<approachCount {
            guard let copy = await host.digestible() else { return }
            let start = clock.now
            await run(copy)
            if clock.now - start <= shortDigest { return }
        }
    }
}
