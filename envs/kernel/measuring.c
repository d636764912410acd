/* Sums over pixels from which metrics are computed, and the small copies for perceptual hashes.
 *
 * All of them are integers, so that every processor gives the same. The loops are plain C, which
 * the compiler turns into vector instructions. */
#include "kernel.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define LONGEST 1024 /* longest side of a picture: sums of a row or column fit 32 bits */
#define BLOCK 512    /* pixels of which all sums fit 32 bits */
#define COLOR_SUMS 9
#define LEVELS 256
#define TABLES 4     /* histograms at once: a pixel need not wait for an equal one before it */
#define EIGHT 8      /* places that are interpolated at once */
#define EDGES 8      /* side of a block of JPEG */
#define SMALL 32     /* longest side of a picture that is hashed */
#define LANES 16     /* the number of weights is a multiple of it */
#define REACH 3      /* of the Lanczos filter, in pixels of the result */
#define PRECISION 22 /* fractional bits of the weights, as in Pillow */

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

/* Sums of blue, green and red, of their squares, and of the squares of their differences: blue and
 * green, blue and red, green and red. */
INLINE void color_sums(const uint8_t *from, int width, int height, int64_t *sums) {
    uint8_t blue[BLOCK], green[BLOCK], red[BLOCK];
    size_t n;
    for (size_t count = (size_t)width * height; count; from += 3 * n, count -= n) {
        n = count < BLOCK ? count : BLOCK;
        for (size_t k = 0; k < n; k++) {
            blue[k] = from[3 * k];
            green[k] = from[3 * k + 1];
            red[k] = from[3 * k + 2];
        }
        int32_t b = 0, g = 0, r = 0, bb = 0, gg = 0, rr = 0, bg = 0, br = 0, gr = 0;
        for (size_t k = 0; k < n; k++) b += blue[k], g += green[k], r += red[k];
        for (size_t k = 0; k < n; k++) {
            const int16_t x = blue[k], y = green[k], z = red[k];
            const int16_t u = x - y, v = x - z, w = y - z;
            bb += x * x, gg += y * y, rr += z * z;
            bg += u * u, br += v * v, gr += w * w;
        }
        const int32_t all[] = {b, g, r, bb, gg, rr, bg, br, gr};
        for (int k = 0; k < COLOR_SUMS; k++) sums[k] += all[k];
    }
}

FOR_VECTORS(color_sums, (const uint8_t *from, int width, int height, int64_t *sums),
            (from, width, height, sums))

/* Numbers of pixels of each level. */
static void histogram(const uint8_t *from, int width, int height, int64_t *sums) {
    const size_t count = (size_t)width * height;
    int64_t tables[TABLES][LEVELS] = {{0}};
    size_t k = 0;
    for (; k + TABLES <= count; k += TABLES)
        for (int table = 0; table < TABLES; table++) tables[table][from[k + table]]++;
    for (; k < count; k++) tables[0][from[k]]++;
    for (int table = 0; table < TABLES; table++)
        for (int n = 0; n < LEVELS; n++) sums[n] += tables[table][n];
}

/* The sum of the Laplacian of four neighbours, and that of its squares. */
INLINE void laplacian(const uint8_t *from, int width, int height, int64_t *sums) {
    for (int y = 1; y + 1 < height; y++) {
        const uint8_t *middle = from + (ptrdiff_t)y * width;
        const uint8_t *above = middle - width, *below = middle + width;
        int32_t sum = 0, squares = 0;
        for (int x = 1; x + 1 < width; x++) {
            const int16_t value = (int16_t)(above[x] + below[x] + middle[x - 1] + middle[x + 1] -
                                            4 * middle[x]);
            sum += value;
            squares += value * value;
        }
        sums[0] += sum;
        sums[1] += squares;
    }
}

FOR_VECTORS(laplacian, (const uint8_t *from, int width, int height, int64_t *sums),
            (from, width, height, sums))

/* Sums of the steps between columns by the number of the left one modulo 8, and those between
 * rows by that of the upper one. */
INLINE void steps(const uint8_t *from, int width, int height, int64_t *sums) {
    uint32_t columns[LONGEST] = {0};
    for (int y = 0; y < height; y++, from += width) {
        for (int x = 0; x + 1 < width; x++) columns[x] += (uint8_t)abs(from[x] - from[x + 1]);
        if (y + 1 == height) break;
        int32_t sum = 0;
        for (int x = 0; x < width; x++) sum += abs(from[x] - from[x + width]);
        sums[EDGES + y % EDGES] += sum;
    }
    for (int x = 0; x + 1 < width; x++) sums[x % EDGES] += columns[x];
}

