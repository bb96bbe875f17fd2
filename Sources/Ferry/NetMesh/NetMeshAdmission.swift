internal import FerryWire
internal import Synchronization

/// Lets a bounded number of deliveries at a time through to one daemon; the others wait in line, and a line too long is closed.
final class NetMeshAdmission: Sendable {
    private struct Line {
        var admittedCount = 0
        var waiting: [Waiter] = []
    }

    private let lines = Mutex<[OriginHash: Line]>([:])
    private let limit: Int

    /// - Parameter limit: deliveries under way for one daemon, and as many that wait.
    init(limit: Int) { self.limit = limit }

    /// Returns when it is the caller's turn, in order of arrival; `leave` must follow.
    ///
    /// - Throws: `.busy` when the line is full.
    func enter(_ origin: OriginHash) async throws(FerryError) {
        if try enterAtOnce(origin) { return }
        await Waiter.suspend { waiter in
            let isFree = lines.withLock { lines in
                var line = lines[origin, default: Line()]
                defer { lines[origin] = line }
                guard line.admittedCount >= limit else {
                    line.admittedCount += 1
                    return true
                }
                line.waiting.append(waiter)
                return false
            }
            if isFree { waiter.resume() }
        }
    }

    private func enterAtOnce(_ origin: OriginHash) throws(FerryError) -> Bool {
        let line = lines.withLock { lines in
            let line = lines[origin, default: Line()]
            if line.admittedCount < limit { lines[origin, default: Line()].admittedCount += 1 }
            return (isFree: line.admittedCount < limit, isClosed: line.waiting.count >= limit)
        }
        if line.isFree { return true }
        if line.isClosed { throw FerryError(.busy, "\(limit) deliveries wait for daemon \(origin) already") }
        return false
    }

    /// How many wait for their turn.
    func waitingCount(_ origin: OriginHash) -> Int { lines.withLock { $0[origin]?.waiting.count ?? 0 } }

    /// Gives the turn to whoever waits longest.
    func leave(_ origin: OriginHash) {
        let next: Waiter? = lines.withLock { lines in
            guard var line = lines[origin] else { return nil }
            if line.waiting.isEmpty {
                line.admittedCount -= 1
                lines[origin] = line.admittedCount == 0 ? nil : line
                return nil
            }
            defer { lines[origin] = line }
            return line.waiting.removeFirst()
        }
        next?.resume()
    }
}
