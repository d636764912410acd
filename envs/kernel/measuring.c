/* Sums over pixels from which metrics are computed, and perceptual hashes.
 *
 * All of them are integers, and so are the weights and frequencies for hashes after rounding, so that
 * every processor gives the same. The loops are plain C, which the compiler turns into vector
 * instructions. */
#include "kernel.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define LONGEST 1024 /* longest side of a picture: sums of a row or column fit 32 bits */
#define BLOCK 256    /* pixels of which the sum fits 16 bits, and that of squares 32 */
#define COLOR_SUMS 9
#define LEVELS 256
#define BITS 64      /* of a perceptual hash */
#define TABLES 8     /* histograms at once: a pixel need not wait for an equal one before it */
#define PERCENTS 7   /* how many percentiles are found */
#define EIGHT 8      /* places that are interpolated at once */
#define EDGES 8      /* side of a block of JPEG */
#define ROWS 256     /* of which the sum of a column fits 16 bits */
#define HASHED 512   /* longest side of a picture that is hashed */
#define SMALL 32     /* longest side of its copies */
#define LANES 32     /* rows or columns that are resampled at once */
#define HALVED 192   /* a picture is halved before while both sides have so many pixels */
#define REACH 3      /* of the Lanczos filter, in pixels of the result */
#define PRECISION 22 /* fractional bits of the weights, as in Pillow */
#define PARTS 8      /* sums of weights at once; the number of weights is a multiple of it */
#define MOST_TAPS (2 * REACH * HASHED / 8 + 2 + PARTS) /* of a copy of 8 pixels */
#define MOST_WEIGHTS (2 * REACH * HASHED + (2 + PARTS) * SMALL)

/* Define `fastest_name`, which runs `name` with the largest vectors of the processor. */
#ifdef VECTORS
#define FOR_VECTORS(name, parameters, arguments)                       \
    VECTORS static void name##_32 parameters { name arguments; }       \
    WIDE_VECTORS static void name##_64 parameters { name arguments; }  \
    static void fastest_##name parameters {                            \
        if (vectors() == 2)                                            \
            name##_64 arguments;                                       \
        else if (vectors() == 1)                                       \
            name##_32 arguments;                                       \
        else                                                           \
            name arguments;                                            \
    }
#else
#define FOR_VECTORS(name, parameters, arguments) \
    static void fastest_##name parameters { name arguments; }
#endif

/* Luma as OpenCV computes it on most processors, and sums of blue, green and red, of their squares,
 * and of the squares of their differences: blue and green, blue and red, green and red. */
INLINE void color_sums(const uint8_t *from, int width, int height, uint8_t *luma, int64_t *sums) {
    uint8_t blue[BLOCK], green[BLOCK], red[BLOCK];
    size_t n;
    for (size_t count = (size_t)width * height; count; from += 3 * n, luma += n, count -= n) {
        n = count < BLOCK ? count : BLOCK;
        for (size_t k = 0; k < n; k++) {
            blue[k] = from[3 * k];
            green[k] = from[3 * k + 1];
            red[k] = from[3 * k + 2];
        }
        uint16_t b = 0, g = 0, r = 0;
        int32_t bb = 0, gg = 0, rr = 0, bg = 0, br = 0, gr = 0;
        for (size_t k = 0; k < n; k++) {
            const int16_t x = blue[k], y = green[k], z = red[k];
            const int16_t u = x - y, v = x - z, w = z - y;
            b += x, g += y, r += z;
            bb += x * x, gg += y * y, rr += z * z;
            bg += u * u, br += v * v, gr += w * w;
            /* (3735 blue + 19235 green + 9798 red) / 32768, rounded */
            luma[k] = (uint8_t)(y + ((3735 * u + 9798 * w + 16384) >> 15));
        }
        const int32_t all[] = {b, g, r, bb, gg, rr, bg, br, gr};
        for (int k = 0; k < COLOR_SUMS; k++) sums[k] += all[k];
    }
}

FOR_VECTORS(color_sums,
            (const uint8_t *from, int width, int height, uint8_t *luma, int64_t *sums),
            (from, width, height, luma, sums))

