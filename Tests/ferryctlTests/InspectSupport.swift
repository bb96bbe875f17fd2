import Foundation
import Testing

@testable import ferryctl

/// The net-mesh vectors, as plain objects.
enum InspectVectors {
    static func load() throws -> [String: Any] {
        let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        let data = try Data(contentsOf: folder.appendingPathComponent("Vectors/net-mesh-migration.json"))
        return try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
    }

    /// The list `vectors` of a group, or of a group within a group.
    static func list(_ path: String..., key: String = "vectors") throws -> [[String: Any]] {
        var group = try load()
        for name in path { group = try #require(group[name] as? [String: Any]) }
        return try #require(group[key] as? [[String: Any]])
    }
}

extension Inspection {
    /// The verdict on a line of text.
    mutating func verdict(_ line: String) throws -> [String: Any] {
        var lines = HexLines()
        let ended = lines.take(Array((line + "\n").utf8))
        #expect(ended.count == 1)
        return try parseObject(inspect(try #require(ended.first)).text)
    }
}

func verdict(_ kind: InspectionKind, _ line: String) throws -> [String: Any] {
    var inspection = Inspection(kind)
    return try inspection.verdict(line)
}

/// A value as text: 64-bit numbers are strings in the vectors and in verdicts, smaller ones numbers; members in the order of their names.
func plain(_ value: Any?) -> String? {
    switch value {
    case nil, is NSNull: nil
    case let text as String: text
    case let number as NSNumber: number.stringValue
    case let some?:
        (try? JSONSerialization.data(withJSONObject: some, options: .sortedKeys)).map { String(decoding: $0, as: UTF8.self) }
    }
}

/// A link object as the vectors list it: origin, horizon, sequence, parent.
func linkFields(_ value: Any?) -> [String] {
    let link = value as? [String: Any]
    return ["originHash", "horizonEncoded", "sequence", "parentHash"].compactMap { link?[$0] as? String }
}

func isAccepted(_ verdict: [String: Any]) -> Bool {
    let isAccepted = verdict["ok"] as? Bool ?? false
    // A refusal says why, an acceptance has nothing to explain.
    #expect((verdict["error"] as? String != nil) == !isAccepted && (verdict["message"] as? String != nil) == !isAccepted)
    return isAccepted
}
