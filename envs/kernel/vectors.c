/* Resampling with vectors of 32 bytes (AVX2) and of 64 (AVX-512).
 *
 * Two neighbouring sources become pairs of 16-bit numbers, so that one instruction multiplies them
 * by two weights and adds the products to a sum of 32 bits. */
#include "resampling.h"

#ifdef VECTORS
#include <stdlib.h>
#include <string.h>

#define ROWS 8       /* computed at once with vectors of 32 bytes, four places of each */
#define WIDE_ROWS 16 /* with vectors of 64 bytes */
#define PLACES 64    /* per row at once: the sources that they need stay in the L1 cache */
#define LINE 64      /* bytes of a cache line */

/* Bytes of the pairs of two pixels of all rows: of ROWS, with zeros as a fourth channel. */
#define PAIRS (ROWS * 16)
#define WIDE_PAIRS (WIDE_ROWS * 12)

/* Bytes of an index that make a zero. */
#define NONE -1, -1, -1, -1

/* Index of the pair of one channel of two pixels in 16 bytes, the first of which is at `at`. */
#define BLUE(at) at, -1, at + 3, -1
#define GREEN(at) at + 1, -1, at + 4, -1
#define RED(at) at + 2, -1, at + 5, -1

/* Index of the first three of four bytes each. */
#define THREE_OF_FOUR 0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, NONE

/* Two weights, for the two halves of each 32-bit element. */
VECTORS static inline __m256i both(const int16_t *weights) {
    int32_t two;
    memcpy(&two, weights, sizeof two);
    return _mm256_set1_epi32(two);
}

WIDE_VECTORS static inline __m512i both_wide(const int16_t *weights) {
    int32_t two;
    memcpy(&two, weights, sizeof two);
    return _mm512_set1_epi32(two);
}

/* Write 12 bytes, or fewer if the row has no more room; if it has, also four that the next places
 * overwrite. */
VECTORS static inline void write_four(uint8_t *to, __m128i bytes, ptrdiff_t room) {
    if (room >= 16)
        _mm_storeu_si128((__m128i *)to, bytes);
    else
        memcpy(to, &bytes, room < 12 ? (size_t)room : 12);
}

/* Pairs of two pixels of two rows. */
VECTORS static inline __m256i pairs_of(__m256i rows, __m128i index) {
    return _mm256_shuffle_epi8(rows, _mm256_broadcastsi128_si256(index));
}

VECTORS static inline __m256i two_rows(const uint8_t *from, ptrdiff_t stride) {
    const __m256i row = _mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)from));
    return _mm256_inserti128_si256(row, _mm_loadu_si128((const __m128i *)(from + stride)), 1);
}

/* Four pixels of the rows. */
VECTORS static inline void spread_four(const uint8_t *from, ptrdiff_t stride,
                                            uint8_t *to) {
    __m256i *pairs = (__m256i *)to;
    const __m128i near = _mm_setr_epi8(BLUE(0), GREEN(0), RED(0), NONE);
    const __m128i far = _mm_setr_epi8(BLUE(6), GREEN(6), RED(6), NONE);
    for (int k = 0; k < ROWS / 2; k++) {
        const __m256i rows = two_rows(from + 2 * k * stride, stride);
        _mm256_store_si256(pairs + k, pairs_of(rows, near));
        _mm256_store_si256(pairs + ROWS / 2 + k, pairs_of(rows, far));
    }
}