/* What is found in luma, in the order in which `luma_sums` writes it. */
typedef struct {
    int64_t histogram[LEVELS];
    int64_t sum, squares; /* of the levels */
    int64_t laplacian, laplacian_squares;
    int64_t steps_across[EDGES], steps_down[EDGES];
    int64_t inside; /* pixels within uniform borders */
    int64_t percentiles[PERCENTS];
} LumaSums;

/* Numbers of pixels of each level, and the sum and the squares of the levels. */
INLINE void histogram(const uint8_t *from, int width, int height, LumaSums *sums) {
    const size_t count = (size_t)width * height;
    uint32_t tables[TABLES][LEVELS] = {{0}};
    size_t k = 0;
    for (; k + TABLES <= count; k += TABLES)
        for (int table = 0; table < TABLES; table++) tables[table][from[k + table]]++;
    for (; k < count; k++) tables[0][from[k]]++;
    for (int table = 0; table < TABLES; table++)
        for (int n = 0; n < LEVELS; n++) sums->histogram[n] += tables[table][n];
    for (int n = 0; n < LEVELS; n++) {
        sums->sum += sums->histogram[n] * n;
        sums->squares += sums->histogram[n] * n * n;
    }
}

/* The sum of the Laplacian of four neighbours, and that of its squares. Of the second differences
 * along a row, only those at its ends remain in the sum, and along a column, those at its ends. */
INLINE void laplacian(const uint8_t *from, int width, int height, LumaSums *sums) {
    if (width < 3 || height < 3) return;
    for (int y = 1; y + 1 < height; y++) {
        const uint8_t *middle = from + (ptrdiff_t)y * width;
        const uint8_t *above = middle - width, *below = middle + width;
        int32_t squares = 0;
        for (int x = 1; x + 1 < width; x++) {
            const int16_t value = (int16_t)(above[x] + below[x] + middle[x - 1] + middle[x + 1] -
                                            4 * middle[x]);
            squares += value * value;
        }
        sums->laplacian += middle[0] - middle[1] - middle[width - 2] + middle[width - 1];
        sums->laplacian_squares += squares;
    }
    const uint8_t *second = from + width, *last = from + (ptrdiff_t)(height - 1) * width;
    const uint8_t *last_but_one = last - width;
    for (int x = 1; x + 1 < width; x++)
        sums->laplacian += from[x] - second[x] - last_but_one[x] + last[x];
}

/* Sums of the steps between columns by the number of the left one modulo 8, and those between
 * rows by that of the upper one. */
INLINE void steps(const uint8_t *from, int width, int height, LumaSums *sums) {
    uint16_t columns[LONGEST] = {0};
    for (int y = 0; y < height; y++, from += width) {
        for (int x = 0; x + 1 < width; x++) columns[x] += (uint8_t)abs(from[x] - from[x + 1]);
        if (y % ROWS == ROWS - 1 || y + 1 == height) {
            for (int x = 0; x + 1 < width; x++) sums->steps_across[x % EDGES] += columns[x];
            memset(columns, 0, sizeof columns);
        }
        if (y + 1 == height) break;
        int32_t sum = 0;
        for (int x = 0; x < width; x++) sum += abs(from[x] - from[x + width]);
        sums->steps_down[y % EDGES] += sum;
    }
}

/* How many of so many lines have the levels of the first one, if that has few of them. */
INLINE int uniform_lines(const uint8_t *from, int lines, ptrdiff_t line, int length, ptrdiff_t step,
                         int levels) {
    uint8_t low = from[0], high = from[0];
    for (int k = 1; k < length; k++) {
        const uint8_t pixel = from[k * step];
        low = pixel < low ? pixel : low;
        high = pixel > high ? pixel : high;
    }
    if (high - low > levels) return 0;
    const int middle = (low + high) / 2, span = levels - levels / 2;
    for (int count = 0; count < lines; count++, from += line)
        for (int k = 0; k < length; k++)
            if (abs(from[k * step] - middle) > span) return count;
    return lines;
}

