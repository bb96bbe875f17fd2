extension FerryError.Code {
    /// `process` threw, or its outputs exceed a limit or the chain.
    public static let processFailed = Self("processFailed")
    /// A snapshot cannot become a daemon.
    public static let restoreFailed = Self("restoreFailed")
    /// The registry holds another daemon under this origin by now.
    public static let stale = Self("stale")
    /// A factory for this daemon is registered already.
    public static let factoryExists = Self("factoryExists")
    /// More deliveries wait for the daemon than its queue holds, or its move cannot take any more in.
    public static let busy = Self("busy")
    /// No node advertises what the daemon requires.
    public static let noTargetAvailable = Self("noTargetAvailable")
}