/* Four places of the rows. */
VECTORS static inline void make_four(const uint8_t *const pairs[4], const int16_t *const weights[4],
                                     const Side *side, uint8_t *to, ptrdiff_t stride,
                                     ptrdiff_t room) {
    const __m128i precision = _mm_cvtsi32_si128(side->precision);
    __m256i sums[4][ROWS / 2];
    for (int n = 0; n < 4; n++) {
        const __m256i *at = (const __m256i *)pairs[n];
        for (int k = 0; k < ROWS / 2; k++)
            sums[n][k] = _mm256_set1_epi32(1 << (side->precision - 1));
        for (int tap = 0; tap < side->taps; tap += 2, at += ROWS / 2)
            for (int k = 0; k < ROWS / 2; k++)
                sums[n][k] = _mm256_add_epi32(sums[n][k],
                                              _mm256_madd_epi16(at[k], both(weights[n] + tap)));
        for (int k = 0; k < ROWS / 2; k++) sums[n][k] = _mm256_sra_epi32(sums[n][k], precision);
    }
    for (int k = 0; k < ROWS / 2; k++) {
        const __m256i levels = _mm256_packus_epi16(_mm256_packs_epi32(sums[0][k], sums[1][k]),
                                                   _mm256_packs_epi32(sums[2][k], sums[3][k]));
        const __m256i bytes = pairs_of(levels, _mm_setr_epi8(THREE_OF_FOUR));
        write_four(to + 2 * k * stride, _mm256_castsi256_si128(bytes), room);
        write_four(to + (2 * k + 1) * stride, _mm256_extracti128_si256(bytes, 1), room);
    }
}

/* The same 16 bytes of an index in all quarters. */
#define QUARTERS(...) _mm512_broadcast_i32x4(_mm_setr_epi8(__VA_ARGS__))

WIDE_VECTORS static inline __m512i merged(__m512i a, __m512i from_a, __m512i b, __m512i from_b) {
    return _mm512_or_si512(_mm512_shuffle_epi8(a, from_a), _mm512_shuffle_epi8(b, from_b));
}

WIDE_VECTORS static inline __m512i every_fourth(const uint8_t *from, ptrdiff_t stride) {
    __m512i rows = _mm512_castsi128_si512(_mm_loadu_si128((const __m128i *)from));
    rows = _mm512_inserti32x4(rows, _mm_loadu_si128((const __m128i *)(from + 4 * stride)), 1);
    rows = _mm512_inserti32x4(rows, _mm_loadu_si128((const __m128i *)(from + 8 * stride)), 2);
    return _mm512_inserti32x4(rows, _mm_loadu_si128((const __m128i *)(from + 12 * stride)), 3);
}

/* Two of the pixels: each quarter of the three vectors belongs to four rows, which have 12 pairs. */
WIDE_VECTORS static inline void spread_two_wide(__m512i a, __m512i b, __m512i c, __m512i d, char at,
                                                uint8_t *pairs) {
    const __m512i first = merged(a, QUARTERS(BLUE(at), GREEN(at), RED(at), NONE),
                                 b, QUARTERS(NONE, NONE, NONE, BLUE(at)));
    const __m512i second = merged(b, QUARTERS(GREEN(at), RED(at), NONE, NONE),
                                  c, QUARTERS(NONE, NONE, BLUE(at), GREEN(at)));
    const __m512i third = merged(c, QUARTERS(RED(at), NONE, NONE, NONE),
                                 d, QUARTERS(NONE, BLUE(at), GREEN(at), RED(at)));
    _mm512_store_si512(pairs, first);
    _mm512_store_si512(pairs + 64, second);
    _mm512_store_si512(pairs + 128, third);
}

WIDE_VECTORS static inline void spread_four_wide(const uint8_t *from, ptrdiff_t stride,
                                                 uint8_t *pairs) {
    const __m512i a = every_fourth(from, stride), b = every_fourth(from + stride, stride);
    const __m512i c = every_fourth(from + 2 * stride, stride);
    const __m512i d = every_fourth(from + 3 * stride, stride);
    spread_two_wide(a, b, c, d, 0, pairs);
    spread_two_wide(a, b, c, d, 2 * PIXEL, pairs + WIDE_PAIRS);
}

/* The levels of sums; in each quarter, those of the same quarter of all of them. */
WIDE_VECTORS static inline __m512i levels(const __m512i sums[4], __m128i precision) {
    const __m512i a = _mm512_packs_epi32(_mm512_sra_epi32(sums[0], precision),
                                         _mm512_sra_epi32(sums[1], precision));
    const __m512i b = _mm512_packs_epi32(_mm512_sra_epi32(sums[2], precision),
                                         _mm512_sra_epi32(sums[3], precision));
    return _mm512_packus_epi16(a, b);
}