/* Number of pixels that remain without uniform lines at the top, left, bottom and right. */
INLINE int64_t inside(const uint8_t *from, int width, int height, int levels) {
    const uint8_t *last = from + (ptrdiff_t)(height - 1) * width;
    const int top = uniform_lines(from, height, width, width, 1, levels);
    from += (ptrdiff_t)top * width;
    const int rows = height - top;
    if (!rows) return 0;
    const int left = uniform_lines(from, width, 1, rows, width, levels);
    if (left == width) return 0;
    const int bottom = uniform_lines(last + left, rows, -width, width - left, 1, levels);
    if (bottom == rows) return 0;
    const int right = uniform_lines(from + width - 1, width - left, -1, rows - bottom, width, levels);
    return (int64_t)(rows - bottom) * (width - left - right);
}

/* The lowest levels that at least so many percent of the pixels do not exceed. */
INLINE void percentiles(const uint8_t *percents, int64_t count, LumaSums *sums) {
    for (int k = 0; k < PERCENTS; k++) {
        const int64_t least = (count * percents[k] + 99) / 100;
        int64_t at_most = sums->histogram[0], level = 0;
        while (at_most < least && level < LEVELS - 1) at_most += sums->histogram[++level];
        sums->percentiles[k] = level;
    }
}

INLINE void luma_sums(const uint8_t *from, int width, int height, int levels,
                      const uint8_t *percents, LumaSums *sums) {
    histogram(from, width, height, sums);
    laplacian(from, width, height, sums);
    steps(from, width, height, sums);
    percentiles(percents, (int64_t)width * height, sums);
    sums->inside = inside(from, width, height, levels);
}

FOR_VECTORS(luma_sums,
            (const uint8_t *from, int width, int height, int levels, const uint8_t *percents,
             LumaSums *sums),
            (from, width, height, levels, percents, sums))

/* Halve a sum, rounding to even. */
static uint8_t half(int sum) { return (uint8_t)((sum + (sum >> 1 & 1)) >> 1); }

/* Average squares of four pixels as OpenCV does: halves up, and those of two pixels to even. */
INLINE void halve(const uint8_t *from, int width, int height, uint8_t *to) {
    const int columns = width / 2;
    for (int y = 0; y + 1 < height; y += 2, from += 2 * (ptrdiff_t)width) {
        const uint8_t *below = from + width;
        for (int x = 0; x < columns; x++)
            to[x] = (uint8_t)((from[2 * x] + from[2 * x + 1] + below[2 * x] +
                               below[2 * x + 1] + 2) >> 2);
        to += columns;
        if (width % 2) *to++ = half(from[width - 1] + below[width - 1]);
    }
    if (height % 2) {
        for (int x = 0; x < columns; x++) *to++ = half(from[2 * x] + from[2 * x + 1]);
        if (width % 2) *to = from[width - 1];
    }
}

FOR_VECTORS(halve, (const uint8_t *from, int width, int height, uint8_t *to),
            (from, width, height, to))

/* Places of interpolation along one side: the first of two pixels, and weights of both, of which
 * the sum is 256. Eight places are shuffled at once: `near_at` and `far_at` have their pixels
 * relative to the first one. */
typedef struct {
    int beside, first[LONGEST];
    uint16_t near[LONGEST], far[LONGEST];
    uint8_t near_at[LONGEST][2], far_at[LONGEST][2];
} Places;

/* Compute places and weights as OpenCV does for INTER_LINEAR_EXACT. */
INLINE void find_places(Places *side, int pixels, int size) {
    const double scale = 1.0 / ((double)size / pixels);
    side->beside = pixels > 1;
    for (int k = 0; k < size; k++) {
        double x = scale * (k + 0.5) - 0.5;
        x = x < 0.0 ? 0.0 : x > pixels - 1 ? pixels - 1 : x;
        const int first = (int)x < pixels - 1 ? (int)x : pixels - 1 - side->beside;
        side->first[k] = first;
        side->far[k] = (uint16_t)rint((x - first) * 256.0);
        side->near[k] = 256 - side->far[k];
        side->near_at[k][0] = (uint8_t)(first - side->first[k / EIGHT * EIGHT]);
        side->far_at[k][0] = (uint8_t)(side->near_at[k][0] + side->beside);
        side->near_at[k][1] = side->far_at[k][1] = 0x80; /* makes a byte zero */
    }
}

