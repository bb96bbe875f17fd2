import FerryWire
import Testing

@Suite("The snapshot store")
struct SnapshotStoreTests {
    private func snapshot(_ sequence: UInt64, entity byte: UInt8 = 1, state: [UInt8] = []) throws -> StateSnapshot {
        let entity = try #require(EntityID([UInt8](repeating: byte, count: 32)))
        let link = CausalLink(origin: entity.originHash, horizon: 0, sequence: sequence, parent: 0)
        return StateSnapshot(entity: entity, chainLink: link, createdAt: 0, state: state)
    }

    @Test("only a newer snapshot replaces one; an equal or older one changes nothing")
    func newest() throws {
        var store = SnapshotStore()
        #expect(store.store(try snapshot(5)) == true)
        let before = store
        for sequence: UInt64 in [5, 4, 0] {
            #expect(store.store(try snapshot(sequence, state: [9])) == false)
            #expect(store == before)
        }
        #expect(store.store(try snapshot(6)) == true)
        #expect(store.latest(of: try snapshot(6).entity) == (try snapshot(6)))
        #expect(store.count == 1)
    }

    @Test("the first snapshot may have sequence 0, and the last one may have the highest")
    func edges() throws {
        var store = SnapshotStore()
        #expect(store.store(try snapshot(0)) == true)
        #expect(store.store(try snapshot(0)) == false)
        #expect(store.store(try snapshot(.max)) == true)
        #expect(store.store(try snapshot(.max)) == false)
    }

    @Test("removing a snapshot does not let an older one back in; forgetting its daemon does")
    func highWater() throws {
        var store = SnapshotStore()
        let newest = try snapshot(7)
        #expect(store.store(newest) == true)
        #expect(store.remove(newest.entity) == newest && store.remove(newest.entity) == nil)
        #expect(store.count == 0 && store.knownCount == 1)
        for sequence: UInt64 in [6, 7] { #expect(store.store(try snapshot(sequence)) == false) }
        #expect(store.latest(of: newest.entity) == nil)
        #expect(store.store(try snapshot(8)) == true)
        store.forget(newest.entity)
        #expect(store == SnapshotStore())
        #expect(store.store(try snapshot(1)) == true)
    }

    @Test("daemons do not touch each other's snapshots")
    func entities() throws {
        var store = SnapshotStore()
        #expect(store.store(try snapshot(9, entity: 1)) == true)
        #expect(store.store(try snapshot(2, entity: 2)) == true)
        store.forget(try snapshot(0, entity: 1).entity)
        #expect(store.latest(of: try snapshot(0, entity: 2).entity)?.throughSequence == 2)
    }

    @Test("entities are ordered by their bytes, the first one first")
    func order() throws {
        var state: UInt64 = 1
        let entities = try (0..<64).map { index in
            try #require(
                EntityID(
                    (0..<32).map { offset in
                        state = state &* 6_364_136_223_846_793_005 &+ 1
                        // Equal beginnings of every length, so that every byte decides once.
                        return offset < index / 2 ? 7 : UInt8(truncatingIfNeeded: state >> 40)
                    }))
        }
        #expect(entities.sorted().map(\.bytes) == entities.map(\.bytes).sorted { $0.lexicographicallyPrecedes($1) })
    }
}
