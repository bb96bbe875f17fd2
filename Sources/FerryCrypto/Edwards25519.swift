public import FerryWire

/// Tests on encoded points of edwards25519 (RFC 8032 §5.1) that signature back-ends leave out. All inputs are public.
public enum Edwards25519 {
    /// Whether the encoding, in either sign and canonical or not, is one of the eight points of small order.
    public static func hasSmallOrder(_ point: FixedBytes32) -> Bool {
        let y = FieldElement(yOf: point)
        return smallOrderYs.contains { $0.reduced == y.reduced }
    }

    /// Whether the y coordinate is below the field's modulus.
    public static func isCanonical(_ point: FixedBytes32) -> Bool {
        let y = FieldElement(yOf: point)
        return y == y.reduced
    }

    /// Whether the encoding names a point of the curve, of whatever order.
    public static func isPoint(_ point: FixedBytes32) -> Bool {
        let y = FieldElement(yOf: point)
        let square = y * y
        let numerator = square - .one
        let denominator = square * .d + .one
        // x² = numerator / denominator has a root exactly when the product is zero or a square (Euler's criterion).
        let criterion = (numerator * denominator).raisedToHalfOrder.reduced
        return criterion == .zero || criterion == .one
    }

    /// y of the points of order 4, 1 and 2, and of the four points of order 8.
    private static let smallOrderYs: [FieldElement] = [
        .zero, .one, .zero - .one, .orderEight, .zero - .orderEight,
    ]
}