INLINE void line_plain(const uint8_t *from, int width, int begin, int columns, uint16_t *to,
                       const Places *x) {
    (void)width;
    for (int k = begin; k < columns; k++) {
        const uint8_t *pixel = from + x->first[k];
        to[k] = (uint16_t)(x->near[k] * pixel[0] + x->far[k] * pixel[x->beside]);
    }
}

#ifdef VECTORS
VECTORS static void line(const uint8_t *from, int width, int begin, int columns, uint16_t *to,
                         const Places *x) {
    int k = begin;
    for (; k + 2 * EIGHT <= columns; k += 2 * EIGHT) {
        const int *first = x->first + k, *second = first + EIGHT;
        if (second[0] + 16 > width || first[EIGHT - 1] + x->beside - first[0] >= 16 ||
            second[EIGHT - 1] + x->beside - second[0] >= 16)
            break;
        const __m128i low = _mm_loadu_si128((const __m128i *)(from + first[0]));
        const __m128i high = _mm_loadu_si128((const __m128i *)(from + second[0]));
        const __m256i pixels = _mm256_inserti128_si256(_mm256_castsi128_si256(low), high, 1);
        const __m256i near_at = _mm256_loadu_si256((const __m256i *)x->near_at[k]);
        const __m256i far_at = _mm256_loadu_si256((const __m256i *)x->far_at[k]);
        const __m256i near = _mm256_loadu_si256((const __m256i *)(x->near + k));
        const __m256i far = _mm256_loadu_si256((const __m256i *)(x->far + k));
        const __m256i sum =
            _mm256_add_epi16(_mm256_mullo_epi16(_mm256_shuffle_epi8(pixels, near_at), near),
                             _mm256_mullo_epi16(_mm256_shuffle_epi8(pixels, far_at), far));
        _mm256_storeu_si256((__m256i *)(to + k), sum);
    }
    line_plain(from, width, k, columns, to, x);
}
#endif

typedef void Line(const uint8_t *from, int width, int begin, int columns, uint16_t *to,
                  const Places *x);

/* Interpolate within each row once, and then between two of them. */
INLINE void interpolate_by(Line *interpolate_line, const uint8_t *from, int width, int height,
                           uint8_t *to, int columns, int rows) {
    uint16_t lines[2][LONGEST]; /* of even and odd rows */
    int next = 0;
    Places x, y;
    find_places(&x, width, columns);
    find_places(&y, height, rows);
    for (int row = 0; row < rows; row++, to += columns) {
        const int first = y.first[row], second = first + y.beside;
        if (next < first) next = first;
        for (; next <= second; next++)
            interpolate_line(from + (ptrdiff_t)next * width, width, 0, columns, lines[next % 2],
                             &x);
        const uint16_t *near = lines[first % 2], *far = lines[second % 2];
        const uint16_t near_weight = y.near[row], far_weight = y.far[row];
        for (int k = 0; k < columns; k++)
            to[k] = (uint8_t)(((uint32_t)near_weight * near[k] + (uint32_t)far_weight * far[k] +
                               (1 << 15)) >> 16);
    }
}

#ifdef VECTORS
VECTORS static void interpolate_32(const uint8_t *from, int width, int height, uint8_t *to,
                                   int columns, int rows) {
    interpolate_by(line, from, width, height, to, columns, rows);
}

WIDE_VECTORS static void interpolate_64(const uint8_t *from, int width, int height, uint8_t *to,
                                        int columns, int rows) {
    interpolate_by(line, from, width, height, to, columns, rows);
}
#endif

static void fastest_interpolate(const uint8_t *from, int width, int height, uint8_t *to,
                                int columns, int rows) {
#ifdef VECTORS
    if (vectors()) {
        (vectors() == 2 ? interpolate_64 : interpolate_32)(from, width, height, to, columns, rows);
        return;
    }
#endif
    interpolate_by(line_plain, from, width, height, to, columns, rows);
}

/* One side of a small copy: for each of its `size` places, the first pixel and `taps` weights. */
typedef struct {
    int size, pixels, taps, first[SMALL];
    int32_t weights[MOST_WEIGHTS];
} Side;

/* The sine of an angle between 0 and pi / 2, by its series, which is faster than that of the
 * library, because several are computed at once, and the same on every processor. */
