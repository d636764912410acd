/* Both passes of resampling with vectors of one size: vectors.c includes this for each size.
 *
 * It defines V, the type of a vector, NAME, which names the functions of this size, and OP, the
 * names of intrinsic functions. A vector has parts of 16 bytes; intrinsic functions shuffle, unpack
 * and pack within each part. */

#define PARTS ((int)sizeof(V) / 16)
#define ROWS (4 * PARTS) /* computed at once, four places of each */
#define PAIRS ((ptrdiff_t)(3 * sizeof(V))) /* bytes of the pairs of two pixels of these rows */

/* Two weights, for the two halves of each 32-bit element. */
TARGET static inline V NAME(both)(const int16_t *weights) {
    int32_t two;
    memcpy(&two, weights, sizeof two);
    return OP(set1_epi32)(two);
}

/* Bytes in another order, the same in each part. */
TARGET static inline V NAME(chosen)(V from, __m128i index) {
    return OP(shuffle_epi8)(from, EVERYWHERE(index));
}

/* Bytes of two vectors: where one has them, the other has zeros. */
TARGET static inline V NAME(merged)(V a, __m128i index_a, V b, __m128i index_b) {
    return OR(NAME(chosen)(a, index_a), NAME(chosen)(b, index_b));
}

/* Two pixels of the rows, the first of which is at `at`; the rows are in four vectors, part by
 * part. Each part of the three results belongs to four rows, which have twelve pairs. */
TARGET static inline void NAME(spread_two)(V a, V b, V c, V d, char at, uint8_t *pairs) {
    STORE(pairs, NAME(merged)(a, INDEX(BLUE(at), GREEN(at), RED(at), NONE),
                              b, INDEX(NONE, NONE, NONE, BLUE(at))));
    STORE(pairs + sizeof(V), NAME(merged)(b, INDEX(GREEN(at), RED(at), NONE, NONE),
                                          c, INDEX(NONE, NONE, BLUE(at), GREEN(at))));
    STORE(pairs + 2 * sizeof(V), NAME(merged)(c, INDEX(RED(at), NONE, NONE, NONE),
                                              d, INDEX(NONE, BLUE(at), GREEN(at), RED(at))));
}

TARGET static inline void NAME(spread_four)(const uint8_t *from, ptrdiff_t stride,
                                            uint8_t *pairs) {
    const V a = NAME(every_fourth)(from, stride);
    const V b = NAME(every_fourth)(from + stride, stride);
    const V c = NAME(every_fourth)(from + 2 * stride, stride);
    const V d = NAME(every_fourth)(from + 3 * stride, stride);
    NAME(spread_two)(a, b, c, d, 0, pairs);
    NAME(spread_two)(a, b, c, d, 2 * PIXEL, pairs + PAIRS);
}

/* Unpack `count` pixels of the rows, in which `room` bytes are left, so that each pixel is unpacked
 * once and not for every place that uses it. */
TARGET static void NAME(spread)(const uint8_t *from, ptrdiff_t stride, int count, ptrdiff_t room,
                                uint8_t *pairs) {
    const ptrdiff_t step = 4 * PIXEL;
    for (; count > 0; count -= 4, from += step, room -= step, pairs += 2 * PAIRS) {
        if (room >= 16) {
            NAME(spread_four)(from, stride, pairs);
            continue;
        }
        uint8_t rest[ROWS][16] = {{0}}; /* do not read beyond the row */
        for (int k = 0; k < ROWS; k++) memcpy(rest[k], from + k * stride, (size_t)room);
        NAME(spread_four)(rest[0], sizeof rest[0], pairs);
    }
}

/* The levels of sums; in each part, those of the same part of all of them. */
TARGET static inline V NAME(levels)(const V sums[4], __m128i precision) {
    const V a = OP(packs_epi32)(OP(sra_epi32)(sums[0], precision),
                                OP(sra_epi32)(sums[1], precision));
    const V b = OP(packs_epi32)(OP(sra_epi32)(sums[2], precision),
                                OP(sra_epi32)(sums[3], precision));
    return OP(packus_epi16)(a, b);
}

/* Four places of the rows, in which `room` bytes are left. */
TARGET static inline void NAME(make_four)(const uint8_t *const pairs[4],
                                          const int16_t *const weights[4], const Side *side,
                                          uint8_t *to, ptrdiff_t stride, ptrdiff_t room) {
    const __m128i precision = _mm_cvtsi32_si128(side->precision);
    const V half = OP(set1_epi32)(1 << (side->precision - 1));
    V a[4] = {half, half, half, half}, b[4] = {half, half, half, half};
    V c[4] = {half, half, half, half};
    for (int tap = 0; tap < side->taps; tap += 2) {
#pragma GCC unroll 4
        for (int n = 0; n < 4; n++) {
            const V weight = NAME(both)(weights[n] + tap);
            const uint8_t *at = pairs[n] + tap / 2 * PAIRS;
            a[n] = NAME(add_products)(a[n], LOAD(at), weight);
            b[n] = NAME(add_products)(b[n], LOAD(at + sizeof(V)), weight);
            c[n] = NAME(add_products)(c[n], LOAD(at + 2 * sizeof(V)), weight);
        }
    }
    const V x = NAME(levels)(a, precision), y = NAME(levels)(b, precision);
    const V z = NAME(levels)(c, precision);
    NAME(write_every_fourth)(
        NAME(chosen)(x, INDEX(0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, NONE)), to, stride, room);
    NAME(write_every_fourth)(
        NAME(merged)(x, INDEX(3, -1, -1, 7, -1, -1, 11, -1, -1, 15, -1, -1, NONE),
                     y, INDEX(-1, 0, 1, -1, 4, 5, -1, 8, 9, -1, 12, 13, NONE)),
        to + stride, stride, room);
    NAME(write_every_fourth)(
        NAME(merged)(y, INDEX(2, 3, -1, 6, 7, -1, 10, 11, -1, 14, 15, -1, NONE),
                     z, INDEX(-1, -1, 0, -1, -1, 4, -1, -1, 8, -1, -1, 12, NONE)),
        to + 2 * stride, stride, room);
    NAME(write_every_fourth)(
        NAME(chosen)(z, INDEX(1, 2, 3, 5, 6, 7, 9, 10, 11, 13, 14, 15, NONE)),
        to + 3 * stride, stride, room);
}