WIDE_VECTORS static inline void write_every_fourth(__m512i rows, uint8_t *to, ptrdiff_t stride,
                                                   ptrdiff_t room) {
    write_four(to, _mm512_castsi512_si128(rows), room);
    write_four(to + 4 * stride, _mm512_extracti32x4_epi32(rows, 1), room);
    write_four(to + 8 * stride, _mm512_extracti32x4_epi32(rows, 2), room);
    write_four(to + 12 * stride, _mm512_extracti32x4_epi32(rows, 3), room);
}

WIDE_VECTORS static inline void make_four_wide(const uint8_t *const pairs[4],
                                               const int16_t *const weights[4], const Side *side,
                                               uint8_t *to, ptrdiff_t stride, ptrdiff_t room) {
    const __m128i precision = _mm_cvtsi32_si128(side->precision);
    const __m512i half = _mm512_set1_epi32(1 << (side->precision - 1));
    __m512i a[4] = {half, half, half, half}, b[4] = {half, half, half, half};
    __m512i c[4] = {half, half, half, half};
    for (int tap = 0; tap < side->taps; tap += 2) {
#pragma GCC unroll 4
        for (int n = 0; n < 4; n++) {
            const __m512i weight = both_wide(weights[n] + tap);
            const uint8_t *at = pairs[n] + tap / 2 * WIDE_PAIRS;
            a[n] = _mm512_dpwssd_epi32(a[n], weight, _mm512_load_si512(at));
            b[n] = _mm512_dpwssd_epi32(b[n], weight, _mm512_load_si512(at + 64));
            c[n] = _mm512_dpwssd_epi32(c[n], weight, _mm512_load_si512(at + 128));
        }
    }
    const __m512i x = levels(a, precision), y = levels(b, precision), z = levels(c, precision);
    write_every_fourth(_mm512_shuffle_epi8(x, QUARTERS(THREE_OF_FOUR)), to, stride, room);
    write_every_fourth(
        merged(x, QUARTERS(3, -1, -1, 7, -1, -1, 11, -1, -1, 15, -1, -1, NONE),
               y, QUARTERS(-1, 0, 1, -1, 4, 5, -1, 8, 9, -1, 12, 13, NONE)),
        to + stride, stride, room);
    write_every_fourth(
        merged(y, QUARTERS(2, 3, -1, 6, 7, -1, 10, 11, -1, 14, 15, -1, NONE),
               z, QUARTERS(-1, -1, 0, -1, -1, 4, -1, -1, 8, -1, -1, 12, NONE)),
        to + 2 * stride, stride, room);
    write_every_fourth(
        _mm512_shuffle_epi8(z, QUARTERS(1, 2, 3, 5, 6, 7, 9, 10, 11, 13, 14, 15, NONE)),
        to + 3 * stride, stride, room);
}

/* What is done with vectors of one size: with so many rows, whose pairs take so many bytes. */
typedef struct {
    int rows;
    size_t pairs;
    void (*spread_four)(const uint8_t *from, ptrdiff_t stride, uint8_t *pairs);
    void (*make_four)(const uint8_t *const pairs[4], const int16_t *const weights[4],
                      const Side *side, uint8_t *to, ptrdiff_t stride, ptrdiff_t room);
} Method;

/* Unpack `count` pixels of the rows, in which `room` bytes are left, so that each pixel is unpacked
 * once and not for every place that uses it. */
INLINE void spread(Method by, const uint8_t *from, ptrdiff_t stride, int count, ptrdiff_t room,
                   uint8_t *pairs) {
    const ptrdiff_t step = 4 * PIXEL;
    for (; count > 0; count -= 4, from += step, room -= step, pairs += 2 * by.pairs) {
        if (room >= 16) {
            by.spread_four(from, stride, pairs);
            continue;
        }
        uint8_t rest[WIDE_ROWS][16] = {{0}}; /* do not read beyond the row */
        for (int k = 0; k < by.rows; k++) memcpy(rest[k], from + k * stride, (size_t)room);
        by.spread_four(rest[0], sizeof rest[0], pairs);
    }
}

