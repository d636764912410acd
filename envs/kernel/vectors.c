/* Resampling with vectors of 32 bytes (AVX2) and of 64 (AVX-512).
 *
 * Two neighbouring sources become pairs of 16-bit numbers, so that one instruction multiplies them
 * by two weights and adds the products. */
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("no-tree-pre") /* GCC 12 would copy all sums in each round of a loop */
#endif

#include "resampling.h"

#ifdef VECTORS
#include <stdlib.h>
#include <string.h>

#define PLACES 64 /* per row at once: the sources that they need stay in the L1 cache */

/* Index of bytes within 16. */
#define INDEX _mm_setr_epi8
#define NONE -1, -1, -1, -1 /* zeros */
#define BLUE(at) at, -1, at + 3, -1 /* a channel of two pixels as 16-bit numbers */
#define GREEN(at) at + 1, -1, at + 4, -1
#define RED(at) at + 2, -1, at + 5, -1

/* The most pairs of pixels that `PLACES` places need. */
static size_t most_pairs(const Side *side, int sources) {
    int most = 0;
    for (int begin = 0; begin < side->size; begin += PLACES) {
        const int end = begin + PLACES < side->size ? begin + PLACES : side->size;
        const int count = needed(side, end, sources) - side->first[begin];
        if (count > most) most = count;
    }
    /* Four sources are unpacked at once; beyond the last one, all weights are 0. */
    return ((size_t)most + 4 + side->taps) / 2;
}

/* Write 12 bytes, or fewer if the row has no more room; if it has, also four that the next places
 * overwrite. */
VECTORS static inline void write_four(uint8_t *to, __m128i bytes, ptrdiff_t room) {
    if (room >= 16)
        _mm_storeu_si128((__m128i *)to, bytes);
    else
        memcpy(to, &bytes, room < 12 ? (size_t)room : 12);
}

#define V __m256i
#define TARGET VECTORS
#define NAME(name) name##_32
#define OP(name) _mm256_##name
#define OR _mm256_or_si256
#define EVERYWHERE _mm256_broadcastsi128_si256
#define LOAD(from) _mm256_load_si256((const V *)(from))
#define LOAD_ANY(from) _mm256_loadu_si256((const V *)(from))
#define STORE(to, vector) _mm256_store_si256((V *)(to), vector)
#define STORE_ANY(to, vector) _mm256_storeu_si256((V *)(to), vector)

VECTORS static inline V every_fourth_32(const uint8_t *from, ptrdiff_t stride) {
    const V row = _mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)from));
    return _mm256_inserti128_si256(row, _mm_loadu_si128((const __m128i *)(from + 4 * stride)), 1);
}

VECTORS static inline void write_every_fourth_32(V rows, uint8_t *to, ptrdiff_t stride,
                                                 ptrdiff_t room) {
    write_four(to, _mm256_castsi256_si128(rows), room);
    write_four(to + 4 * stride, _mm256_extracti128_si256(rows, 1), room);
}

VECTORS static inline V add_products_32(V sums, V pairs, V weights) {
    return _mm256_add_epi32(sums, _mm256_madd_epi16(pairs, weights));
}

#include "passes.h"

#undef V
#undef TARGET
#undef NAME
#undef OP
#undef OR
#undef EVERYWHERE
#undef LOAD
#undef LOAD_ANY
#undef STORE
#undef STORE_ANY

#define V __m512i
#define TARGET WIDE_VECTORS
#define NAME(name) name##_64
#define OP(name) _mm512_##name
#define OR _mm512_or_si512
#define EVERYWHERE _mm512_broadcast_i32x4
#define LOAD _mm512_load_si512
#define LOAD_ANY _mm512_loadu_si512
#define STORE _mm512_store_si512
#define STORE_ANY _mm512_storeu_si512

WIDE_VECTORS static inline V every_fourth_64(const uint8_t *from, ptrdiff_t stride) {
    V rows = _mm512_castsi128_si512(_mm_loadu_si128((const __m128i *)from));
    rows = _mm512_inserti32x4(rows, _mm_loadu_si128((const __m128i *)(from + 4 * stride)), 1);
    rows = _mm512_inserti32x4(rows, _mm_loadu_si128((const __m128i *)(from + 8 * stride)), 2);
    return _mm512_inserti32x4(rows, _mm_loadu_si128((const __m128i *)(from + 12 * stride)), 3);
}

WIDE_VECTORS static inline void write_every_fourth_64(V rows, uint8_t *to, ptrdiff_t stride,
                                                      ptrdiff_t room) {
    write_four(to, _mm512_castsi512_si128(rows), room);
    write_four(to + 4 * stride, _mm512_extracti32x4_epi32(rows, 1), room);
    write_four(to + 8 * stride, _mm512_extracti32x4_epi32(rows, 2), room);
    write_four(to + 12 * stride, _mm512_extracti32x4_epi32(rows, 3), room);
}

WIDE_VECTORS static inline V add_products_64(V sums, V pairs, V weights) {
    return _mm512_dpwssd_epi32(sums, weights, pairs);
}

#include "passes.h"

int vectors_across(const uint8_t *from, ptrdiff_t stride, int sources, uint8_t *to, int rows,
                   const Side *side) {
    if (vectors() == 2 && rows >= 16) return across_64(from, stride, sources, to, rows, side);
    if (vectors() && rows >= 8) return across_32(from, stride, sources, to, rows, side);
    return 0;
}

ptrdiff_t vectors_down(const uint8_t *from, ptrdiff_t stride, int sources, uint8_t *to,
                       ptrdiff_t width, const Side *side) {
    const int size = vectors();
    ptrdiff_t done = 0;
    if (!size || side->size < 2) return 0;
    for (int next = 0; next < side->size; next += 2) {
        /* The last row may have been computed before. */
        const int place = next + 2 <= side->size ? next : side->size - 2;
        uint8_t *at = to + place * width;
        done = size == 2 ? two_down_64(from, stride, sources, at, width, 0, place, side) : 0;
        done = two_down_32(from, stride, sources, at, width, done, place, side);
    }
    return done;
}
#endif
