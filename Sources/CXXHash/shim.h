#pragma once
#define XXH_STATIC_LINKING_ONLY
#include <string.h>
#include <xxhash.h>

// XXH3-64, seed 0, of `head` followed by `tail`, without a heap allocation. The streaming state lives on the stack; short inputs are cheaper
// side by side in one small buffer.
static inline uint64_t ferry_xxh3_pair(const void *head, size_t head_count, const void *tail, size_t tail_count) {
    if (head_count <= 512 && tail_count <= 512) {
        unsigned char joined[1024];
        if (head_count != 0) memcpy(joined, head, head_count);
        if (tail_count != 0) memcpy(joined + head_count, tail, tail_count);
        return XXH3_64bits(joined, head_count + tail_count);
    }
    XXH3_state_t state;
    XXH3_INITSTATE(&state);
    XXH3_64bits_reset(&state);
    if (head_count != 0) XXH3_64bits_update(&state, head, head_count);
    if (tail_count != 0) XXH3_64bits_update(&state, tail, tail_count);
    return XXH3_64bits_digest(&state);
}