/* The bytes of the pairs that `PLACES` places need. */
static size_t room_for_pairs(size_t pairs, const Side *side, int sources) {
    int most = 0;
    for (int begin = 0; begin < side->size; begin += PLACES) {
        const int end = begin + PLACES < side->size ? begin + PLACES : side->size;
        const int count = needed(side, end, sources) - side->first[begin];
        if (count > most) most = count;
    }
    /* Beyond the last source, all weights are 0; four sources are unpacked at once. */
    const size_t bytes = ((size_t)most + 4 + side->taps) / 2 * pairs;
    return (bytes + LINE - 1) / LINE * LINE;
}

INLINE int across_by(Method by, const uint8_t *from, ptrdiff_t stride, int sources, uint8_t *to,
                     int rows, const Side *side) {
    const ptrdiff_t wide = (ptrdiff_t)side->size * PIXEL;
    const size_t bytes = room_for_pairs(by.pairs, side, sources);
    uint8_t *pairs = aligned_alloc(LINE, bytes);
    if (!pairs) return -1;
    memset(pairs, 0, bytes);
    for (int next = 0; next < rows; next += by.rows) {
        /* The last rows may have been computed before. */
        const int row = next + by.rows <= rows ? next : rows - by.rows;
        for (int begin = 0; begin < side->size; begin += PLACES) {
            const int end = begin + PLACES < side->size ? begin + PLACES : side->size;
            const int least = side->first[begin];
            spread(by, from + row * stride + (ptrdiff_t)least * PIXEL, stride,
                   needed(side, end, sources) - least, (ptrdiff_t)(sources - least) * PIXEL, pairs);
            for (int place = begin; place < end; place += 4) {
                const uint8_t *at[4];
                const int16_t *weights[4];
                for (int n = 0; n < 4; n++) { /* after the last place, repeat it */
                    const int one = place + n < end ? place + n : end - 1;
                    at[n] = pairs + (size_t)(side->first[one] - least) / 2 * by.pairs;
                    weights[n] = side->weights + (ptrdiff_t)one * side->taps;
                }
                const ptrdiff_t x = (ptrdiff_t)place * PIXEL;
                by.make_four(at, weights, side, to + row * wide + x, wide, wide - x);
            }
        }
    }
    free(pairs);
    return 1;
}

VECTORS static int across(const uint8_t *from, ptrdiff_t stride, int sources, uint8_t *to, int rows,
                          const Side *side) {
    const Method by = {ROWS, PAIRS, spread_four, make_four};
    return across_by(by, from, stride, sources, to, rows, side);
}

WIDE_VECTORS static int across_wide(const uint8_t *from, ptrdiff_t stride, int sources,
                                    uint8_t *to, int rows, const Side *side) {
    const Method by = {WIDE_ROWS, WIDE_PAIRS, spread_four_wide, make_four_wide};
    return across_by(by, from, stride, sources, to, rows, side);
}

int vectors_across(const uint8_t *from, ptrdiff_t stride, int sources, uint8_t *to, int rows,
                   const Side *side) {
    if (vectors() == 2 && rows >= WIDE_ROWS)
        return across_wide(from, stride, sources, to, rows, side);
    if (vectors() && rows >= ROWS) return across(from, stride, sources, to, rows, side);
    return 0;
}

/* 64 bytes of two rows as pairs. */
WIDE_VECTORS static inline void pair_up(const uint8_t *upper, const uint8_t *lower,
                                        __m512i pairs[4]) {
    const __m512i zero = _mm512_setzero_si512();
    const __m512i p = _mm512_loadu_si512(upper), q = _mm512_loadu_si512(lower);
    const __m512i low = _mm512_unpacklo_epi8(p, q), high = _mm512_unpackhi_epi8(p, q);
    pairs[0] = _mm512_unpacklo_epi8(low, zero);
    pairs[1] = _mm512_unpackhi_epi8(low, zero);
    pairs[2] = _mm512_unpacklo_epi8(high, zero);
    pairs[3] = _mm512_unpackhi_epi8(high, zero);
}

WIDE_VECTORS static inline void add(__m512i sums[4], const __m512i pairs[4],
                                    const int16_t *weights) {
    const __m512i weight = both_wide(weights);
#pragma GCC unroll 4
    for (int n = 0; n < 4; n++) sums[n] = _mm512_dpwssd_epi32(sums[n], weight, pairs[n]);
}

