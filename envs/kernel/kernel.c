/* The module, and resampling of pixels of three or four bytes in both directions with vectors.
 *
 * Places and weights are those of Pillow (Resample.c), rounded to 16 bits. Sums are integers, so
 * that every processor gives the same bytes. */
#include "kernel.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#ifndef MOST_VECTORS /* largest vectors; tests lower it */
#define MOST_VECTORS 2
#endif

#define CHANNELS 4
#define LINE 64 /* bytes of a cache line, and of two pairs */
#define GROUP 8 /* rows that are computed at once */
#define PLACES 64 /* places per row at once: the source rows that they need stay in the L1 cache */
#define MOST_PRECISION 21 /* fractional bits: 32, less those of a level, the sign and the sum */

/* Serialized form of a side between calls, followed by `first` and `weights`. */
typedef struct {
    int size, sources, taps, precision;
} Head;

/* One side: for each place of the result, the first source and `taps` weights. */
typedef struct {
    int size, sources, taps, precision;
    const int *first;
    const int16_t *weights;
} Side;

static size_t side_bytes(const Head *head) {
    return sizeof *head +
           (size_t)head->size * (sizeof(int) + (size_t)head->taps * sizeof(int16_t));
}

static double lanczos(double x, double sine) {
    if (fabs(x) >= 3.0) return 0.0;
    if (fabs(x) < 1e-9) return 1.0;
    /* sin(pi x) = 3 s - 4 s^3, where s is sin(pi x / 3) */
    return 3.0 * sine * sine * (3.0 - 4.0 * sine * sine) / (PI * PI * x * x);
}

static double bicubic(double x) {
    x = fabs(x);
    if (x < 1.0) return (1.5 * x - 2.5) * x * x + 1.0;
    if (x < 2.0) return ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0;
    return 0.0;
}

static double bilinear(double x) {
    x = fabs(x);
    return x < 1.0 ? 1.0 - x : 0.0;
}

/* Sine and cosine of a step: the sines of equidistant angles follow by the addition theorem. */
typedef struct {
    double step, sine, cosine;
} Turn;

static Turn turn_by(double step) {
    return (Turn){step, sin(PI / 3.0 * step), cos(PI / 3.0 * step)};
}

/* Compute the weights of one place, beginning with its first source; return their sum. */
static double weigh(int reach, double start, Turn turn, int count, double *weights) {
    double sum = 0.0, step = turn.step;
    if (reach == 3) {
        double sine = sin(PI / 3.0 * start), cosine = cos(PI / 3.0 * start);
        for (int k = 0; k < count; k++) {
            sum += weights[k] = lanczos(start + k * step, sine);
            double next = sine * turn.cosine + cosine * turn.sine;
            cosine = cosine * turn.cosine - sine * turn.sine;
            sine = next;
        }
        return sum;
    }
    for (int k = 0; k < count; k++) {
        double x = start + k * step;
        sum += weights[k] = reach == 2 ? bicubic(x) : bilinear(x);
    }
    return sum;
}

