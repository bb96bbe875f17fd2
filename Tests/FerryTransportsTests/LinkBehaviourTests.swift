import FerryTransports
import Testing

/// What every link owes its host, over every transport.
@Suite struct LinkBehaviourTests {
    @Test(arguments: TransportCase.allCases) func framesOfEverySizeArriveWholeAndUnaltered(transport: TransportCase) async throws {
        try await transport.withConnection { link in
            let maximum = link.near.properties.maximumFrameByteCount
            for (seed, size) in [1, 2, 3, 4, 5, 1_199, 1_200, 1_400, 4_096, 8_191, 16_384, 40_000, maximum - 1, maximum].enumerated() {
                try await link.near.send(bytes: pattern(size, seed: seed))
                #expect(try await link.far.receiveBytes() == pattern(size, seed: seed))
                try await link.far.send(bytes: pattern(size, seed: seed + 100))
                #expect(try await link.near.receiveBytes() == pattern(size, seed: seed + 100))
            }
        }
    }

    @Test(arguments: TransportCase.allCases) func frameOneByteOverTheMaximumIsRefused(transport: TransportCase) async throws {
        try await transport.withConnection { link in
            let maximum = link.near.properties.maximumFrameByteCount
            await expectCode(.frameTooLarge) { try await link.near.send(bytes: pattern(maximum + 1)) }
            await expectCode(.frameTooLarge) { try await link.near.sendBatch(bytes: pattern(maximum + 1), frameByteCount: maximum + 1) }
            let batch = link.near.maximumBatchByteCount
            await expectCode(.frameTooLarge) { try await link.near.sendBatch(bytes: pattern(batch + 1), frameByteCount: 1_200) }
            await expectCode(.malformedFrame) { try await link.near.send(bytes: []) }
            try await link.near.send(bytes: [7])
            #expect(try await link.far.receiveBytes() == [7])
        }
    }

