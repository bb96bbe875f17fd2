extension [Double] {
    /// The middle value, or the mean of the two in the middle; nil without any.
    var median: Double? {
        guard !isEmpty else { return nil }
        let sorted = sorted()
        return count.isMultiple(of: 2) ? (sorted[count / 2 - 1] + sorted[count / 2]) / 2 : sorted[count / 2]
    }

    /// The mean; nil without any.
    var mean: Double? { isEmpty ? nil : reduce(0, +) / Double(count) }
}

/// A figure as a person reads it.
enum Figure {
    /// One decimal below a thousand, none above.
    static func text(_ value: Double?) -> String {
        guard let value else { return "–" }
        return value >= 1_000 ? String(Int(value.rounded())) : String((value * 10).rounded() / 10)
    }

    /// Two decimals.
    static func ratio(_ value: Double?) -> String { value.map { String(($0 * 100).rounded() / 100) } ?? "–" }

    /// Mebibytes with one decimal.
    static func mebibytes(_ byteCount: Double?) -> String { byteCount.map { "\(text($0 / 1_048_576)) MiB" } ?? "–" }

    /// `text` with blanks in front, or behind for a negative width.
    static func column(_ text: String, _ width: Int) -> String {
        let blanks = String(repeating: " ", count: max(0, abs(width) - text.count))
        return width < 0 ? text + blanks : blanks + text
    }
}