/* Compute a side as bytes: `size` places for the sources from `start` to `end` of `sources`. */
static char *draw_up(int size, int sources, double start, double end, int reach, size_t *bytes) {
    double scale = (end - start) / size, wide = scale < 1.0 ? 1.0 : scale;
    double support = reach * wide, largest = 0.0;
    const Turn turn = turn_by(1.0 / wide);
    int room = (int)ceil(support) * 2 + 1, most = 1;
    double *all = malloc(sizeof(double) * room * size);
    int *counts = malloc(sizeof(int) * size), *firsts = malloc(sizeof(int) * size);
    char *made = NULL;
    if (!all || !counts || !firsts) goto end;
    for (int place = 0; place < size; place++) {
        double center = start + (place + 0.5) * scale, *weights = all + (size_t)place * room;
        int first = (int)(center - support + 0.5), last = (int)(center + support + 0.5);
        if (first < 0) first = 0;
        if (last > sources) last = sources;
        int count = last - first;
        double sum = weigh(reach, (first - center + 0.5) / wide, turn, count, weights);
        double scaled = sum != 0.0 ? 1.0 / sum : 1.0;
        for (int k = 0; k < count; k++) {
            weights[k] *= scaled;
            if (weights[k] > largest) largest = weights[k];
        }
        firsts[place] = first;
        counts[place] = count;
        /* Sources are read in pairs: if the first one is odd, the source before it is added. */
        if (count + (first & 1) > most) most = count + (first & 1);
    }
    Head head = {size, sources, (most + 1) / 2 * 2, 0};
    while (head.precision < MOST_PRECISION &&
           floor(largest * (1 << (head.precision + 1)) + 0.5) < (1 << 15))
        head.precision++;
    *bytes = side_bytes(&head);
    if (!(made = calloc(*bytes, 1))) goto end;
    memcpy(made, &head, sizeof head);
    int *first = (int *)(made + sizeof head);
    int16_t *weights = (int16_t *)(first + size);
    for (int place = 0; place < size; place++, weights += head.taps) {
        first[place] = firsts[place] & ~1;
        for (int k = 0; k < counts[place]; k++) {
            double weight = all[(size_t)place * room + k] * (1 << head.precision);
            weights[k + (firsts[place] & 1)] =
                (int16_t)(weight < 0 ? weight - 0.5 : weight + 0.5);
        }
    }
end:
    free(all);
    free(counts);
    free(firsts);
    return made;
}

/* Read a side from bytes; 0 if they are not a side of this many places and sources. */
static int take_up(Side *side, const Py_buffer *from, int size, int sources) {
    Head head;
    if (from->len < (Py_ssize_t)sizeof head) return 0;
    memcpy(&head, from->buf, sizeof head);
    if (head.size != size || head.sources != sources || head.taps < 2 || head.taps % 2 ||
        head.precision < 1 || head.precision > MOST_PRECISION ||
        (size_t)from->len != side_bytes(&head))
        return 0;
    const int *first = (const int *)((const char *)from->buf + sizeof head);
    for (int place = 0; place < size; place++)
        if (first[place] < (place ? first[place - 1] : 0) || first[place] % 2 ||
            first[place] >= sources)
            return 0;
    *side = (Side){size, sources, head.taps, head.precision, first,
                   (const int16_t *)(first + size)};
    return 1;
}

/* The source after the last one of the places before `end`. */
static int needed(const Side *side, int end, int sources) {
    const int last = side->first[end - 1] + side->taps;
    return last < sources ? last : sources;
}

static void across_plain(const uint8_t *from, ptrdiff_t stride, int sources, int pixel,
                         uint8_t *to, int rows, const Side *side) {
    for (int row = 0; row < rows; row++, from += stride)
        for (int place = 0; place < side->size; place++, to += CHANNELS) {
            const int16_t *weights = side->weights + (size_t)place * side->taps;
            int first = side->first[place];
            int count = side->taps < sources - first ? side->taps : sources - first;
            for (int channel = 0; channel < CHANNELS; channel++) {
                int32_t sum = 1 << (side->precision - 1);
                for (int k = 0; k < count && channel < pixel; k++)
                    sum += weights[k] * from[(size_t)(first + k) * pixel + channel];
                to[channel] = level(sum, side->precision);
            }
        }
}

static void down_plain(const uint8_t *from, ptrdiff_t stride, int sources, uint8_t *to,
                       ptrdiff_t width, ptrdiff_t begin, int place, const Side *side) {
    const int16_t *weights = side->weights + (size_t)place * side->taps;
    int first = side->first[place];
    int count = side->taps < sources - first ? side->taps : sources - first;
    for (ptrdiff_t x = begin; x < width; x++) {
        int32_t sum = 1 << (side->precision - 1);
        for (int k = 0; k < count; k++) sum += weights[k] * from[(first + k) * stride + x];
        to[x] = level(sum, side->precision);
    }
}

#ifdef VECTORS
/* Two weights, for the two halves of each 32-bit element. */
VECTORS static inline __m256i pair(const int16_t *weights) {
    int32_t both;
    memcpy(&both, weights, sizeof both);
    return _mm256_set1_epi32(both);
}