/* Horizontally, at least ROWS rows. Return 0 if there is no memory. */
TARGET static int NAME(across)(const uint8_t *from, ptrdiff_t stride, int sources, uint8_t *to,
                               int rows, const Side *side) {
    const ptrdiff_t wide = (ptrdiff_t)side->size * PIXEL;
    const size_t bytes = most_pairs(side, sources) * PAIRS;
    uint8_t *pairs = aligned_alloc(sizeof(V), bytes);
    if (!pairs) return 0;
    memset(pairs, 0, bytes);
    for (int next = 0; next < rows; next += ROWS) {
        /* The last rows may have been computed before. */
        const int row = next + ROWS <= rows ? next : rows - ROWS;
        for (int begin = 0; begin < side->size; begin += PLACES) {
            const int end = begin + PLACES < side->size ? begin + PLACES : side->size;
            const int least = side->first[begin];
            NAME(spread)(from + row * stride + (ptrdiff_t)least * PIXEL, stride,
                         needed(side, end, sources) - least, (ptrdiff_t)(sources - least) * PIXEL,
                         pairs);
            for (int place = begin; place < end; place += 4) {
                const uint8_t *at[4];
                const int16_t *weights[4];
                for (int n = 0; n < 4; n++) { /* after the last place, repeat it */
                    const int one = place + n < end ? place + n : end - 1;
                    at[n] = pairs + (side->first[one] - least) / 2 * PAIRS;
                    weights[n] = side->weights + (ptrdiff_t)one * side->taps;
                }
                const ptrdiff_t x = (ptrdiff_t)place * PIXEL;
                NAME(make_four)(at, weights, side, to + row * wide + x, wide, wide - x);
            }
        }
    }
    free(pairs);
    return 1;
}

/* A vector of bytes of two rows as pairs. */
TARGET static inline void NAME(pair_up)(const uint8_t *upper, const uint8_t *lower, V pairs[4]) {
    const V zero = OP(set1_epi32)(0), p = LOAD_ANY(upper), q = LOAD_ANY(lower);
    const V low = OP(unpacklo_epi8)(p, q), high = OP(unpackhi_epi8)(p, q);
    pairs[0] = OP(unpacklo_epi8)(low, zero);
    pairs[1] = OP(unpackhi_epi8)(low, zero);
    pairs[2] = OP(unpacklo_epi8)(high, zero);
    pairs[3] = OP(unpackhi_epi8)(high, zero);
}

TARGET static inline void NAME(add)(V sums[4], const V pairs[4], const int16_t *weights) {
    const V weight = NAME(both)(weights);
#pragma GCC unroll 4
    for (int n = 0; n < 4; n++) sums[n] = NAME(add_products)(sums[n], pairs[n], weight);
}

/* Vertically: two rows, which share most of their sources. Begin at `x`, and return the end. */
TARGET static ptrdiff_t NAME(two_down)(const uint8_t *from, ptrdiff_t stride, int sources,
                                       uint8_t *to, ptrdiff_t width, ptrdiff_t x, int place,
                                       const Side *side) {
    const int16_t *upper = side->weights + (size_t)place * side->taps;
    const int16_t *lower = upper + side->taps;
    const int first = side->first[place], apart = side->first[place + 1] - first;
    const int rest = sources - first;
    const int end = side->taps + apart < rest ? side->taps + apart : rest;
    const V half = OP(set1_epi32)(1 << (side->precision - 1));
    const __m128i precision = _mm_cvtsi32_si128(side->precision);
    from += first * stride;
    for (; x + (ptrdiff_t)sizeof(V) <= width; x += sizeof(V)) {
        V a[4] = {half, half, half, half}, b[4] = {half, half, half, half}, pairs[4];
        for (int k = 0; k < end; k += 2) {
            const int next = k + 1 < rest ? k + 1 : k;
            NAME(pair_up)(from + k * stride + x, from + next * stride + x, pairs);
            if (k < side->taps) NAME(add)(a, pairs, upper + k);
            if (k >= apart) NAME(add)(b, pairs, lower + k - apart);
        }
        STORE_ANY(to + x, NAME(levels)(a, precision));
        STORE_ANY(to + width + x, NAME(levels)(b, precision));
    }
    return x;
}

#undef PARTS
#undef ROWS
#undef PAIRS
