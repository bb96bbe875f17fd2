/// One line of input: the bytes that its hex digits say, or why they say none.
enum HexLine: Equatable {
    case bytes([UInt8])
    case invalid(String)
}

/// Cuts a stream of characters into lines and decodes their hex digits on the way, so that a line of any length is gone through once and
/// takes no more memory than its bytes.
///
/// Digits of either case; LF or CR LF ends a line, and so does the end of the input after at least one character.
struct HexLines {
    private var bytes: [UInt8] = []
    private var high: UInt8?
    private var problem: String?
    private var hasCarriageReturn = false
    private var isEmpty = true

    /// Takes the next characters; returns the lines that they end, in order.
    mutating func take(_ characters: [UInt8]) -> [HexLine] {
        var lines: [HexLine] = []
        for character in characters {
            if character == UInt8(ascii: "\n") {
                lines.append(end())
            } else {
                take(character)
            }
        }
        return lines
    }

    /// The line that the end of the input ends, if there is one.
    mutating func finish() -> HexLine? { isEmpty ? nil : end() }

    private mutating func take(_ character: UInt8) {
        isEmpty = false
        guard problem == nil else { return }
        guard !hasCarriageReturn else { return fail("a carriage return inside of a line") }
        if character == UInt8(ascii: "\r") {
            hasCarriageReturn = true
        } else if let digit = Self.digit(character) {
            if let high {
                bytes.append(high << 4 | digit)
                self.high = nil
            } else {
                high = digit
            }
        } else {
            fail("a character that is no hex digit")
        }
    }

    /// Keeps the reason and lets go of the bytes: no more of this line is needed.
    private mutating func fail(_ reason: String) {
        problem = reason
        bytes = []
    }

    private mutating func end() -> HexLine {
        if high != nil, problem == nil { fail("an odd number of hex digits") }
        let line: HexLine = problem.map { .invalid($0) } ?? .bytes(bytes)
        self = HexLines()
        return line
    }

    private static func digit(_ character: UInt8) -> UInt8? {
        switch character {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): character - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): character - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): character - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}
