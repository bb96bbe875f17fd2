internal import FerryTransports
internal import Synchronization

extension SessionTable {
    /// Binds every transport that has an own address; all of them or none.
    func bind() async throws(TransportError) -> [any TransportListener] {
        var listeners: [any TransportListener] = []
        for transport in transports {
            do throws(TransportError) {
                if let listener = try await bind(transport) { listeners.append(listener) }
            } catch {
                for listener in listeners { await listener.close() }
                throw error
            }
        }
        return listeners
    }

    private func bind(_ transport: some Transport) async throws(TransportError) -> (any TransportListener)? {
        if let admitting = transport as? any AdmittingTransport { return try await bind(admitting: admitting) }
        return try await transport.listen()
    }

    private func bind(admitting transport: some AdmittingTransport) async throws(TransportError) -> (any TransportListener)? {
        try await transport.listen(admission: kind.admission)
    }

    /// Takes links until the listener is closed or the task cancelled; a link beyond the cap is closed at once.
    func accept(from listener: some TransportListener) async {
        do {
            while let link = try await listener.accept() {
                let isTaken = state.withLock { state in
                    guard state.linkCount < configuration.maximumSessionCount else {
                        state.refusedLinkCount += 1
                        return false
                    }
                    state.linkCount += 1
                    state.starts.append(.accepted(link))
                    return true
                }
                if isTaken { work.signal() } else { await link.close() }
            }
        } catch {
            guard error.code != .cancelled else { return }
            state.withLock { $0.failure = error }
            work.signal()
        }
    }
}
