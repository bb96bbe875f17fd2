import FerryWire
import Testing

@testable import FerryCrypto

@Suite("Wiping")
struct WipeTests {
    @Test("a wiped buffer is zero to its last byte, and no byte further", arguments: [0, 1, 31, 32, 4_097])
    func wipeClearsExactly(byteCount: Int) {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: byteCount + 1, alignment: 16)
        defer { unsafe buffer.deallocate() }
        for index in 0...byteCount { unsafe buffer[index] = 0xff }
        unsafe wipe(UnsafeMutableRawBufferPointer(rebasing: buffer[..<byteCount]))
        let cleared = unsafe buffer[..<byteCount].allSatisfy { $0 == 0 }
        let last = unsafe buffer[byteCount]
        #expect(cleared)
        #expect(last == 0xff)
    }

    @Test("HChaCha20 (draft-irtf-cfrg-xchacha-03 §2.2.1)")
    func hChaCha20() throws {
        let key = (0..<32).map { UInt8($0) }
        let prefix = try #require(FixedBytes16(hex: "000000090000004a0000000031415927"))
        let subkey = [UInt8](rawCapacity: 32) { HChaCha20.derive(key: key.rawSpan, prefix: prefix, into: &$0) }
        #expect(subkey.hex == "82413b4227b27bfed30e42508a877d73a0f9e4d58a74a853c12ec41326d3ecdc")
    }

    @Test("field arithmetic agrees with known products")
    func fieldArithmetic() {
        let minusOne = FieldElement.zero - .one
        #expect((minusOne * minusOne).reduced == .one)
        #expect((minusOne + .one).reduced == .zero)
        #expect((.d - .d).reduced == .zero)
        #expect(minusOne.raisedToHalfOrder.reduced == .one)
        // d and 2 are not squares.
        #expect(FieldElement.d.raisedToHalfOrder.reduced == minusOne.reduced)
        #expect((FieldElement.one + .one).raisedToHalfOrder.reduced == minusOne.reduced)
    }
}
