import FerryChunking
import FerryWire
import Foundation
import Testing

@testable import ferryctl

/// Every vector of every kind, through the function that answers a line.
@Suite struct InspectTests {
    @Test func `messages say every field that the vectors name`() throws {
        for vector in try InspectVectors.list("messages") {
            let verdict = try verdict(.message, try #require(vector["hex"] as? String))
            let name = try #require(vector["name"] as? String)
            #expect(isAccepted(verdict))
            #expect(name.hasPrefix(try #require(verdict["type"] as? String)))
            #expect(plain(verdict["length"]) == plain(vector["len"]) && plain(verdict["trailing"]) == "0")
        }
        for vector in try InspectVectors.list("messages_real") + recordedMessages() {
            let verdict = try verdict(.message, try #require(vector["hex"] as? String))
            for (field, name) in [
                ("type", "type"), ("daemon_origin", "daemonOrigin"), ("daemon_origin", "origin"), ("target_node", "targetNode"),
                ("seq_through", "seqThrough"), ("chunk_index", "chunkIndex"), ("total_chunks", "totalChunks"), ("len", "len"),
                ("seq", "seq"), ("code", "code"), ("arg", "arg"), ("events", "count"),
            ] where vector[field] != nil {
                #expect(plain(verdict[name]) == plain(vector[field]), "\(field) of \(vector)")
            }
            if let head = vector["target_head"] as? [String] { #expect(linkFields(verdict["targetHead"]) == head) }
            for name in ["restoredSeq", "replayedSeq"] where verdict[name] != nil { #expect(plain(verdict[name]) == plain(vector["seq"])) }
        }
    }

    /// The messages of all transcripts.
    private func recordedMessages() throws -> [[String: Any]] {
        func collect(_ value: Any) -> [[String: Any]] {
            switch value {
            case let object as [String: Any]:
                let own = object["type"] is String && object["daemon_origin"] is String && object["hex"] is String
                return (own ? [object] : []) + object.values.flatMap(collect)
            case let array as [Any]: return array.flatMap(collect)
            default: return []
            }
        }
        let messages = collect(try #require(try InspectVectors.load()["transcripts"]))
        #expect(messages.count >= 60)
        return messages
    }

    @Test func `messages are accepted exactly when net-mesh accepts them`() throws {
        var count = 0
        for (group, field, name) in [("decode_table", "accept", "name"), ("decode_oracle", "decoded", "case")] {
            for vector in try InspectVectors.list(group) {
                guard let hex = vector["hex"] as? String, [UInt8](hex: hex) != nil else { continue }
                count += 1
                #expect(try isAccepted(verdict(.message, hex)) == vector[field] as? Bool, "\(vector[name] ?? "")")
            }
        }
        // Three more are described in words: those of 7,000 and 7,001 bytes.
        #expect(count == 69)
    }

    @Test func `failures carry number, name, text, and what may be done`() throws {
        for vector in try InspectVectors.list("failure_reasons") {
            let code = try #require(vector["code"] as? Int)
            let text = vector["arg"] as? String
            var bytes: [UInt8] = [6] + [UInt8](repeating: 0, count: 8) + [UInt8(code), 0]
            if let text { bytes += [UInt8(text.utf8.count), 0] + Array(text.utf8) }
            if let attempts = vector["arg"] as? Int { bytes.append(UInt8(attempts)) }
            let verdict = try verdict(.message, bytes.hex)
            for name in ["code", "name", "display", "arg", "retriable"] { #expect(plain(verdict[name]) == plain(vector[name])) }
            #expect(verdict["text"] as? String == text && verdict["attempts"] as? Int == vector["arg"] as? Int)
        }
    }

    @Test func `buffered events are listed with link, payload and time`() throws {
        let vector = try #require(try InspectVectors.list("messages").first { $0["name"] as? String == "BufferedEvents two" })
        let hex = try #require(vector["hex"] as? String)
        guard case .bufferedEvents(_, let events) = try MigrationMessage(decoding: try #require([UInt8](hex: hex))) else { return }
        let listed = try #require(try verdict(.message, hex)["events"] as? [[String: Any]])
        #expect(listed.count == 2 && events.count == 2)
        for (event, fields) in zip(events, listed) {
            #expect(linkFields(fields["link"]).first == String(event.link.origin.rawValue))
            #expect(fields["payload"] as? String == event.payload.hex && fields["payloadLen"] as? Int == event.payload.count)
            #expect(fields["receivedAt"] as? String == String(event.receivedAt))
        }
    }

    @Test func `snapshots get net-mesh's verdicts, and bindings those of its restore`() throws {
        var bindings = 0
        for vector in try InspectVectors.list("cds1_oracle") {
            let verdict = try verdict(.snapshot, try #require(vector["hex"] as? String))
            let name = vector["case"] as? String ?? ""
            #expect(isAccepted(verdict) == vector["parse"] as? Bool && vector["parse"] as? Bool == vector["spec_parse"] as? Bool, "\(name)")
            guard isAccepted(verdict) else { continue }
            bindings += 1
            let ledger = try ferryctlTests.verdict(.bindings, try #require(verdict["bindings"] as? String))
            #expect(isAccepted(ledger) == vector["restore_ok"] as? Bool, "\(name)")
            #expect(verdict["bindingsOk"] as? Bool == vector["restore_ok"] as? Bool, "\(name)")
            guard let again = vector["resnapshot"] as? String else { continue }
            let restored = try ferryctlTests.verdict(.snapshot, again)
            for field in ["entityID", "throughSeq", "chainLink", "state"] {
                #expect(plain(restored[field]) == plain(verdict[field]), "\(name): \(field)")
            }
            #expect(
                try plain(ferryctlTests.verdict(.bindings, restored["bindings"] as? String ?? "")["subscriptions"])
                    == plain(ledger["subscriptions"]))
        }
        #expect(bindings >= 20)
    }

    @Test func `snapshots say every field`() throws {
        for vector in try InspectVectors.list("snapshot_sequence", key: "steps") {
            let verdict = try verdict(.snapshot, try #require(vector["hex"] as? String))
            let parsed = try #require(vector["parsed"] as? [String: Any])
            #expect(
                plain(verdict["throughSeq"]) == plain(parsed["through_seq"]) && plain(verdict["createdAt"]) == plain(parsed["created_at"]))
            #expect(plain(verdict["state"]) == plain(parsed["state"]) && linkFields(verdict["chainLink"]) == parsed["link"] as? [String])
            #expect(verdict["version"] as? Int == 2 && verdict["envelope"] is NSNull && verdict["identityEnvelope"] is NSNull)
        }
        for vector in try InspectVectors.list("cds1_derived") {
            let hex = try #require(vector["hex"] as? String)
            let verdict = try verdict(.snapshot, hex)
            #expect(verdict["length"] as? Int == hex.count / 2)
            if let length = vector["len"] as? Int { #expect(verdict["length"] as? Int == length) }
            #expect(verdict["entityID"] as? String == String(hex.dropFirst(10).prefix(64)))
            #expect(plain(verdict["bindingsLen"]) == String((verdict["bindings"] as? String ?? "").count / 2))
        }
        for vector in try InspectVectors.list("identity_envelope", "sealed_by_wheel") {
            let verdict = try verdict(.snapshot, try #require(vector["snapshot"] as? String))
            #expect(plain(verdict["envelope"]) == plain(vector["envelope"]))
            let envelope = try #require(verdict["identityEnvelope"] as? [String: Any])
            #expect(plain(envelope["targetPublic"]) == plain(vector["target_public"]) && envelope["version"] as? Int == 1)
            #expect(plain(envelope["signerPub"]) == plain(verdict["entityID"]))
        }
    }

    @Test func `links are read from their first 32 bytes`() throws {
        for vector in try InspectVectors.list("causal_link") {
            let hex = try #require(vector["bytes"] as? String)
            for (suffix, trailing) in [("", 0), ("FFee", 2)] {
                let verdict = try verdict(.link, hex + suffix)
                let fields = ["origin_hash", "horizon_encoded", "sequence", "parent_hash"].compactMap { vector[$0] as? String }
                #expect(isAccepted(verdict) && linkFields(verdict) == fields)
                #expect(verdict["trailing"] as? Int == trailing)
                #expect(verdict["isGenesis"] as? Bool == (fields[2] == "0" && fields[3] == "0"))
            }
            #expect(try !isAccepted(verdict(.link, String(hex.dropLast(2)))))
        }
    }

    @Test func `envelopes are 209 bytes that begin with 1, and show their parts`() throws {
        for vector in try InspectVectors.list("identity_envelope", "sealed_by_us") {
            let hex = try #require(vector["envelope"] as? String)
            let verdict = try verdict(.envelope, hex)
            #expect(isAccepted(verdict) && verdict["version"] as? Int == 1)
            for (field, names) in [
                ("signer_pub", ["signerPub"]), ("target_public", ["targetPublic", "targetStaticPub"]),
                ("ephemeral_public", ["ephemeralPublic", "ephemeralPub"]), ("ciphertext", ["ciphertext"]), ("signature", ["signature"]),
            ] {
                for name in names { #expect(plain(verdict[name]) == plain(vector[field])) }
            }
            for (line, code) in [
                (String(hex.dropLast(2)), "truncated"), (hex + "00", "trailingBytes"), ("02" + hex.dropFirst(2), "unknownVersion"),
                ("", "truncated"),
            ] {
                #expect(try ferryctlTests.verdict(.envelope, line)["error"] as? String == code)
            }
        }
        let fixture = try #require((try InspectVectors.load()["identity_envelope"] as? [String: Any])?["upstream-test"] as? [String: Any])
        #expect(try isAccepted(verdict(.envelope, try #require(fixture["fixture_hex"] as? String))) == fixture["parses"] as? Bool)
    }

    @Test func `bindings are listed once each, the later of two winning, and encode as the vectors say`() throws {
        for vector in try InspectVectors.list("bindings", key: "encode") {
            let verdict = try verdict(.bindings, try #require(vector["hex"] as? String))
            let expected = try #require(vector["subscriptions"] as? [[Any]])
            let listed = try #require(verdict["subscriptions"] as? [[String: Any]])
            #expect(verdict["count"] as? Int == expected.count && plain(verdict["encoded"]) == plain(vector["hex"]))
            for (fields, entry) in zip(listed, expected) {
                #expect(plain(fields["publisher"]) == plain(entry[0]) && plain(fields["name"]) == plain(entry[1]))
                #expect(plain(fields["token"]) == plain(entry[2]).map { Array($0.utf8).hex })
            }
        }
        let twice = try verdict(.bindings, "02000000" + "0100000000000000010061010100aa" + "0100000000000000010061010100BB")
        #expect(twice["count"] as? Int == 1 && plain(twice["encoded"]) == "01000000" + "0100000000000000010061010100bb")
        let empty = try verdict(.bindings, "")
        #expect(isAccepted(empty) && empty["count"] as? Int == 0 && plain(empty["encoded"]) == "00000000")
    }

    @Test(arguments: InspectionKind.allCases)
    func `an empty line is an empty input, and hex that is none is refused`(kind: InspectionKind) throws {
        #expect(try isAccepted(verdict(kind, "")) == (kind == .bindings))
        for line in ["0", "zz", "0g", "00 00", " 00", "0x00", "00\r00", "é0"] {
            let verdict = try verdict(kind, line)
            #expect(!isAccepted(verdict) && verdict["error"] as? String == "invalidHex", "\(line)")
        }
    }

    @Test func `lines end with or without a carriage return, in whatever pieces they come`() {
        let text = Array("00\r\n\nAbcD\r\nz\r\n\r\n1\r\nff".utf8)
        let expected: [HexLine] = [
            .bytes([0]), .bytes([]), .bytes([0xAB, 0xCD]), .invalid("a character that is no hex digit"), .bytes([]),
            .invalid("an odd number of hex digits"), .bytes([0xFF]),
        ]
        for size in 1...text.count {
            var lines = HexLines()
            var found: [HexLine] = []
            for start in stride(from: 0, to: text.count, by: size) {
                found += lines.take(Array(text[start..<min(start + size, text.count)]))
            }
            if let last = lines.finish() { found.append(last) }
            #expect(found == expected)
            #expect(lines.finish() == nil)
        }
        var none = HexLines()
        #expect(none.finish() == nil)
    }

    @Test func `long texts, control characters and quotes are quoted once`() throws {
        let value = JSONValue.object([
            ("a\"\\\n\r\t\u{1}é", .string(String(repeating: "x", count: 100_000))),
            ("list", .array([1, true, nil, .number(0.5), .array([])])),
        ])
        let object = try parseObject(value.text)
        #expect((object["a\"\\\n\r\t\u{1}é"] as? String)?.count == 100_000)
        #expect(value.text.hasSuffix("\"list\":[1,true,null,0.5,[]]}"))
    }
}
