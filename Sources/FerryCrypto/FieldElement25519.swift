internal import FerryWire

/// An integer modulo p = 2^255 - 19 in five words of 51 bits; for public values only, since its timing is not constant.
struct FieldElement: Equatable {
    /// Each below 2^52; `reduced` has the one form with each below 2^51 and the whole below p.
    private var limbs: [UInt64]

    private static let mask = UInt64(1) << 51 - 1

    private init(limbs: [UInt64]) {
        self.limbs = limbs
    }

    /// Takes four words of 64 bits, the lowest first, and ignores the highest bit: the sign of an encoded point.
    init(_ word0: UInt64, _ word1: UInt64, _ word2: UInt64, _ word3: UInt64) {
        let mask = Self.mask
        limbs = [
            word0 & mask,
            (word0 >> 51 | word1 << 13) & mask,
            (word1 >> 38 | word2 << 26) & mask,
            (word2 >> 25 | word3 << 39) & mask,
            (word3 >> 12) & mask,
        ]
    }

    /// The y coordinate of an encoded point (RFC 8032 §5.1.2), which may be p or above.
    init(yOf point: FixedBytes32) {
        let bytes = point.bytes
        let span = bytes.rawSpan
        self.init(
            span.littleEndianUInt64(at: 0), span.littleEndianUInt64(at: 8), span.littleEndianUInt64(at: 16),
            span.littleEndianUInt64(at: 24))
    }

    static let zero = FieldElement(0, 0, 0, 0)
    static let one = FieldElement(1, 0, 0, 0)
    /// The curve's constant, -121665/121666.
    static let d = FieldElement(0x75eb_4dca_1359_78a3, 0x0070_0a4d_4141_d8ab, 0x8cc7_4079_7779_e898, 0x5203_6cee_2b6f_fe73)
    /// y of two of the four points of order eight; its negative is y of the others.
    static let orderEight = FieldElement(0xb027_b2c2_8f95_e826, 0xf098_eff2_89f4_c345, 0x3933_c6d3_05ac_dfd5, 0x05fc_536d_8802_38b1)

    static func + (left: Self, right: Self) -> Self {
        carrying((0..<5).map { UInt128(left.limbs[$0] + right.limbs[$0]) })
    }

    static func - (left: Self, right: Self) -> Self {
        // Four times p, limb by limb, keeps every difference positive.
        carrying((0..<5).map { UInt128(left.limbs[$0] + 4 * ($0 == 0 ? mask - 18 : mask) - right.limbs[$0]) })
    }

    static func * (left: Self, right: Self) -> Self {
        var sums = [UInt128](repeating: 0, count: 5)
        for i in 0..<5 {
            for j in 0..<5 {
                let product = UInt128(left.limbs[i]) * UInt128(right.limbs[j])
                sums[(i + j) % 5] += i + j < 5 ? product : 19 * product
            }
        }
        return carrying(sums)
    }

    /// This to the power (p - 1) / 2 = 2^254 - 10.
    var raisedToHalfOrder: Self {
        var result = Self.one
        for bit in (0..<254).reversed() {
            result = result * result
            if bit >= 4 || bit == 2 || bit == 1 { result = result * self }
        }
        return result
    }

    /// The one representative below p.
    var reduced: Self {
        var value = Self.carrying(limbs.map { UInt128($0) })
        // Whether adding 19 reaches 2^255, which is to say that the value is p or above.
        var carry: UInt64 = 19
        for limb in value.limbs { carry = (limb + carry) >> 51 }
        carry *= 19
        for index in 0..<5 {
            carry += value.limbs[index]
            value.limbs[index] = carry & Self.mask
            carry >>= 51
        }
        return value
    }

    /// Brings sums of products back below 2^51 a limb; what leaves the top comes back nineteenfold.
    private static func carrying(_ sums: [UInt128]) -> Self {
        var sums = sums
        for _ in 0..<3 {
            var carry: UInt128 = 0
            for index in 0..<5 {
                sums[index] += carry
                carry = sums[index] >> 51
                sums[index] &= UInt128(mask)
            }
            sums[0] += 19 * carry
        }
        return Self(limbs: sums.map { UInt64($0) })
    }
}