VECTORS static inline __m256i two(const uint8_t *low, const uint8_t *high) {
    __m256i both = _mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)low));
    return _mm256_inserti128_si256(both, _mm_loadu_si128((const __m128i *)high), 1);
}

/* Shuffles that unpack pixels of three or four bytes: two pixels as adjacent 16-bit numbers, channel
 * by channel; and the two pixels after them. */
typedef struct {
    __m256i near, far;
} Apart;

VECTORS static Apart apart(int pixel) {
    int8_t near[16], far[16];
    for (int k = 0; k < 16; k++) {
        int channel = k / 4, beside = k / 2 % 2, byte = k % 2 || channel >= pixel;
        near[k] = byte ? -1 : (int8_t)(channel + beside * pixel);
        far[k] = byte ? -1 : (int8_t)(channel + (beside + 2) * pixel);
    }
    return (Apart){_mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)near)),
                   _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)far))};
}

/* Four pixels of four of the eight rows, row by row. */
VECTORS static inline void spread_four(const uint8_t *const in[4], ptrdiff_t at, Apart how,
                                       __m256i *pairs) {
    const __m256i p = two(in[0] + at, in[1] + at), q = two(in[2] + at, in[3] + at);
    _mm256_store_si256(pairs, _mm256_shuffle_epi8(p, how.near));
    _mm256_store_si256(pairs + 1, _mm256_shuffle_epi8(q, how.near));
    _mm256_store_si256(pairs + 4, _mm256_shuffle_epi8(p, how.far));
    _mm256_store_si256(pairs + 5, _mm256_shuffle_epi8(q, how.far));
}

/* Unpack the pixels of eight rows, so that each is unpacked once and not for every place that uses
 * it. */
VECTORS static void spread(const uint8_t *const in[GROUP], int begin, int end, int sources,
                           int pixel, __m256i *pairs) {
    const Apart how = apart(pixel);
    const ptrdiff_t whole = (ptrdiff_t)sources * pixel;
    int at = begin;
    for (; at < end && (ptrdiff_t)at * pixel + 16 <= whole; at += 4, pairs += 8) {
        spread_four(in, (ptrdiff_t)at * pixel, how, pairs);
        spread_four(in + 4, (ptrdiff_t)at * pixel, how, pairs + 2);
    }
    for (; at < end; at += 4, pairs += 8) { /* do not read beyond the row */
        uint8_t rest[GROUP][4 * CHANNELS] = {{0}};
        const uint8_t *last[GROUP];
        const int count = sources - at < 4 ? sources - at : 4;
        for (int k = 0; k < GROUP; k++) {
            memcpy(rest[k], in[k] + (ptrdiff_t)at * pixel, (size_t)count * pixel);
            last[k] = rest[k];
        }
        spread_four(last, 0, how, pairs);
        spread_four(last + 4, 0, how, pairs + 2);
    }
}

/* Eight rows of one place, in pairs, 32 bits each. */
VECTORS static inline void sum_up(const __m256i *pairs, const int16_t *weights, const Side *side,
                                  __m256i sums[4]) {
    const __m128i precision = _mm_cvtsi32_si128(side->precision);
    for (int n = 0; n < 4; n++) sums[n] = _mm256_set1_epi32(1 << (side->precision - 1));
    for (int k = 0; k < side->taps; k += 2, pairs += 4) {
        const __m256i w = pair(weights + k);
        for (int n = 0; n < 4; n++)
            sums[n] = _mm256_add_epi32(sums[n], _mm256_madd_epi16(pairs[n], w));
    }
    for (int n = 0; n < 4; n++) sums[n] = _mm256_sra_epi32(sums[n], precision);
}

