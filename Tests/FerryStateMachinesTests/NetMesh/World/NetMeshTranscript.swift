import FerryWire
import Foundation
import Testing

/// What was recorded between a live net-mesh node and a peer that played the other roles.
struct NetMeshTranscript: Decodable {
    struct Line: Decodable {
        let from: String?
        let hex: String
        let note: String?

        var message: MigrationMessage {
            get throws { try MigrationMessage(decoding: try #require([UInt8](hex: hex))) }
        }
    }

    struct Negative: Decodable {
        let `case`: String
        let sent: String
        let replies: [Line]
    }

    let transcript: [Line]?
    let negative: [Negative]?
    let snapshot: String?

    /// The recording of that name, made with release 0.45.1.
    static func named(_ name: String) throws -> NetMeshTranscript {
        struct File: Decodable {
            let transcripts: Versions
        }
        struct Versions: Decodable {
            let current: [String: NetMeshTranscript]

            enum CodingKeys: String, CodingKey {
                case current = "0.45.1"
            }
        }
        let url = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appending(path: "Vectors/net-mesh-migration.json")
        let file = try JSONDecoder().decode(File.self, from: Data(contentsOf: url))
        return try #require(file.transcripts.current[name])
    }

    func lines() throws -> [Line] { try #require(transcript) }
}
