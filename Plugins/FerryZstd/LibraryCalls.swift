internal import CZstd

// The one file that calls libzstd with pointers.

/// A size or an error code, as most libzstd calls return it.
struct ZstdResult {
    var rawValue: Int

    var isError: Bool { ZSTD_isError(rawValue) != 0 }
    var isTooSmall: Bool { ZSTD_getErrorCode(rawValue) == ZSTD_error_dstSize_tooSmall }
    var name: String { unsafe String(cString: ZSTD_getErrorName(rawValue)) }
    var byteCount: Int { rawValue }
}

/// What a frame says about itself.
struct FrameLengths {
    /// The frame's own length.
    var stored: ZstdResult
    /// The length of its content, where the frame names it.
    var content: UInt64?

    init(_ input: RawSpan) {
        stored = unsafe input.withUnsafeBytes { unsafe ZstdResult(rawValue: ZSTD_findFrameCompressedSize($0.baseAddress, $0.count)) }
        let named = unsafe input.withUnsafeBytes { unsafe ZSTD_getFrameContentSize($0.baseAddress, $0.count) }
        content = named == ZSTD_CONTENTSIZE_UNKNOWN || named == ZSTD_CONTENTSIZE_ERROR ? nil : named
    }
}

/// ZSTD_CCtx.
@safe
final class CompressionContext: Context, @unchecked Sendable {
    private let context: OpaquePointer

    init?() {
        guard let context = unsafe ZSTD_createCCtx() else { return nil }
        unsafe self.context = context
    }

    deinit {
        unsafe _ = ZSTD_freeCCtx(context)
    }

    var byteCount: Int { unsafe ZSTD_sizeof_CCtx(context) }

    func compress(_ input: RawSpan, level: Int32, into output: inout OutputRawSpan) -> ZstdResult {
        unsafe output.withUnsafeMutableBytes { buffer, count in
            unsafe input.withUnsafeBytes { input in
                let free = unsafe UnsafeMutableRawBufferPointer(rebasing: buffer[count...])
                let result = unsafe ZstdResult(
                    rawValue: ZSTD_compressCCtx(context, free.baseAddress, free.count, input.baseAddress, input.count, level))
                if !result.isError { count += result.byteCount }
                return result
            }
        }
    }
}

/// ZSTD_DCtx.
@safe
final class DecompressionContext: Context, @unchecked Sendable {
    private let context: OpaquePointer

    init?() {
        guard let context = unsafe ZSTD_createDCtx() else { return nil }
        unsafe self.context = context
    }

    deinit {
        unsafe _ = ZSTD_freeDCtx(context)
    }

    var byteCount: Int { unsafe ZSTD_sizeof_DCtx(context) }

    func decompress(_ input: RawSpan, into output: inout OutputRawSpan) -> ZstdResult {
        unsafe output.withUnsafeMutableBytes { buffer, count in
            unsafe input.withUnsafeBytes { input in
                let free = unsafe UnsafeMutableRawBufferPointer(rebasing: buffer[count...])
                let result = unsafe ZstdResult(
                    rawValue: ZSTD_decompressDCtx(context, free.baseAddress, free.count, input.baseAddress, input.count))
                if !result.isError { count += result.byteCount }
                return result
            }
        }
    }
}