/* Two places of eight rows: rows k and k + 4 in `made[k]`. */
VECTORS static inline void make_two(const __m256i *pairs[2], const int16_t *weights[2],
                                    const Side *side, __m128i made[4]) {
    __m256i a[4], b[4];
    sum_up(pairs[0], weights[0], side, a);
    sum_up(pairs[1], weights[1], side, b);
    for (int n = 0; n < 2; n++) {
        const __m256i bytes = _mm256_packus_epi16(_mm256_packs_epi32(a[n], b[n]),
                                                  _mm256_packs_epi32(a[n + 2], b[n + 2]));
        made[2 * n] = _mm256_castsi256_si128(bytes);
        made[2 * n + 1] = _mm256_extracti128_si256(bytes, 1);
    }
}

/* The same four by four. */
WIDE_VECTORS static inline void make_two_wide(const __m256i *pairs[2], const int16_t *weights[2],
                                              const Side *side, __m128i made[4]) {
    const __m128i precision = _mm_cvtsi32_si128(side->precision);
    const __m512i half = _mm512_set1_epi32(1 << (side->precision - 1));
    __m512i a = half, b = half, c = half, d = half;
#pragma GCC unroll 2
    for (int k = 0; k < side->taps; k += 2) {
        int32_t one, other;
        memcpy(&one, weights[0] + k, sizeof one);
        memcpy(&other, weights[1] + k, sizeof other);
        const __m512i v = _mm512_set1_epi32(one), w = _mm512_set1_epi32(other);
        a = _mm512_dpwssd_epi32(a, _mm512_load_si512(pairs[0] + 2 * k), v);
        b = _mm512_dpwssd_epi32(b, _mm512_load_si512(pairs[0] + 2 * k + 2), v);
        c = _mm512_dpwssd_epi32(c, _mm512_load_si512(pairs[1] + 2 * k), w);
        d = _mm512_dpwssd_epi32(d, _mm512_load_si512(pairs[1] + 2 * k + 2), w);
    }
    a = _mm512_packs_epi32(_mm512_sra_epi32(a, precision), _mm512_sra_epi32(c, precision));
    b = _mm512_packs_epi32(_mm512_sra_epi32(b, precision), _mm512_sra_epi32(d, precision));
    const __m512i bytes = _mm512_packus_epi16(a, b);
    made[0] = _mm512_castsi512_si128(bytes);
    made[1] = _mm512_extracti32x4_epi32(bytes, 1);
    made[2] = _mm512_extracti32x4_epi32(bytes, 2);
    made[3] = _mm512_extracti32x4_epi32(bytes, 3);
}

/* Allocate memory for `spread`; NULL if there is none. */
static __m256i *room_for(const Side *side, int sources) {
    int most = 0;
    for (int begin = 0; begin < side->size; begin += PLACES) {
        const int end = begin + PLACES < side->size ? begin + PLACES : side->size;
        const int count = needed(side, end, sources) - side->first[begin];
        if (count > most) most = count;
    }
    /* This includes padding after the last source, which has weight 0. */
    const size_t bytes = ((size_t)most + 4 + side->taps) / 2 * 4 * sizeof(__m256i);
    __m256i *pairs = aligned_alloc(LINE, bytes);
    if (pairs) memset(pairs, 0, bytes);
    return pairs;
}

/* Eight rows and two places at a time; -1 if there is no memory. */
INLINE int across_by(
    void (*make)(const __m256i *[2], const int16_t *[2], const Side *, __m128i[4]),
    const uint8_t *from, ptrdiff_t stride, int sources, int pixel, uint8_t *to, int rows,
    const Side *side) {
    const ptrdiff_t wide = (ptrdiff_t)side->size * CHANNELS;
    __m256i *pairs = room_for(side, sources);
    if (!pairs) return -1;
    for (int row = 0; row < rows; row += GROUP) {
        const uint8_t *in[GROUP];
        uint8_t *out[GROUP];
        for (int k = 0; k < GROUP; k++) { /* after the last row, repeat it */
            int at = row + k < rows ? row + k : rows - 1;
            in[k] = from + at * stride;
            out[k] = to + at * wide;
        }
        for (int begin = 0; begin < side->size; begin += PLACES) {
            const int end = begin + PLACES < side->size ? begin + PLACES : side->size;
            const int least = side->first[begin];
            spread(in, least, needed(side, end, sources), sources, pixel, pairs);
            for (int place = begin; place < end; place += 2) {
                const int next = place + 1 < end ? place + 1 : place;
                const __m256i *at[2] = {pairs + (ptrdiff_t)(side->first[place] - least) * 2,
                                        pairs + (ptrdiff_t)(side->first[next] - least) * 2};
                const int16_t *weights[2] = {side->weights + (ptrdiff_t)place * side->taps,
                                             side->weights + (ptrdiff_t)next * side->taps};
                __m128i made[4];
                make(at, weights, side, made);
                const ptrdiff_t x = (ptrdiff_t)place * CHANNELS;
                if (next == place) { /* the last place has no partner */
                    for (int k = 0; k < GROUP; k++)
                        memcpy(out[k] + x, (const uint8_t *)&made[k % 4] + 8 * (k / 4), CHANNELS);
                    break;
                }
                for (int k = 0; k < 4; k++) {
                    _mm_storel_epi64((__m128i *)(out[k] + x), made[k]);
                    _mm_storeh_pd((double *)(out[k + 4] + x), _mm_castsi128_pd(made[k]));
                }
            }
        }
    }
    free(pairs);
    return 0;
}