INLINE double sine(double x) {
    double sum = 1.0;
    for (int n = 20; n > 0; n -= 2) sum = 1.0 - x * x * (1.0 / (n * (n + 1))) * sum;
    return x * sum;
}

/* Compute the weights of Pillow's Lanczos filter. */
INLINE void weigh(Side *side, int pixels, double extent, int size) {
    const double scale = extent / size, stretch = scale > 1.0 ? scale : 1.0;
    const double reach = REACH * stretch, turn = PI / REACH / stretch;
    const int taps = ((int)(2.0 * reach) + 2 + PARTS - 1) / PARTS * PARTS;
    double near[MOST_TAPS];
    side->size = size, side->pixels = pixels, side->taps = taps;
    for (int place = 0; place < size; place++) {
        const double center = (place + 0.5) * scale;
        const int begin = center - reach + 0.5 < 0.0 ? 0 : (int)(center - reach + 0.5);
        const double last = floor(center + reach + 0.5);
        const int end = last < pixels ? (int)last : pixels;
        for (int k = 0; k < taps; k++) {
            double x = fabs((begin + k - center + 0.5) * turn);
            const int within = (x < PI) & (begin + k < end);
            x = x == 0.0 ? 1e-9 : x; /* the filter is 1 there, as it is nearby */
            const double s = sine(x < PI / 2.0 ? x : PI - x), square = s * s;
            const double value = square * (3.0 - 4.0 * square) / (x * x);
            near[k] = within ? value : 0.0;
        }
        double sums[PARTS] = {0.0}, sum = 0.0;
        for (int k = 0; k < taps; k += PARTS)
            for (int part = 0; part < PARTS; part++) sums[part] += near[k + part];
        for (int part = 0; part < PARTS; part++) sum += sums[part];
        const double scaled = (1 << PRECISION) / sum;
        int32_t *weights = side->weights + place * taps;
        for (int k = 0; k < taps; k++) weights[k] = (int32_t)rint(near[k] * scaled);
        side->first[place] = begin;
    }
}

FOR_VECTORS(weigh, (Side *side, int pixels, double extent, int size), (side, pixels, extent, size))

#define HALF (1u << (PRECISION - 1))

INLINE void interleave(const uint8_t *from, int half, uint8_t *to) {
    for (int k = 0; k < half; k++) {
        to[2 * k] = from[k];
        to[2 * k + 1] = from[half + k];
    }
}

/* Turn up to 32 rows, so that the pixels of each column are beside each other, by interleaving both
 * halves five times. */
INLINE void turn(const uint8_t *from, int width, int rows, uint32_t *to) {
    uint8_t one[LANES * HASHED], other[LANES * HASHED];
    const int half = LANES / 2 * width, known = rows * width;
    memcpy(one, from, known);
    memset(one + known, 0, 2 * half - known);
    interleave(one, half, other);
    interleave(other, half, one);
    interleave(one, half, other);
    interleave(other, half, one);
    interleave(one, half, other);
    for (int k = 0; k < 2 * half; k++) to[k] = other[k];
    memset(to + 2 * half, 0, sizeof *to * PARTS * LANES);
}

/* Resample each row, and turn the result: its rows are the columns of the picture. */
INLINE void across(const uint8_t *from, int rows, uint8_t *to, const Side *side) {
    uint32_t turned[LANES * (HASHED + PARTS)];
    uint8_t levels[LANES];
    for (int top = 0; top < rows; top += LANES) {
        const int count = rows - top < LANES ? rows - top : LANES;
        turn(from + (ptrdiff_t)top * side->pixels, side->pixels, count, turned);
        for (int place = 0; place < side->size; place++) {
            const int first = side->first[place], rest = side->pixels - first;
            const int taps = side->taps < rest ? side->taps : rest;
            const int32_t *weights = side->weights + place * side->taps;
            const uint32_t *pixels = turned + first * LANES;
            uint32_t sums[LANES];
            for (int row = 0; row < LANES; row++) sums[row] = HALF;
            for (int k = 0; k < taps; k += PARTS, pixels += PARTS * LANES)
                for (int row = 0; row < LANES; row++) {
                    uint32_t sum = 0;
                    for (int part = 0; part < PARTS; part++)
                        sum += (uint32_t)weights[k + part] * pixels[part * LANES + row];
                    sums[row] += sum;
                }
            for (int row = 0; row < LANES; row++)
                levels[row] = level((int32_t)sums[row], PRECISION);
            memcpy(to + (ptrdiff_t)place * rows + top, levels, count);
        }
    }
}

