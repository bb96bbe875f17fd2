import FerryWire
import Foundation
import Testing

@Suite("Ferry profile messages")
struct FerryProfileTests {
    @Test("every message round-trips, and its measure is its size")
    func roundTrips() throws {
        for (name, message) in Sample.messages {
            let bytes = try message.encoded()
            #expect(try PeerMessage(decoding: bytes) == message, "\(name)")
            #expect(try message.measured() == bytes.count, "\(name)")
        }
    }

    @Test("messages are written one after another into memory that the caller owns, and never beyond it")
    func appending() throws {
        let event = Sample.lane(.event(LaneEvent(epoch: .first, previous: 0, link: Sample.event(1).link, payload: [1, 2, 3])))
        let bytes = try event.encoded()
        for (room, isEnough) in [(2 * bytes.count, true), (2 * bytes.count - 1, false)] {
            var codes: [WireError.Code?] = []
            let written = [UInt8](rawCapacity: room) { output in
                for _ in 0..<2 {
                    do throws(WireError) {
                        try event.append(to: &output)
                        codes.append(nil)
                    } catch {
                        codes.append(error.code)
                    }
                }
            }
            #expect(codes == [nil, isEnough ? nil : .limitExceeded])
            #expect(written == (isEnough ? bytes + bytes : bytes))
        }
    }