VECTORS static int across(const uint8_t *from, ptrdiff_t stride, int sources, int pixel,
                          uint8_t *to, int rows, const Side *side) {
    return across_by(make_two, from, stride, sources, pixel, to, rows, side);
}

WIDE_VECTORS static int across_wide(const uint8_t *from, ptrdiff_t stride, int sources, int pixel,
                                    uint8_t *to, int rows, const Side *side) {
    return across_by(make_two_wide, from, stride, sources, pixel, to, rows, side);
}

/* Compute one row of the result, 64 bytes at a time; return the end. */
WIDE_VECTORS static ptrdiff_t down_wide(const uint8_t *from, ptrdiff_t stride, int sources,
                                        uint8_t *to, ptrdiff_t width, int place,
                                        const Side *side) {
    const int16_t *weights = side->weights + (size_t)place * side->taps;
    const int first = side->first[place];
    const __m512i half = _mm512_set1_epi32(1 << (side->precision - 1));
    const __m512i zero = _mm512_setzero_si512();
    const __m128i precision = _mm_cvtsi32_si128(side->precision);
    ptrdiff_t x = 0;
    for (; x + 64 <= width; x += 64) {
        __m512i a = half, b = half, c = half, d = half;
        for (int k = 0; k < side->taps && first + k < sources; k += 2) {
            const int next = first + k + 1 < sources ? first + k + 1 : first + k;
            int32_t both;
            memcpy(&both, weights + k, sizeof both);
            const __m512i w = _mm512_set1_epi32(both);
            const __m512i p = _mm512_loadu_si512(from + (first + k) * stride + x);
            const __m512i q = _mm512_loadu_si512(from + next * stride + x);
            const __m512i low = _mm512_unpacklo_epi8(p, q), high = _mm512_unpackhi_epi8(p, q);
            a = _mm512_dpwssd_epi32(a, _mm512_unpacklo_epi8(low, zero), w);
            b = _mm512_dpwssd_epi32(b, _mm512_unpackhi_epi8(low, zero), w);
            c = _mm512_dpwssd_epi32(c, _mm512_unpacklo_epi8(high, zero), w);
            d = _mm512_dpwssd_epi32(d, _mm512_unpackhi_epi8(high, zero), w);
        }
        a = _mm512_packs_epi32(_mm512_sra_epi32(a, precision), _mm512_sra_epi32(b, precision));
        c = _mm512_packs_epi32(_mm512_sra_epi32(c, precision), _mm512_sra_epi32(d, precision));
        _mm512_storeu_si512(to + x, _mm512_packus_epi16(a, c));
    }
    return x;
}

