import Testing

/// The identity sections of the net-mesh vectors.
struct NetMeshVectors: Decodable {
    struct Section<Vector: Decodable>: Decodable {
        let vectors: [Vector]
    }

    struct Identity: Decodable {
        struct Signed: Decodable {
            let message: String
            let signature: String
        }

        let seed: String
        let entityId: String
        let originHash: String
        let nodeId: String
        let signatures: [Signed]
    }

    struct Verdict: Decodable {
        let entityId: String
        let message: String
        let signature: String
        let valid: Bool
    }

    struct SealedByNetMesh: Decodable {
        let targetSecret: String
        let targetPublic: String
        let envelope: String
        let daemonSeed: String
        let link: String
    }

    struct SealedByUs: Decodable {
        let daemonSeed: String
        let targetSecret: String
        let targetPublic: String
        let ephemeralSecret: String
        let link: String
        let envelope: String
    }

    struct Envelopes: Decodable {
        let sealedByWheel: Section<SealedByNetMesh>
        let sealedByUs: Section<SealedByUs>
    }

    let identity: Section<Identity>
    let signatureStrictness: Section<Verdict>
    let identityEnvelope: Envelopes

    static func load() throws -> NetMeshVectors {
        try vectorFile("net-mesh-migration.json")
    }
}
