/// One message of a Ferry session, told apart by its first byte.
public enum PeerMessage: Hashable, Sendable {
    /// First byte 1: about a move.
    case migration(FerryMessage)
    /// First byte 2: about a lane.
    case lane(LaneMessage)
}