FOR_VECTORS(steps, (const uint8_t *from, int width, int height, int64_t *sums),
            (from, width, height, sums))

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
        const __m256i pixels = _mm256_loadu2_m128i((const __m128i *)(from + second[0]),
                                                   (const __m128i *)(from + first[0]));
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

/* One side: for each place of the result, the first pixel and `taps` weights. */
typedef struct {
    int size, taps;
    const int32_t *first, *weights;
} Side;

/* Read a side from bytes: the first pixels, and the weights; 0 if they do not fit. */
static int take_side(Side *side, const Py_buffer *from, int size, int pixels) {
    const Py_ssize_t numbers = from->len / (Py_ssize_t)sizeof(int32_t);
    const Py_ssize_t taps = size > 0 ? numbers / size - 1 : 0;
    if (size > SMALL || taps < LANES || taps > LONGEST || taps % LANES ||
        from->len != (taps + 1) * size * (Py_ssize_t)sizeof(int32_t))
        return 0;
    const int32_t *first = from->buf;
    for (int place = 0; place < size; place++)
        if (first[place] < 0 || first[place] >= pixels) return 0;
    *side = (Side){size, (int)taps, first, first + size};
    return 1;
}

static int taps_within(const Side *side, int place, int pixels) {
    const int rest = pixels - side->first[place];
    return side->taps < rest ? side->taps : rest;
}

/* Compute the weights of Pillow's Lanczos filter in the same order as hashes.py does. */
static void weigh(int size, double extent, int result, int taps, int32_t *first, int32_t *weights) {
    const double scale = extent / result, stretch = scale > 1.0 ? scale : 1.0;
    const double reach = REACH * stretch, turn = PI / REACH / stretch;
    double near[LONGEST];
    for (int place = 0; place < result; place++, weights += taps) {
        const double center = (place + 0.5) * scale;
        const int begin = center - reach + 0.5 < 0.0 ? 0 : (int)(center - reach + 0.5);
        const double end = floor(center + reach + 0.5);
        double sum = 0.0;
        for (int k = 0; k < taps; k++) {
            double x = (begin + k - center + 0.5) * turn;
            near[k] = 0.0;
            if (begin + k < end && begin + k < size && fabs(x) < PI) {
                if (x == 0.0) x = 1e-9;
                const double sine = sin(x), square = sine * sine;
                near[k] = square * (3.0 - 4.0 * square) / (x * x);
            }
            sum += near[k];
        }
        const double scaled = (1 << PRECISION) / sum;
        for (int k = 0; k < taps; k++) weights[k] = (int32_t)rint(near[k] * scaled);
        first[place] = begin;
    }
}

#define HALF (1u << (PRECISION - 1))

INLINE void across(const uint8_t *from, int width, int rows, uint8_t *to, const Side *side) {
    uint32_t pixels[2 * LONGEST] = {0}; /* with zeros after the row */
    for (int row = 0; row < rows; row++, from += width) {
        const int32_t *weights = side->weights;
        for (int x = 0; x < width; x++) pixels[x] = from[x];
        for (int place = 0; place < side->size; place++, weights += side->taps) {
            const uint32_t *first = pixels + side->first[place];
            uint32_t sum = HALF;
            for (int k = 0; k < side->taps / LANES * LANES; k++)
                sum += (uint32_t)weights[k] * first[k];
            *to++ = level((int32_t)sum, PRECISION);
        }
    }
}

INLINE void down(const uint8_t *from, int width, int rows, uint8_t *to, const Side *side) {
    uint32_t sums[LONGEST];
    for (int place = 0; place < side->size; place++, to += width) {
        const int32_t *weights = side->weights + (ptrdiff_t)place * side->taps;
        const uint8_t *pixels = from + (ptrdiff_t)side->first[place] * width;
        const int count = taps_within(side, place, rows);
        for (int x = 0; x < width; x++) sums[x] = HALF;
        for (int k = 0; k < count; k++, pixels += width)
            for (int x = 0; x < width; x++) sums[x] += (uint32_t)weights[k] * pixels[x];
        for (int x = 0; x < width; x++) to[x] = level((int32_t)sums[x], PRECISION);
    }
}

/* Resample with rounding after each pass. */
INLINE void reduce(const uint8_t *from, int width, int height, uint8_t *to, Side x, Side y,
                   int down_first) {
    uint8_t between[SMALL * LONGEST];
    if (down_first) {
        down(from, width, height, between, &y);
        across(between, width, y.size, to, &x);
    } else {
        across(from, width, height, between, &x);
        down(between, x.size, height, to, &y);
    }
}

