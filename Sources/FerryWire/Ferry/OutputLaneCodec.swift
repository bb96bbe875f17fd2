extension [OutputLaneState] {
    /// H("ferry-output-lanes", canonical lanes), as a Release states it.
    ///
    /// - Throws: `.limitExceeded`, `.notCanonical` when lanes or outputs are out of order.
    public func digest() throws(WireError) -> FixedBytes32 {
        var counter = ByteCounter()
        encodeLanes(into: &counter)
        if let violation = counter.violation { throw violation }
        return FixedBytes32(label: "ferry-output-lanes", [UInt8](rawCapacity: counter.byteCount) { encodeLanes(into: &$0) })
    }

    /// Writes every different output once, sorted by sequence, then the lanes, sorted by subscriber, which name outputs by sequence.
    func encodeLanes(into sink: inout some ByteSink & ~Copyable & ~Escapable) {
        let outputs = distinctOutputs
        sink.append(count32: outputs.count, limit: WireLimits.unacknowledgedOutputCount, "unacknowledged outputs")
        var byteCount = 0
        var last: CausalEvent?
        for output in outputs {
            sink.require(last.map { $0.link.sequence < output.link.sequence } ?? true, Self.disorder)
            last = output
            byteCount += output.typedByteCount
            output.encodeTyped(into: &sink)
        }
        sink.require(byteCount <= WireLimits.unacknowledgedByteCount, Self.excess)
        sink.append(count32: count, limit: WireLimits.outputLaneCount, "output lanes")
        var referenceCount = 0
        var previous: OriginHash?
        for lane in self {
            sink.require(previous.map { $0 < lane.subscriber } ?? true, Self.unsorted)
            previous = lane.subscriber
            referenceCount += lane.unacknowledged.count
            lane.encodeReferences(into: &sink)
        }
        sink.require(referenceCount <= WireLimits.unacknowledgedOutputCount, Self.excess)
    }

    init(lanesFrom reader: inout ByteReader) throws(WireError) {
        let outputCount = try reader.readCount(
            limit: WireLimits.unacknowledgedOutputCount, minimumByteCount: CausalEvent.minimumTypedByteCount, "unacknowledged outputs")
        var outputs: [CausalEvent] = []
        outputs.reserveCapacity(outputCount)
        var byteCount = 0
        for _ in 0..<outputCount {
            let output = try CausalEvent(typedFrom: &reader)
            if let last = outputs.last, last.link.sequence >= output.link.sequence { throw Self.disorder }
            guard output.content.travelsOnLanes else { throw WireError(.invalidValue, "an output that belongs into a move log") }
            byteCount += output.typedByteCount
            guard byteCount <= WireLimits.unacknowledgedByteCount else { throw Self.excess }
            outputs.append(output)
        }
        let count = try reader.readCount(
            limit: WireLimits.outputLaneCount, minimumByteCount: OutputLaneState.minimumByteCount, "output lanes")
        self.init()
        reserveCapacity(count)
        var referenceCount = 0
        var isReferenced = [Bool](repeating: false, count: outputCount)
        for _ in 0..<count {
            let lane = try OutputLaneState(from: &reader, outputs: outputs, isReferenced: &isReferenced)
            if let last, last.subscriber >= lane.subscriber { throw Self.unsorted }
            referenceCount += lane.unacknowledged.count
            guard referenceCount <= WireLimits.unacknowledgedOutputCount else { throw Self.excess }
            append(lane)
        }
        guard isReferenced.allSatisfy(\.self) else { throw WireError(.notCanonical, "an output that no lane waits for") }
    }

    private var distinctOutputs: [CausalEvent] {
        guard count > 1 else { return first?.unacknowledged ?? [] }
        var outputs: [CausalEvent] = []
        for output in flatMap(\.unacknowledged).sorted(by: { $0.link.sequence < $1.link.sequence }) where outputs.last != output {
            outputs.append(output)
        }
        return outputs
    }

    private static var disorder: WireError { WireError(.notCanonical, "unacknowledged outputs are not in order") }
    private static var unsorted: WireError { WireError(.notCanonical, "lanes are not sorted by subscriber") }
    private static var excess: WireError { WireError(.limitExceeded, "unacknowledged outputs") }
}