/* The same, beginning at `x`, 32 bytes at a time. */
VECTORS static ptrdiff_t down(const uint8_t *from, ptrdiff_t stride, int sources, uint8_t *to,
                              ptrdiff_t width, ptrdiff_t x, int place, const Side *side) {
    const int16_t *weights = side->weights + (size_t)place * side->taps;
    const int first = side->first[place];
    const __m256i half = _mm256_set1_epi32(1 << (side->precision - 1));
    const __m256i zero = _mm256_setzero_si256();
    const __m128i precision = _mm_cvtsi32_si128(side->precision);
    for (; x + 32 <= width; x += 32) {
        __m256i a = half, b = half, c = half, d = half;
        for (int k = 0; k < side->taps && first + k < sources; k += 2) {
            const int next = first + k + 1 < sources ? first + k + 1 : first + k;
            const __m256i w = pair(weights + k);
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
    return x;
}
#endif

int vectors(void) {
#ifdef VECTORS
    if (MOST_VECTORS > 1 && __builtin_cpu_supports("avx512vnni") &&
        __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl"))
        return 2;
    if (MOST_VECTORS > 0 && __builtin_cpu_supports("avx2")) return 1;
#endif
    return 0;
}

/* Horizontally: `rows` rows of `sources` pixels become rows of `side->size` four-byte pixels. */
static int resample_across(const uint8_t *from, ptrdiff_t stride, int sources, int pixel,
                           uint8_t *to, int rows, const Side *side) {
#ifdef VECTORS
    if (vectors() == 2) return across_wide(from, stride, sources, pixel, to, rows, side);
    if (vectors() == 1) return across(from, stride, sources, pixel, to, rows, side);
#endif
    across_plain(from, stride, sources, pixel, to, rows, side);
    return 0;
}

/* Vertically: `sources` rows of `width` bytes become `side->size` rows. */
static void resample_down(const uint8_t *from, ptrdiff_t stride, int sources, uint8_t *to,
                          ptrdiff_t width, const Side *side) {
    for (int place = 0; place < side->size; place++, to += width) {
        ptrdiff_t begin = 0;
#ifdef VECTORS
        if (vectors() == 2) begin = down_wide(from, stride, sources, to, width, place, side);
        if (vectors()) begin = down(from, stride, sources, to, width, begin, place, side);
#endif
        down_plain(from, stride, sources, to, width, begin, place, side);
    }
}

/* Two passes, restricted to the rows that the second one needs; -1 if there is no memory. */
static int resample(const uint8_t *from, int pixel, uint8_t *to, Side x, Side y, int down_first) {
    const ptrdiff_t stride = (ptrdiff_t)x.sources * pixel;
    Side *second = down_first ? &x : &y;
    const int first = second->first[0], end = needed(second, second->size, second->sources);
    int failed = -1;
    const ptrdiff_t part = down_first ? (ptrdiff_t)(end - first) * pixel
                                      : (ptrdiff_t)x.size * CHANNELS;
    uint8_t *between = malloc((size_t)part * (down_first ? y.size : end - first));
    int *moved = malloc(sizeof(int) * second->size);
    if (between && moved) {
        for (int place = 0; place < second->size; place++)
            moved[place] = second->first[place] - first;
        second->first = moved;
        if (down_first) {
            resample_down(from + first * pixel, stride, y.sources, between, part, &y);
            failed = resample_across(between, part, end - first, pixel, to, y.size, &x);
        } else {
            failed = resample_across(from + first * stride, stride, x.sources, pixel, between,
                                     end - first, &x);
            if (!failed) resample_down(between, part, end - first, to, part, &y);
        }
    }
    free(between);
    free(moved);
    return failed;
}

static PyObject *side_(PyObject *module, PyObject *args) {
    int size, sources, reach;
    double start, end;
    size_t bytes = 0;
    char *made = NULL;
    (void)module;
    if (!PyArg_ParseTuple(args, "iiddi", &size, &sources, &start, &end, &reach)) return NULL;
    if (!(size > 0 && sources > 0 && reach >= 1 && reach <= 3 && start >= 0 && end <= sources &&
          start < end)) {
        PyErr_SetString(PyExc_ValueError, "size, region or reach do not fit the sources");
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS
    made = draw_up(size, sources, start, end, reach, &bytes);
    Py_END_ALLOW_THREADS
    if (!made) return PyErr_NoMemory();
    PyObject *result = PyBytes_FromStringAndSize(made, (Py_ssize_t)bytes);
    free(made);
    return result;
}

static PyObject *resample_(PyObject *module, PyObject *args) {
    Py_buffer from, to, across, down;
    int width, height, columns, rows, down_first, failed = -1;
    Side x, y;
    (void)module;
    if (!PyArg_ParseTuple(args, "y*(ii)w*(ii)y*y*p", &from, &width, &height, &to, &columns, &rows,
                          &across, &down, &down_first))
        return NULL;
    int pixel = from.len == (Py_ssize_t)width * height * 3 ? 3 : CHANNELS;
    int fits = width > 0 && height > 0 && columns > 0 && rows > 0 &&
               from.len == (Py_ssize_t)width * height * pixel &&
               to.len == (Py_ssize_t)columns * rows * CHANNELS &&
               take_up(&x, &across, columns, width) && take_up(&y, &down, rows, height);
    if (fits) {
        Py_BEGIN_ALLOW_THREADS
        failed = resample(from.buf, pixel, to.buf, x, y, down_first);
        Py_END_ALLOW_THREADS
    }
    PyBuffer_Release(&from);
    PyBuffer_Release(&to);
    PyBuffer_Release(&across);
    PyBuffer_Release(&down);
    if (!fits) {
        PyErr_SetString(PyExc_ValueError, "sizes or sides do not fit the buffers");
        return NULL;
    }
    if (failed) return PyErr_NoMemory();
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"side", side_, METH_VARARGS,
     "side(size, sources, start, end, reach)\n--\n\n"
     "Compute places and weights for one side: bytes for `resample`, for all images of that size.\n\n"
     "`reach` tells the kernel: 3 Lanczos, 2 bicubic, 1 bilinear."},
    {"resample", resample_, METH_VARARGS,
     "resample(source, (width, height), target, (width, height), across, down, down_first)\n--\n\n"
     "Resample pixels of three or four bytes from one buffer into another one, with four bytes.\n\n"
     "`across` and `down` are sides. `down_first`: columns come before rows."},
    {"color_sums", color_sums_, METH_VARARGS,
     "color_sums(pixels, (width, height), sums)\n--\n\n"
     "Sum up blue, green and red, their squares, and those of their differences (blue and green,\n"
     "blue and red, green and red), as nine 64-bit integers."},
    {"histogram", histogram_, METH_VARARGS,
     "histogram(luma, (width, height), sums)\n--\n\n"
     "Count the pixels of each level, as 256 64-bit integers."},
    {"laplacian", laplacian_, METH_VARARGS,
     "laplacian(luma, (width, height), sums)\n--\n\n"
     "Sum up the Laplacian of four neighbours and its squares, as two 64-bit integers."},
    {"steps", steps_, METH_VARARGS,
     "steps(luma, (width, height), sums)\n--\n\n"
     "Sum up the steps between columns, and those between rows, as eight 64-bit integers each.\n\n"
     "They are separated by the number of the first column or row modulo eight."},
    {"halve", halve_, METH_VARARGS,
     "halve(luma, (width, height), target)\n--\n\n"
     "Average squares of four pixels. At odd edges, averages are those of fewer pixels."},
    {"interpolate", interpolate_, METH_VARARGS,
     "interpolate(luma, (width, height), target, (width, height))\n--\n\n"
     "Interpolate linearly between pixels, to the levels of OpenCV's INTER_LINEAR_EXACT."},
    {"small_side", small_side_, METH_VARARGS,
     "small_side(size, extent, result)\n--\n\n"
     "Compute weights for one side: bytes for `reduce`, for all pictures of that size."},
    {"reduce", reduce_, METH_VARARGS,
     "reduce(luma, (width, height), target, (width, height), across, down, down_first)\n--\n\n"
     "Resample to at most 32x32 levels, with rounding after each pass.\n\n"
     "`across` and `down` are sides. `down_first`: columns come before rows."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "pixelmill_kernel", "Resampling and measuring with vectors.", -1, methods,
    NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit_pixelmill_kernel(void) { return PyModule_Create(&definition); }
