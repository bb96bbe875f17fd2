import FerryCrypto
import FerryWire
import Testing

@Suite("Published vectors of every primitive, in both providers")
struct PrimitiveVectorTests {
    @Test("SHA-256 (FIPS 180-4 examples)", arguments: NamedProvider.all)
    func sha256(provider: NamedProvider) throws {
        let hash = try provider.crypto.sha256
        #expect(hash.digest([]) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
        #expect(hash.digest(Array("abc".utf8)) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
        let million = [UInt8](repeating: UInt8(ascii: "a"), count: 1_000_000)
        #expect(hash.digest(million) == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0")
    }

    @Test("BLAKE2b-256 where the provider has it")
    func blake2b256() throws {
        let hash = try NamedProvider.sodium.crypto.hash(.blake2b256)
        #expect(hash.digest([]) == "0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8")
        #expect(hash.digest(Array("abc".utf8)) == "bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319")
    }

    @Test("HMAC-SHA256 (RFC 4231)", arguments: NamedProvider.all)
    func hmac(provider: NamedProvider) throws {
        let cases: [(key: String, message: String, mac: String)] = [
            (
                String(repeating: "0b", count: 20), "4869205468657265",
                "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
            ),
            (
                "4a656665", "7768617420646f2079612077616e7420666f72206e6f7468696e673f",
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
            ),
            (
                String(repeating: "aa", count: 20), String(repeating: "dd", count: 50),
                "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"
            ),
            (
                String(repeating: "aa", count: 131),
                Array("Test Using Larger Than Block-Size Key - Hash Key First".utf8).hex,
                "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
            ),
        ]
        let hash = try provider.crypto.sha256
        for (key, message, mac) in cases {
            let key = try hex(key)
            let message = try hex(message)
            let computed = [UInt8](rawCapacity: 32) { hash.hmac(key: key.rawSpan, message.rawSpan, into: &$0) }
            #expect(computed.hex == mac)
        }
    }

    @Test("HKDF-SHA256 (RFC 5869)", arguments: NamedProvider.all)
    func hkdf(provider: NamedProvider) throws {
        let cases: [(inputKey: String, salt: String, info: String, key: String, output: String)] = [
            (
                String(repeating: "0b", count: 22), "000102030405060708090a0b0c", "f0f1f2f3f4f5f6f7f8f9",
                "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5",
                "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"
            ),
            (
                (0x00...0x4f).map { UInt8($0) }.hex, (0x60...0xaf).map { UInt8($0) }.hex, (0xb0...0xff).map { UInt8($0) }.hex,
                "06a6b88c5853361a06104c9ceb35b45cef760014904671014a193f40c15fc244",
                "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09"
                    + "da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87"
            ),
            (
                String(repeating: "0b", count: 22), "", "",
                "19ef24a32c717b167f33a91d6f648bdf96596776afdb6377ac434c1c293ccb04",
                "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8"
            ),
        ]
        let hash = try provider.crypto.sha256
        for (inputKey, salt, info, key, output) in cases {
            let (inputKey, salt, info) = (try hex(inputKey), try hex(salt), try hex(info))
            let extracted = [UInt8](rawCapacity: 32) { hash.hkdfExtract(salt: salt.rawSpan, inputKey: inputKey.rawSpan, into: &$0) }
            #expect(extracted.hex == key)
            let byteCount = output.utf8.count / 2
            let expanded = [UInt8](rawCapacity: byteCount) {
                hash.hkdfExpand(key: extracted.rawSpan, info: info.rawSpan, byteCount: byteCount, into: &$0)
            }
            #expect(expanded.hex == output)
        }
    }

    @Test("X25519 (RFC 7748 §5.2, §6.1)", arguments: NamedProvider.all)
    func x25519(provider: NamedProvider) throws {
        let cases = [
            (
                "a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4",
                "e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c",
                "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552"
            ),
            (
                "4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d",
                "e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493",
                "95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957"
            ),
        ]
        let agreement = try provider.crypto.x25519
        for (scalar, point, expected) in cases {
            let shared = try agreement.sharedSecret(
                secret: provider.crypto.secret(scalar), publicKey: bytes32(point), allocator: provider.crypto.secrets)
            #expect(shared.copiedForTest().hex == expected)
        }
    }

    @Test("X25519 iterated a thousand times (RFC 7748 §5.2)", arguments: NamedProvider.all)
    func x25519Iterated(provider: NamedProvider) throws {
        let agreement = try provider.crypto.x25519
        var scalar = try bytes32("09" + String(repeating: "00", count: 31))
        var point = scalar
        for iteration in 1...1_000 {
            let shared = try agreement.sharedSecret(
                secret: provider.crypto.secret(scalar.hex), publicKey: point, allocator: provider.crypto.secrets)
            point = scalar
            scalar = try #require(FixedBytes32(shared.copiedForTest()))
            if iteration == 1 { #expect(scalar.hex == "422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079") }
        }
        #expect(scalar.hex == "684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51")
    }

    @Test("a public key is the secret's product with the base point", arguments: NamedProvider.all)
    func x25519PublicKey(provider: NamedProvider) throws {
        let agreement = try provider.crypto.x25519
        let base = try bytes32("09" + String(repeating: "00", count: 31))
        let secret = try provider.crypto.secret(String(repeating: "07", count: 32))
        let product = try agreement.sharedSecret(secret: secret, publicKey: base, allocator: provider.crypto.secrets)
        #expect(try agreement.publicKey(of: secret) == FixedBytes32(product.copiedForTest()))
    }

    @Test("small-order X25519 keys are refused", arguments: NamedProvider.all)
    func x25519SmallOrder(provider: NamedProvider) throws {
        let agreement = try provider.crypto.x25519
        let secret = try provider.crypto.secret(String(repeating: "42", count: 32))
        for point in [
            String(repeating: "00", count: 32), "01" + String(repeating: "00", count: 31),
            "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
            "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
            "ec" + String(repeating: "ff", count: 30) + "7f", "ed" + String(repeating: "ff", count: 30) + "7f",
            "ee" + String(repeating: "ff", count: 30) + "7f",
        ] {
            let key = try bytes32(point)
            expectFailure(.invalidKey) {
                _ = try agreement.sharedSecret(secret: secret, publicKey: key, allocator: provider.crypto.secrets)
            }
        }
    }

    @Test("ed25519 (RFC 8032 §7.1)", arguments: NamedProvider.all)
    func ed25519(provider: NamedProvider) throws {
        let cases = [
            (
                "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
                "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
                "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
                    + "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
            ),
            (
                "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
                "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
                "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
                    + "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
            ),
            (
                "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
                "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
                "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
                    + "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"
            ),
        ]
        let scheme = try provider.crypto.ed25519
        for (seed, publicKey, message, signature) in cases {
            let message = try hex(message)
            let seed = try provider.crypto.secret(seed)
            #expect(try scheme.publicKey(ofSeed: seed).hex == publicKey)
            let made = try scheme.sign(message.rawSpan, seed: seed)
            #expect(made.hex == signature)
            #expect(try scheme.isValid(made, over: message, by: bytes32(publicKey)))
        }
    }
}

extension HashAlgorithm {
    func digest(_ message: [UInt8]) -> String {
        [UInt8](rawCapacity: algorithm.digestByteCount) { hash(message.rawSpan, into: &$0) }.hex
    }
}