FOR_VECTORS(reduce,
            (const uint8_t *from, int width, int height, uint8_t *to, Side x, Side y,
             int down_first),
            (from, width, height, to, x, y, down_first))

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

/* Compute sums of pixels, and write them into a buffer of so many 64-bit integers. */
static PyObject *sum_up(PyObject *args, int pixel, int count,
                        void (*work)(const uint8_t *, int, int, int64_t *)) {
    Py_buffer from, to;
    int width, height;
    int64_t sums[LEVELS] = {0};
    if (!PyArg_ParseTuple(args, "y*(ii)w*", &from, &width, &height, &to)) return NULL;
    const int fits = has(&from, width, height, pixel) && (size_t)to.len == count * sizeof *sums;
    if (fits) {
        Py_BEGIN_ALLOW_THREADS
        work(from.buf, width, height, sums);
        memcpy(to.buf, sums, count * sizeof *sums);
        Py_END_ALLOW_THREADS
    }
    PyBuffer_Release(&from);
    PyBuffer_Release(&to);
    return none_if(fits);
}

PyObject *color_sums_(PyObject *module, PyObject *args) {
    (void)module;
    return sum_up(args, 3, COLOR_SUMS, fastest_color_sums);
}

PyObject *histogram_(PyObject *module, PyObject *args) {
    (void)module;
    return sum_up(args, 1, LEVELS, histogram);
}

PyObject *laplacian_(PyObject *module, PyObject *args) {
    (void)module;
    return sum_up(args, 1, 2, fastest_laplacian);
}

PyObject *steps_(PyObject *module, PyObject *args) {
    (void)module;
    return sum_up(args, 1, 2 * EDGES, fastest_steps);
}

PyObject *halve_(PyObject *module, PyObject *args) {
    Py_buffer from, to;
    int width, height;
    (void)module;
    if (!PyArg_ParseTuple(args, "y*(ii)w*", &from, &width, &height, &to)) return NULL;
    const int fits = has(&from, width, height, 1) &&
                     has(&to, width / 2 + width % 2, height / 2 + height % 2, 1);
    if (fits) {
        Py_BEGIN_ALLOW_THREADS
        fastest_halve(from.buf, width, height, to.buf);
        Py_END_ALLOW_THREADS
    }
    PyBuffer_Release(&from);
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

PyObject *small_side_(PyObject *module, PyObject *args) {
    int size, result;
    double extent;
    (void)module;
    if (!PyArg_ParseTuple(args, "idi", &size, &extent, &result)) return NULL;
    if (!(size > 0 && size <= LONGEST && extent > 0.0 && extent <= size && result > 0 &&
          result <= SMALL && 2.0 * REACH * extent / result <= LONGEST - 2 - LANES)) {
        PyErr_SetString(PyExc_ValueError, "size, extent or result do not fit");
        return NULL;
    }
    const double scale = extent / result;
    const int needed = (int)(2.0 * REACH * (scale > 1.0 ? scale : 1.0)) + 2;
    const int taps = (needed + LANES - 1) / LANES * LANES;
    PyObject *side = PyBytes_FromStringAndSize(
        NULL, (Py_ssize_t)result * (taps + 1) * (Py_ssize_t)sizeof(int32_t));
    if (!side) return NULL;
    int32_t *first = (int32_t *)PyBytes_AsString(side);
    weigh(size, extent, result, taps, first, first + result);
    return side;
}

PyObject *reduce_(PyObject *module, PyObject *args) {
    Py_buffer from, to, across, down;
    int width, height, columns, rows, down_first;
    Side x, y;
    (void)module;
    if (!PyArg_ParseTuple(args, "y*(ii)w*(ii)y*y*p", &from, &width, &height, &to, &columns, &rows,
                          &across, &down, &down_first))
        return NULL;
    const int fits = has(&from, width, height, 1) && has(&to, columns, rows, 1) &&
                     take_side(&x, &across, columns, width) && take_side(&y, &down, rows, height);
    if (fits) {
        Py_BEGIN_ALLOW_THREADS
        fastest_reduce(from.buf, width, height, to.buf, x, y, down_first);
        Py_END_ALLOW_THREADS
    }
    PyBuffer_Release(&from);
    PyBuffer_Release(&to);
    PyBuffer_Release(&across);
    PyBuffer_Release(&down);
    return none_if(fits);
}