FOR_VECTORS(across, (const uint8_t *from, int rows, uint8_t *to, const Side *side),
            (from, rows, to, side))

static void transpose(const uint8_t *from, int width, int height, uint8_t *to) {
    for (int x = 0; x < width; x++)
        for (int y = 0; y < height; y++) *to++ = from[(ptrdiff_t)y * width + x];
}

/* Luma that may be halved, and the extent of the picture in it, which is less after an odd side. */
typedef struct {
    const uint8_t *pixels;
    int columns, rows;
    double width, height;
} Picture;

/* Resample with Lanczos to the levels that Pillow gives: it rounds after each pass, and begins with
 * the rows if they lose much more than the columns. */
static void copy_small(const Picture *from, int columns, int rows, uint8_t *to, uint8_t *room) {
    uint8_t between[SMALL * HASHED], small[SMALL * SMALL];
    const double fewer = from->width > columns ? from->width - columns : 0.0;
    Side x, y;
    fastest_weigh(&x, from->columns, from->width, columns);
    fastest_weigh(&y, from->rows, from->height, rows);
    if (from->height - rows > 2.0 * fewer) {
        transpose(from->pixels, from->columns, from->rows, room);
        fastest_across(room, from->columns, between, &y);
        fastest_across(between, rows, small, &x);
        transpose(small, rows, columns, to);
    } else {
        fastest_across(from->pixels, from->rows, between, &x);
        fastest_across(between, columns, to, &y);
    }
}

/* Bits that tell whether brightness rises from left to right in 8 rows of 9 pixels. */
static uint64_t dhash(const uint8_t *levels) {
    uint64_t bits = 0;
    for (int row = 0; row < 8; row++, levels += 9)
        for (int k = 0; k < 8; k++) bits = bits << 1 | (levels[k + 1] > levels[k]);
    return bits;
}

/* Bits that tell whether each of the lowest frequencies is above their median. Frequencies are whole
 * millionths, so that those that are equal but for the order of additions give the same bits. */
INLINE void phash(const uint8_t *levels, const double *cosines, uint64_t *bits) {
    double lines[8][SMALL] = {{0.0}}, frequencies[BITS], ordered[BITS];
    for (int down = 0; down < 8; down++)
        for (int y = 0; y < SMALL; y++)
            for (int x = 0; x < SMALL; x++)
                lines[down][x] += cosines[down * SMALL + y] * levels[y * SMALL + x];
    for (int k = 0; k < BITS; k++) {
        double sum = 0.0;
        for (int x = 0; x < SMALL; x++) sum += lines[k / 8][x] * cosines[k % 8 * SMALL + x];
        sum = frequencies[k] = rint(sum * 1e6);
        int place = k;
        for (; place > 0 && ordered[place - 1] > sum; place--) ordered[place] = ordered[place - 1];
        ordered[place] = sum;
    }
    const double median = (ordered[BITS / 2 - 1] + ordered[BITS / 2]) / 2.0;
    *bits = 0;
    for (int k = 0; k < BITS; k++) *bits = *bits << 1 | (frequencies[k] > median);
}

FOR_VECTORS(phash, (const uint8_t *levels, const double *cosines, uint64_t *bits),
            (levels, cosines, bits))

/* Halve a picture until Lanczos is fast, and hash small copies of it. There is room for halves of
 * 256x256 and 128x128 with another copy of the latter, for two copies of a half of 256x191, and for
 * one copy of a picture of 512x191. */
static void hash(Picture picture, const double *cosines, uint64_t *hashes) {
    uint8_t room[HASHED * HALVED], *next = room, small[SMALL * SMALL];
    while (picture.columns >= HALVED && picture.rows >= HALVED) {
        fastest_halve(picture.pixels, picture.columns, picture.rows, next);
        picture = (Picture){next, picture.columns / 2 + picture.columns % 2,
                            picture.rows / 2 + picture.rows % 2, picture.width / 2.0,
                            picture.height / 2.0};
        next += picture.columns * picture.rows;
    }
    copy_small(&picture, 9, 8, small, next);
    hashes[0] = dhash(small);
    copy_small(&picture, SMALL, SMALL, small, next);
    fastest_phash(small, cosines, hashes + 1);
}

