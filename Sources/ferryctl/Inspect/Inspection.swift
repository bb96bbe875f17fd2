internal import ArgumentParser
internal import FerryChunking
internal import FerryWire

/// What `ferryctl inspect` reads.
enum InspectionKind: String, ExpressibleByArgument, CaseIterable {
    case snapshot, message, link, envelope, bindings, reassemble, identity
}

/// Turns lines of hex into verdicts: one object a line, whatever the line is.
///
/// The fields are named as in net-mesh's own words in camel case; numbers of 64 bits are decimal strings, bytes are lower-case hex.
struct Inspection {
    let kind: InspectionKind
    private var reassembly = ReassemblyInspection()

    init(_ kind: InspectionKind) { self.kind = kind }

    /// The verdict on one line.
    mutating func inspect(_ line: HexLine) -> JSONValue {
        switch line {
        case .bytes(let bytes): inspect(bytes)
        case .invalid(let reason): .refusal("invalidHex", reason)
        }
    }

    private mutating func inspect(_ bytes: [UInt8]) -> JSONValue {
        do throws(WireError) {
            switch kind {
            case .snapshot: return .verdict(try SnapshotInspection.fields(bytes))
            case .message: return .verdict(try MessageInspection.fields(bytes))
            case .link: return .verdict(try LinkInspection.fields(bytes))
            case .envelope: return .verdict(try EnvelopeInspection.fields(bytes))
            case .bindings: return .verdict(try BindingsInspection.fields(bytes))
            case .reassemble: return reassembly.verdict(bytes)
            case .identity: return .refusal("usage", "an identity is read with --seed")
            }
        } catch {
            return .refusal(error.code.description, error.message)
        }
    }
}

extension JSONValue {
    typealias Members = [(String, JSONValue)]

    /// An accepted line.
    static func verdict(_ fields: Members) -> JSONValue { .object([("ok", true)] + fields) }

    /// A refused line, and what is known about it all the same.
    static func refusal(_ code: String, _ message: String, _ fields: Members = []) -> JSONValue {
        .object([("ok", false), ("error", .string(code)), ("message", .string(message))] + fields)
    }

    /// Lower-case hex.
    static func hex(_ bytes: [UInt8]) -> JSONValue { .string(bytes.hex) }
}