    @Test("the samples cover every type byte that decodes")
    func coverage() throws {
        var types: Set<[UInt8]> = []
        for (_, message) in Sample.messages {
            let bytes = try message.encoded()
            types.insert([bytes[0], bytes[2]])
        }
        for kind: UInt8 in [0, 1, 2, 3, 128, 255] {
            for type in UInt8.min...UInt8.max {
                var head = [UInt8](repeating: 0, count: 1_024)
                head.replaceSubrange(0..<3, with: [kind, 1, type])
                let isUnknown = errorCode { () throws(WireError) in try PeerMessage(decoding: head) } == .unknownType
                // A known type may still meet an unknown case inside its body, so only one direction holds byte by byte.
                if !types.contains([kind, type]) { #expect(isUnknown, "kind \(kind), type \(type)") }
            }
        }
        #expect(types.count == 22 + 10)
    }

    @Test("an unknown version is refused, wherever one stands")
    func versions() throws {
        for (name, message) in Sample.messages {
            var bytes = try message.encoded()
            for version: UInt8 in [0, 2, 255] {
                bytes[1] = version
                #expect(errorCode { () throws(WireError) in try PeerMessage(decoding: bytes) } == .unknownVersion, "\(name)")
            }
        }
        var release = try Sample.release.encoded()
        release[0] = 2
        #expect(errorCode { () throws(WireError) in try Release(decoding: release) } == .unknownVersion)
        var header = try Sample.header.encoded()
        header[4] = 2
        #expect(errorCode { () throws(WireError) in try SnapshotHeader(decoding: header) } == .unknownVersion)
        header[0] ^= 1
        #expect(errorCode { () throws(WireError) in try SnapshotHeader(decoding: header) } == .badMagic)
    }

    @Test("every prefix is refused, and so is a byte more")
    func exactLength() throws {
        for (name, message) in Sample.messages {
            let bytes = try message.encoded()
            for count in 0..<bytes.count {
                let prefix = Array(bytes[..<count])
                #expect(errorCode { () throws(WireError) in try PeerMessage(decoding: prefix) } == .truncated, "\(name) at \(count)")
            }
            #expect(errorCode { () throws(WireError) in try PeerMessage(decoding: bytes + [0]) } == .trailingBytes, "\(name)")
        }
    }

    @Test("one value, one byte string: what a changed byte decodes to encodes to the changed bytes", arguments: Sample.messages.indices)
    func canonical(index: Int) throws {
        let (name, message) = Sample.messages[index]
        checkCanonical(PeerMessage.self, try message.encoded(), name: name)
    }

    @Test("what is signed or kept stands alone and has one encoding as well")
    func standalone() throws {
        #expect(try Release(decoding: Sample.release.encoded()) == Sample.release)
        #expect(try SignedRelease(decoding: Sample.signedRelease.encoded()) == Sample.signedRelease)
        #expect(try Take(decoding: Sample.take.encoded()) == Sample.take)
        #expect(try Moved(decoding: Sample.moved.encoded()) == Sample.moved)
        #expect(try MoveOrder(decoding: Sample.order.encoded()) == Sample.order)
        #expect(try MoveFigures(decoding: Sample.figures.encoded()) == Sample.figures)
        #expect(try SnapshotHeader(decoding: Sample.header.encoded()) == Sample.header)
        checkCanonical(Release.self, try Sample.release.encoded(), name: "release")
        checkCanonical(Take.self, try Sample.take.encoded(), name: "take")
        checkCanonical(Moved.self, try Sample.moved.encoded(), name: "moved")
        #expect(try LaneCredential(decoding: Sample.credential.encoded()) == Sample.credential)
        #expect(try DaemonBindings(decoding: Sample.bindings.encoded()) == Sample.bindings)
        checkCanonical(LaneCredential.self, try Sample.credential.encoded(), name: "lane credential")
        checkCanonical(DaemonBindings.self, try Sample.bindings.encoded(), name: "bindings")
        checkCanonical(SnapshotHeader.self, try Sample.header.encoded(), name: "snapshot header")
    }

    @Test("signatures cover a label and the bytes before them")
    func signedBytes() throws {
        #expect(Release.signedBytes(Sample.releaseHash) == Array("ferry-release".utf8) + Sample.releaseHash.bytes)
        #expect(try Sample.take.signedBytes == Array("ferry-take".utf8) + Sample.take.encoded().dropLast(128))
        #expect(try Sample.moved.signedBytes() == Array("ferry-moved".utf8) + Sample.moved.encoded().dropLast(64))
        // 1 attempt, 1 mode, 1 flag, 32 signer, 64 signature.
        #expect(try Sample.order.signedBytes() == Array("ferry-order".utf8) + Sample.order.encoded().dropLast(99))
        #expect(try Sample.order.next(mode: .stopAndCopy)?.signedBytes() == Sample.order.signedBytes())
        #expect(try Sample.credential.signedBytes == Array("ferry-lane-credential".utf8) + Sample.credential.encoded().dropLast(64))
        var other = Sample.take
        other.nodeSignature = Sample.fixed(0x99)
        #expect(other.signedBytes == Sample.take.signedBytes)
    }

    /// Set `FERRY_WRITE_VECTORS` to write the file anew after a change of the format.
    @Test("the bytes are those of the published vectors")
    func pinned() throws {
        var vectors = try Sample.messages.map { name, message in ["name": name, "hex": try message.encoded().hex] }
        vectors.append(["name": "CDS1 version 3 header", "hex": try Sample.header.encoded().hex])
        vectors.append(["name": "canonical Release", "hex": try Sample.release.encoded().hex])
        vectors.append(["name": "signed bytes of Take", "hex": Sample.take.signedBytes.hex])
        vectors.append(["name": "signed bytes of Moved", "hex": try Sample.moved.signedBytes().hex])
        vectors.append(["name": "signed bytes of MoveOrder", "hex": try Sample.order.signedBytes().hex])
        vectors.append(["name": "signed bytes of LaneCredential", "hex": Sample.credential.signedBytes.hex])
        vectors.append(["name": "bindings", "hex": try Sample.bindings.encoded().hex])
        vectors.append(["name": "canonical MoveOrder", "hex": try Sample.order.encoded().hex])
        vectors.append(["name": "digest of output lanes", "hex": try Sample.header.outputLanes.digest().hex])
        vectors.append(["name": "digest of bindings", "hex": Sample.header.bindingsDigest.hex])
        vectors.append(["name": "migration id of order and attempt", "hex": Sample.order.migration.hex])
        if ProcessInfo.processInfo.environment["FERRY_WRITE_VECTORS"] != nil {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
            try encoder.encode(["vectors": vectors]).write(to: JSON.url("ferry-profile"))
        }
        let pinned = try JSON.file("ferry-profile")["vectors"].elements
        #expect(pinned.count == vectors.count)
        for (vector, expected) in zip(vectors, pinned) {
            #expect(vector["name"] == expected["name"].text)
            #expect(vector["hex"] == expected["hex"].text, "\(vector["name"] ?? "")")
        }
    }
}
