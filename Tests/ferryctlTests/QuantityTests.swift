import Testing

@testable import ferryctl

@Suite struct QuantityTests {
    @Test(arguments: [("64MiB", 64 << 20), ("7000B", 7000), ("1GiB", 1 << 30), ("0B", 0), ("1.5KiB", 1536)])
    func `sizes carry a unit`(text: String, byteCount: Int) {
        #expect(ByteSize(argument: text)?.byteCount == byteCount)
    }

    @Test(arguments: ["64", "MiB", "-1B", "1PiB", "1 MiB", "", "999999999TiB", "1.2.3B"])
    func `sizes without a unit, or out of range, are refused`(text: String) {
        #expect(ByteSize(argument: text) == nil)
    }

    @Test(arguments: [("250ms", Duration.milliseconds(250)), ("10m", .seconds(600)), ("1.5s", .milliseconds(1500))])
    func `durations carry a unit`(text: String, duration: Duration) {
        #expect(TimeSpan(argument: text)?.duration == duration)
    }
}
