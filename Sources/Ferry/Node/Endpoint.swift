public import FerryTransports
public import FerryWire

/// Where a node listens and who it must prove to be: `scheme:rest#NODEKEY`.
public struct Endpoint: Hashable, Sendable, CustomStringConvertible {
    /// Where to dial; nil when only the key is known and a session must exist.
    public var address: TransportAddress?
    /// The key that the peer must prove; nil accepts whom the node's peer policy admits.
    public var nodeKey: NodeKey?

    /// Joins the two parts.
    public init(address: TransportAddress?, nodeKey: NodeKey?) {
        self.address = address
        self.nodeKey = nodeKey
    }

    /// Parses `scheme:rest`, `scheme:rest#NODEKEY` or `#NODEKEY`; the last `#` starts the key, 64 hex digits.
    ///
    /// - Throws: `.invalidEndpoint`.
    public init(_ text: String) throws(FerryError) {
        guard let hash = text.lastIndex(of: "#") else {
            guard let address = TransportAddress(text) else {
                throw FerryError(.invalidEndpoint, "\"\(text)\" is not of the form scheme:rest#NODEKEY")
            }
            self.init(address: address, nodeKey: nil)
            return
        }
        guard let key = NodeKey(hex: text[text.index(after: hash)...]) else {
            throw FerryError(.invalidEndpoint, "the part after # in \"\(text)\" is not a node key of 64 hex digits")
        }
        guard hash != text.startIndex else {
            self.init(address: nil, nodeKey: key)
            return
        }
        guard let address = TransportAddress(String(text[..<hash])) else {
            throw FerryError(.invalidEndpoint, "\"\(text)\" is not of the form scheme:rest#NODEKEY")
        }
        self.init(address: address, nodeKey: key)
    }

    /// `scheme:rest#NODEKEY`, as far as known.
    public var description: String {
        (address.map(\.description) ?? "") + (nodeKey.map { "#\($0.hex)" } ?? "")
    }
}