/* Whether a buffer has so many pixels of so many bytes. */
static int has(const Py_buffer *buffer, int width, int height, int pixel) {
    return width > 0 && width <= LONGEST && height > 0 && height <= LONGEST &&
           buffer->len == (Py_ssize_t)width * height * pixel;
}

static PyObject *none_if(int fits) {
    if (fits) Py_RETURN_NONE;
    PyErr_SetString(PyExc_ValueError, "sizes do not fit the buffers");
    return NULL;
}

PyObject *color_sums_(PyObject *module, PyObject *args) {
    Py_buffer from, luma, to;
    int width, height;
    int64_t sums[COLOR_SUMS] = {0};
    (void)module;
    if (!PyArg_ParseTuple(args, "y*(ii)w*w*", &from, &width, &height, &luma, &to)) return NULL;
    const int fits = has(&from, width, height, 3) && has(&luma, width, height, 1) &&
                     to.len == sizeof sums;
    if (fits) {
        Py_BEGIN_ALLOW_THREADS
        fastest_color_sums(from.buf, width, height, luma.buf, sums);
        memcpy(to.buf, sums, sizeof sums);
        Py_END_ALLOW_THREADS
    }
    PyBuffer_Release(&from);
    PyBuffer_Release(&luma);
    PyBuffer_Release(&to);
    return none_if(fits);
}

PyObject *luma_sums_(PyObject *module, PyObject *args) {
    Py_buffer from, percents, to;
    int width, height, levels;
    LumaSums sums = {{0}, 0, 0, 0, 0, {0}, {0}, 0, {0}};
    (void)module;
    if (!PyArg_ParseTuple(args, "y*(ii)iy*w*", &from, &width, &height, &levels, &percents, &to))
        return NULL;
    const int fits = has(&from, width, height, 1) && percents.len == PERCENTS &&
                     to.len == sizeof sums;
    if (fits) {
        Py_BEGIN_ALLOW_THREADS
        fastest_luma_sums(from.buf, width, height, levels, percents.buf, &sums);
        memcpy(to.buf, &sums, sizeof sums);
        Py_END_ALLOW_THREADS
    }
    PyBuffer_Release(&from);
    PyBuffer_Release(&percents);
    PyBuffer_Release(&to);
    return none_if(fits);
}

PyObject *interpolate_(PyObject *module, PyObject *args) {
    Py_buffer from, to;
    int width, height, columns, rows;
    (void)module;
    if (!PyArg_ParseTuple(args, "y*(ii)w*(ii)", &from, &width, &height, &to, &columns, &rows))
        return NULL;
    const int fits = has(&from, width, height, 1) && has(&to, columns, rows, 1);
    if (fits) {
        Py_BEGIN_ALLOW_THREADS
        fastest_interpolate(from.buf, width, height, to.buf, columns, rows);
        Py_END_ALLOW_THREADS
    }
    PyBuffer_Release(&from);
    PyBuffer_Release(&to);
    return none_if(fits);
}

PyObject *hashes_(PyObject *module, PyObject *args) {
    Py_buffer from, cosines;
    int width, height;
    double numbers[8 * SMALL];
    uint64_t hashes[2];
    (void)module;
    if (!PyArg_ParseTuple(args, "y*(ii)y*", &from, &width, &height, &cosines)) return NULL;
    const int fits = width <= HASHED && height <= HASHED && has(&from, width, height, 1) &&
                     cosines.len == sizeof numbers;
    if (fits) {
        Py_BEGIN_ALLOW_THREADS
        memcpy(numbers, cosines.buf, sizeof numbers);
        hash((Picture){from.buf, width, height, width, height}, numbers, hashes);
        Py_END_ALLOW_THREADS
    }
    PyBuffer_Release(&from);
    PyBuffer_Release(&cosines);
    if (!fits) return none_if(fits);
    return Py_BuildValue("KK", (unsigned long long)hashes[0], (unsigned long long)hashes[1]);
}