/* Compute `count` bytes, a multiple of 64, of two rows, which share most of their sources. */
WIDE_VECTORS static void two_down(const uint8_t *from, ptrdiff_t stride, int sources, uint8_t *to,
                                  ptrdiff_t width, ptrdiff_t count, int place, const Side *side) {
    const int16_t *upper = side->weights + (size_t)place * side->taps;
    const int16_t *lower = upper + side->taps;
    const int first = side->first[place], apart = side->first[place + 1] - first;
    const int rest = sources - first;
    const int end = side->taps + apart < rest ? side->taps + apart : rest;
    const __m512i half = _mm512_set1_epi32(1 << (side->precision - 1));
    const __m128i precision = _mm_cvtsi32_si128(side->precision);
    from += first * stride;
    for (ptrdiff_t x = 0; x < count; x += 64) {
        __m512i a[4] = {half, half, half, half}, b[4] = {half, half, half, half}, pairs[4];
        for (int k = 0; k < end; k += 2) {
            const int next = k + 1 < rest ? k + 1 : k;
            pair_up(from + k * stride + x, from + next * stride + x, pairs);
            if (k < side->taps) add(a, pairs, upper + k);
            if (k >= apart) add(b, pairs, lower + k - apart);
        }
        _mm512_storeu_si512(to + x, levels(a, precision));
        _mm512_storeu_si512(to + width + x, levels(b, precision));
    }
}

/* Compute the bytes from `begin` to `end` of one row; their number is a multiple of 32. */
VECTORS static void one_down(const uint8_t *from, ptrdiff_t stride, int sources, uint8_t *to,
                             ptrdiff_t begin, ptrdiff_t end, int place, const Side *side) {
    const int16_t *weights = side->weights + (size_t)place * side->taps;
    const int first = side->first[place];
    const __m256i half = _mm256_set1_epi32(1 << (side->precision - 1));
    const __m256i zero = _mm256_setzero_si256();
    const __m128i precision = _mm_cvtsi32_si128(side->precision);
    for (ptrdiff_t x = begin; x < end; x += 32) {
        __m256i a = half, b = half, c = half, d = half;
        for (int k = 0; k < side->taps && first + k < sources; k += 2) {
            const int next = first + k + 1 < sources ? first + k + 1 : first + k;
            const __m256i w = both(weights + k);
            const __m256i p = _mm256_loadu_si256((const __m256i *)(from + (first + k) * stride + x));
            const __m256i q = _mm256_loadu_si256((const __m256i *)(from + next * stride + x));
            const __m256i low = _mm256_unpacklo_epi8(p, q), high = _mm256_unpackhi_epi8(p, q);
            a = _mm256_add_epi32(a, _mm256_madd_epi16(_mm256_unpacklo_epi8(low, zero), w));
            b = _mm256_add_epi32(b, _mm256_madd_epi16(_mm256_unpackhi_epi8(low, zero), w));
            c = _mm256_add_epi32(c, _mm256_madd_epi16(_mm256_unpacklo_epi8(high, zero), w));
            d = _mm256_add_epi32(d, _mm256_madd_epi16(_mm256_unpackhi_epi8(high, zero), w));
        }
        a = _mm256_packs_epi32(_mm256_sra_epi32(a, precision), _mm256_sra_epi32(b, precision));
        c = _mm256_packs_epi32(_mm256_sra_epi32(c, precision), _mm256_sra_epi32(d, precision));
        _mm256_storeu_si256((__m256i *)(to + x), _mm256_packus_epi16(a, c));
    }
}

ptrdiff_t vectors_down(const uint8_t *from, ptrdiff_t stride, int sources, uint8_t *to,
                       ptrdiff_t width, const Side *side) {
    const int size = vectors();
    const ptrdiff_t wide = size == 2 ? width / 64 * 64 : 0, all = size ? width / 32 * 32 : 0;
    for (int place = 0; place < side->size; place += 2, to += 2 * width) {
        const int is_last = place + 1 == side->size;
        const ptrdiff_t begin = is_last ? 0 : wide;
        if (begin) two_down(from, stride, sources, to, width, wide, place, side);
        one_down(from, stride, sources, to, begin, all, place, side);
        if (!is_last) one_down(from, stride, sources, to + width, begin, all, place + 1, side);
    }
    return all;
}
#endif