extension OutputLaneState {
    /// Subscriber, acknowledged sequence, count of outputs.
    fileprivate static let minimumByteCount = 8 + 8 + 4

    fileprivate func encodeReferences(into sink: inout some ByteSink & ~Copyable & ~Escapable) {
        sink.append(littleEndian: subscriber.rawValue)
        sink.append(littleEndian: acknowledged)
        sink.append(count32: unacknowledged.count, limit: WireLimits.unacknowledgedOutputCount, "unacknowledged outputs")
        var last = acknowledged
        for event in unacknowledged {
            sink.require(event.link.sequence > last, Self.disorder)
            last = event.link.sequence
            sink.append(littleEndian: event.link.sequence)
        }
    }

    fileprivate init(from reader: inout ByteReader, outputs: [CausalEvent], isReferenced: inout [Bool]) throws(WireError) {
        subscriber = OriginHash(rawValue: try reader.readUInt64("subscriber"))
        acknowledged = try reader.readUInt64("acknowledged sequence")
        let count = try reader.readCount(limit: WireLimits.unacknowledgedOutputCount, minimumByteCount: 8, "unacknowledged outputs")
        unacknowledged = []
        unacknowledged.reserveCapacity(count)
        var last = acknowledged
        for _ in 0..<count {
            let sequence = try reader.readUInt64("output sequence")
            guard sequence > last else { throw Self.disorder }
            last = sequence
            guard let index = Self.index(of: sequence, in: outputs) else {
                throw WireError(.inconsistent, "a lane waits for output \(sequence), which is not there")
            }
            isReferenced[index] = true
            unacknowledged.append(outputs[index])
        }
    }

    private static func index(of sequence: UInt64, in outputs: [CausalEvent]) -> Int? {
        var low = 0
        var high = outputs.count
        while low < high {
            let middle = (low + high) / 2
            if outputs[middle].link.sequence < sequence { low = middle + 1 } else { high = middle }
        }
        return low < outputs.count && outputs[low].link.sequence == sequence ? low : nil
    }

    private static var disorder: WireError { WireError(.notCanonical, "unacknowledged outputs are not in order") }
}

extension [OwnerHint] {
    /// Writes `count u32`, then `daemon u64 | node 32 | epoch u64 | address text` each, sorted by daemon.
    func encodeHints(into sink: inout some ByteSink & ~Copyable & ~Escapable) {
        sink.append(count32: count, limit: WireLimits.ownerHintCount, "owner hints")
        var last: OriginHash?
        for hint in self {
            sink.require(last.map { $0 < hint.daemon } ?? true, Self.unsorted)
            last = hint.daemon
            sink.append(littleEndian: hint.daemon.rawValue)
            sink.append(fixed: hint.node)
            sink.append(littleEndian: hint.epoch.rawValue)
            sink.append(text16: hint.address, limit: WireLimits.hintAddressByteCount, "owner's address")
        }
    }

    init(hintsFrom reader: inout ByteReader) throws(WireError) {
        let count = try reader.readCount(limit: WireLimits.ownerHintCount, minimumByteCount: 8 + 32 + 8 + 2, "owner hints")
        self.init()
        reserveCapacity(count)
        for _ in 0..<count {
            let daemon = OriginHash(rawValue: try reader.readUInt64("daemon"))
            if let last, last.daemon >= daemon { throw Self.unsorted }
            append(
                OwnerHint(
                    daemon: daemon, node: try reader.read("owner"), epoch: try reader.readEpoch(),
                    address: try reader.readText16(limit: WireLimits.hintAddressByteCount, "owner's address")))
        }
    }

    private static var unsorted: WireError { WireError(.notCanonical, "owner hints are not sorted by daemon") }
}