    @Test(arguments: TransportCase.allCases, [1, 1_200, 1_400, 8_192])
    func batchArrivesFrameByFrameWithAShortLastOne(transport: TransportCase, size: Int) async throws {
        try await transport.withConnection { link in
            for frameCount in [1, 2, 7, 40] where frameCount * size <= link.near.maximumBatchByteCount {
                let bytes = pattern(frameCount * size - size / 3, seed: frameCount)
                let sent = stride(from: 0, to: bytes.count, by: size).map { Array(bytes[$0..<min($0 + size, bytes.count)]) }
                try await link.near.sendBatch(bytes: bytes, frameByteCount: size)
                var received: [[UInt8]] = []
                while received.count < sent.count { received += try #require(try await link.far.receiveFrames()) }
                #expect(received == sent)
            }
        }
    }

    @Test(arguments: TransportCase.allCases) func framesOfMixedSizesKeepTheirBoundaries(transport: TransportCase) async throws {
        try await transport.withConnection { link in
            let sizes = [1_200, 1_200, 1_200, 5, 1_200, 1_201, 1, 1, 1_400, 1_400, 30_000, 3]
            for (seed, size) in sizes.enumerated() { try await link.near.send(bytes: pattern(size, seed: seed)) }
            var received: [[UInt8]] = []
            while received.count < sizes.count { received += try #require(try await link.far.receiveFrames()) }
            #expect(received == sizes.enumerated().map { pattern($0.element, seed: $0.offset) })
        }
    }

    @Test(arguments: TransportCase.allCases) func closeWakesAWaitingReceive(transport: TransportCase) async throws {
        try await transport.withConnection { link in
            async let single = link.near.receiveBytes()
            async let batch = link.far.receiveFrames()
            await link.near.close()
            await link.far.close()
            let end1 = try await single
            #expect(end1 == nil)
            let end2 = try await batch
            #expect(end2 == nil)
        }
    }

    @Test(arguments: TransportCase.allCases) func closeWakesAWaitingAcceptAndGivesTheAddressBack(transport: TransportCase) async throws {
        try await transport.withPair { listening, _ in
            for _ in 0..<2 {
                let listener = try #require(try await listening.listen())
                async let link = accept(listener)
                await listener.close()
                let end3 = try await link
                #expect(end3 == nil)
            }
        }
    }

    @Test(arguments: TransportCase.allCases) func closeIsIdempotentAndSendThrowsAfterIt(transport: TransportCase) async throws {
        try await transport.withConnection { link in
            await link.near.close()
            await link.near.close()
            await link.listener.close()
            await link.listener.close()
            await expectCode(.closed) { try await link.near.send(bytes: [1]) }
            await expectCode(.closed) { try await link.near.sendBatch(bytes: [1, 2], frameByteCount: 1) }
            let end4 = try await link.near.receiveBytes()
            #expect(end4 == nil)
        }
    }

    @Test(arguments: TransportCase.allCases) func acceptedLinksOutliveTheirListener(transport: TransportCase) async throws {
        try await transport.withConnection { link in
            await link.listener.close()
            try await link.far.send(bytes: [9])
            #expect(try await link.near.receiveBytes() == [9])
        }
    }

    @Test(arguments: TransportCase.allCases) func cancellationEndsAWaitingReceiveAndTheLinkLivesOn(transport: TransportCase) async throws {
        try await transport.withConnection { link in
            let waiting = Task { try await link.far.receiveBytes() }
            waiting.cancel()
            await expectCode(.cancelled) { _ = try await waiting.value }
            try await link.near.send(bytes: [3])
            #expect(try await link.far.receiveBytes() == [3])
        }
    }

    @Test(arguments: TransportCase.allCases)
    func cancellationEndsAWaitingAcceptAndTheListenerLivesOn(transport: TransportCase) async throws {
        try await transport.withPair { listening, dialling in
            let listener = try #require(try await listening.listen())
            let waiting = Task { try await accept(listener) }
            waiting.cancel()
            await expectCode(.cancelled) { _ = try await waiting.value }
            let link = try await dialling.connect(to: listener.localAddress)
            try await link.send(bytes: [1])
            let accepted = try #require(try await accept(listener))
            #expect(try await accepted.receiveBytes() == [1])
            await link.close()
            await accepted.close()
            await listener.close()
        }
    }

    @Test(arguments: TransportCase.lossFree) func receiverThatDoesNotReadStopsTheSenderWithinABound(transport: TransportCase) async throws {
        try await transport.withConnection { link in
            let frame = pattern(16_384)
            let bound = 1_024
            let counter = Counter()
            let sender = Task {
                // Ends by cancellation only: without back-pressure it would send all of them.
                for _ in 0..<bound * 4 {
                    try await link.near.send(bytes: frame)
                    counter.add()
                }
            }
            // The sender is stopped when its count stays the same while the rest of the process makes progress.
            var last = -1
            var repeats = 0
            while repeats < 2_000, counter.value <= bound {
                await Task.yield()
                repeats = counter.value == last ? repeats + 1 : 0
                last = counter.value
            }
            sender.cancel()
            await expectCode(.cancelled) { try await sender.value }
            #expect(counter.value <= bound)
            for _ in 0..<counter.value {
                let received = try await link.far.receiveBytes()
                #expect(received == frame)
            }
        }
    }

    @Test(arguments: TransportCase.lossFree) func nothingIsLostOrReorderedUnderBackPressure(transport: TransportCase) async throws {
        try await transport.withConnection { link in
            let count = 2_000
            let sender = Task {
                for index in 0..<count { try await link.near.send(bytes: pattern(1 + index * 13 % 9_000, seed: index)) }
                await link.near.close()
            }
            var received = 0
            while let frames = try await link.far.receiveFrames() {
                for frame in frames {
                    if frame != pattern(1 + received * 13 % 9_000, seed: received) { Issue.record("frame \(received) differs") }
                    received += 1
                }
            }
            try await sender.value
            #expect(received == count)
        }
    }

    @Test(arguments: TransportCase.lossFree) func framesSentBeforeCloseStillArrive(transport: TransportCase) async throws {
        try await transport.withConnection { link in
            for seed in 0..<8 { try await link.near.send(bytes: pattern(20_000, seed: seed)) }
            await link.near.close()
            for seed in 0..<8 { #expect(try await link.far.receiveBytes() == pattern(20_000, seed: seed)) }
            let end5 = try await link.far.receiveBytes()
            #expect(end5 == nil)
        }
    }

    @Test(arguments: TransportCase.lossFree) func connectToNobodyIsRefused(transport: TransportCase) async throws {
        try await transport.withPair { _, dialling in
            await expectCode(.refused) { _ = try await dialling.connect(to: #require(transport.deadAddress)) }
        }
    }

    @Test(arguments: TransportCase.allCases) func foreignSchemeIsAnInvalidAddress(transport: TransportCase) async throws {
        try await transport.withPair { _, dialling in
            await expectCode(.invalidAddress) { _ = try await dialling.connect(to: TransportAddress(scheme: "pigeon", rest: "loft")) }
        }
    }

    @Test(arguments: TransportCase.allCases) func listenTwiceOnOneAddressIsInUse(transport: TransportCase) async throws {
        try await transport.withPair { listening, _ in
            let first = try #require(try await listening.listen())
            let second = transport.listening(onTheAddressOf: first, like: listening)
            await expectCode(.addressInUse) { _ = try await second.listen() }
            await first.close()
        }
    }
}

/// Fails unless `body` throws a transport error of this code.
func expectCode(_ code: TransportError.Code, _ body: () async throws -> Void, sourceLocation: SourceLocation = #_sourceLocation) async {
    do {
        try await body()
        Issue.record("expected \(code), nothing was thrown", sourceLocation: sourceLocation)
    } catch let error as TransportError {
        #expect(error.code == code, sourceLocation: sourceLocation)
    } catch {
        Issue.record("expected \(code), got \(error)", sourceLocation: sourceLocation)
    }
}
