/* The module, and resampling of pixels in both directions.
 *
 * Places and weights are those of Pillow (Resample.c), rounded to 16 bits. Sums are integers, so
 * that every processor gives the same bytes. */
#include "resampling.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define INTERFACE 2 /* of the functions below, as pixelmill/imaging/arrays.py expects it */
#define MOST_PRECISION 21 /* fractional bits: 32, less those of a level, the sign and the sum */

/* Serialized form of a side between calls, followed by `first` and `weights`. */
typedef struct {
    int size, sources, taps, precision;
} Head;

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

static void across_plain(const uint8_t *from, ptrdiff_t stride, int sources, uint8_t *to, int rows,
                         const Side *side) {
    for (int row = 0; row < rows; row++, from += stride)
        for (int place = 0; place < side->size; place++, to += PIXEL) {
            const int16_t *weights = side->weights + (size_t)place * side->taps;
            int first = side->first[place];
            int count = side->taps < sources - first ? side->taps : sources - first;
            for (int channel = 0; channel < PIXEL; channel++) {
                int32_t sum = 1 << (side->precision - 1);
                for (int k = 0; k < count; k++)
                    sum += weights[k] * from[(size_t)(first + k) * PIXEL + channel];
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

int vectors(void) {
#ifdef VECTORS
    if (MOST_VECTORS > 1 && __builtin_cpu_supports("avx512vnni") &&
        __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl"))
        return 2;
    if (__builtin_cpu_supports("avx2")) return 1;
#endif
    return 0;
}

/* Horizontally: `rows` rows of `sources` pixels become rows of `side->size` pixels. */
static void resample_across(const uint8_t *from, ptrdiff_t stride, int sources, uint8_t *to,
                            int rows, const Side *side) {
#ifdef VECTORS
    if (vectors_across(from, stride, sources, to, rows, side)) return;
#endif
    across_plain(from, stride, sources, to, rows, side);
}

/* Vertically: `sources` rows of `width` bytes become `side->size` rows. */
static void resample_down(const uint8_t *from, ptrdiff_t stride, int sources, uint8_t *to,
                          ptrdiff_t width, const Side *side) {
    ptrdiff_t begin = 0;
#ifdef VECTORS
    begin = vectors_down(from, stride, sources, to, width, side);
#endif
    for (int place = 0; place < side->size; place++, to += width)
        down_plain(from, stride, sources, to, width, begin, place, side);
}

/* Two passes, restricted to the rows that the second one needs; -1 if there is no memory. */
static int resample(const uint8_t *from, uint8_t *to, Side x, Side y, int down_first) {
    const ptrdiff_t stride = (ptrdiff_t)x.sources * PIXEL;
    Side *second = down_first ? &x : &y;
    const int first = second->first[0], end = needed(second, second->size, second->sources);
    const ptrdiff_t part = (ptrdiff_t)(down_first ? end - first : x.size) * PIXEL;
    uint8_t *between = malloc((size_t)part * (down_first ? y.size : end - first));
    int *moved = malloc(sizeof(int) * second->size);
    if (between && moved) {
        for (int place = 0; place < second->size; place++)
            moved[place] = second->first[place] - first;
        second->first = moved;
        if (down_first) {
            resample_down(from + first * PIXEL, stride, y.sources, between, part, &y);
            resample_across(between, part, end - first, to, y.size, &x);
        } else {
            resample_across(from + first * stride, stride, x.sources, between, end - first, &x);
            resample_down(between, part, end - first, to, part, &y);
        }
    }
    const int failed = between && moved ? 0 : -1;
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
    int fits = width > 0 && height > 0 && columns > 0 && rows > 0 &&
               from.len == (Py_ssize_t)width * height * PIXEL &&
               to.len == (Py_ssize_t)columns * rows * PIXEL &&
               take_up(&x, &across, columns, width) && take_up(&y, &down, rows, height);
    if (fits) {
        Py_BEGIN_ALLOW_THREADS
        failed = resample(from.buf, to.buf, x, y, down_first);
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
     "Resample pixels of three bytes from one buffer into another one.\n\n"
     "`across` and `down` are sides. `down_first`: columns come before rows."},
    {"color_sums", color_sums_, METH_VARARGS,
     "color_sums(pixels, (width, height), luma, sums)\n--\n\n"
     "Compute luma, and sum up blue, green and red, their squares, and those of their differences\n"
     "(blue and green, blue and red, green and red), as nine 64-bit integers."},
    {"luma_sums", luma_sums_, METH_VARARGS,
     "luma_sums(luma, (width, height), levels, percents, sums)\n--\n\n"
     "Write 284 64-bit integers: the pixels of each level; the sum of the levels, and of their\n"
     "squares; the Laplacian of four neighbours, and its squares; the steps between columns and\n"
     "between rows, eight each, by the number of the first one modulo eight; the pixels within uniform\n"
     "borders of so many levels; and the levels that seven percentages of the pixels do not exceed."},
    {"interpolate", interpolate_, METH_VARARGS,
     "interpolate(luma, (width, height), target, (width, height))\n--\n\n"
     "Interpolate linearly between pixels, to the levels of OpenCV's INTER_LINEAR_EXACT."},
    {"hashes", hashes_, METH_VARARGS,
     "hashes(luma, (width, height), cosines)\n--\n\n"
     "Compute the perceptual hashes `dhash` and `phash`, of 64 bits each.\n\n"
     "`cosines` are the first eight rows of the cosine transform of 32 levels."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "pixelmill_kernel", "Resampling and measuring with vectors.", -1, methods,
    NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit_pixelmill_kernel(void) {
    PyObject *module = PyModule_Create(&definition);
    if (module && PyModule_AddIntConstant(module, "INTERFACE", INTERFACE)) Py_CLEAR(module);
    return module;
}
