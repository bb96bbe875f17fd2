import FerryWire
import Foundation
import Testing

/// A vector file of `Tests/Vectors`, as a tree.
enum JSON: Decodable, Sendable {
    case object([String: JSON])
    case array([JSON])
    case string(String)
    case number(Double)
    case flag(Bool)
    case null

    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if container.decodeNil() {
            self = .null
        } else if let flag = try? container.decode(Bool.self) {
            self = .flag(flag)
        } else if let number = try? container.decode(Double.self) {
            self = .number(number)
        } else if let text = try? container.decode(String.self) {
            self = .string(text)
        } else if let array = try? container.decode([JSON].self) {
            self = .array(array)
        } else {
            self = .object(try container.decode([String: JSON].self))
        }
    }

    static func url(_ name: String) -> URL {
        URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().appending(path: "Vectors/\(name).json")
    }

    static func file(_ name: String) throws -> JSON {
        try JSONDecoder().decode(JSON.self, from: Data(contentsOf: url(name)))
    }

    static let netMesh = Result { try file("net-mesh-migration") }

    subscript(_ key: String) -> JSON {
        if case .object(let members) = self { members[key] ?? .null } else { .null }
    }

    var elements: [JSON] {
        if case .array(let elements) = self { elements } else { [] }
    }

    var text: String? {
        if case .string(let text) = self { text } else { nil }
    }

    var isTrue: Bool {
        if case .flag(let flag) = self { flag } else { false }
    }

    /// Numbers above 2^53 are strings in the files.
    var integer: UInt64? {
        switch self {
        case .number(let number): UInt64(exactly: number)
        case .string(let text): UInt64(text)
        default: nil
        }
    }

    var hexInteger: UInt64? { text.flatMap { UInt64($0, radix: 16) } }

    var bytes: [UInt8]? { text.flatMap { [UInt8](hex: $0) } }

    var link: CausalLink? { self["bytes"].bytes.flatMap { CausalLink($0) } }
}

/// Where a hash's vectors say so: byte i is 31 · i, modulo 256.
func patternBytes(_ count: Int) -> [UInt8] { (0..<count).map { UInt8(truncatingIfNeeded: $0 * 31) } }

func errorCode<Value>(_ body: () throws(WireError) -> Value) -> WireError.Code? {
    do {
        _ = try body()
        return nil
    } catch {
        return error.code
    }
}
