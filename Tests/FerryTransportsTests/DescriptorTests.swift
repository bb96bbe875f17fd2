import FerryTransports
import Testing

/// Counts descriptors of the whole process, so that nothing else may run beside it.
@Suite(.serialized) struct DescriptorTests {
    @Test(arguments: TransportCase.allCases) func aThousandConnectsAndClosesLeakNoDescriptor(transport: TransportCase) async throws {
        try await transport.withPair { listening, dialling in
            let listener = try #require(try await listening.listen())
            func connectOnce() async throws {
                let near = try await dialling.connect(to: listener.localAddress)
                try await near.send(bytes: [1])
                let far = try #require(try await accept(listener))
                await near.close()
                await far.close()
            }
            try await connectOnce()
            let before = openDescriptorCount()
            for _ in 0..<1_000 { try await connectOnce() }
            // Other suites hold descriptors of their own meanwhile; a leak would be a thousand.
            #expect(openDescriptorCount() < before + 200)
            await listener.close()
        }
    }
}
