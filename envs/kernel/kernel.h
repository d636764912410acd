/* What the files of the kernel share. */
#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>

#include <stddef.h>
#include <stdint.h>

#ifndef MOST_VECTORS /* largest vectors; tests lower it, and 0 is what other processors have */
#define MOST_VECTORS 2
#endif

#if MOST_VECTORS > 0 && defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>
#define VECTORS __attribute__((target("avx2")))
#define WIDE_VECTORS __attribute__((target("avx2,avx512f,avx512bw,avx512vl,avx512vnni")))
#endif

#ifdef __GNUC__
#define INLINE static inline __attribute__((always_inline))
#else
#define INLINE static inline
#endif

#define PI 3.14159265358979323846

/* 0 without vector instructions, 1 for 32 bytes at a time, 2 for 64. */
int vectors(void);

/* The level of a weighted sum whose weights have `precision` fractional bits. */
INLINE uint8_t level(int32_t sum, int precision) {
    sum >>= precision;
    return sum < 0 ? 0 : sum > 255 ? 255 : (uint8_t)sum;
}

/* Functions of the module that are defined in measuring.c. */
PyObject *color_sums_(PyObject *module, PyObject *args);
PyObject *luma_sums_(PyObject *module, PyObject *args);
PyObject *interpolate_(PyObject *module, PyObject *args);
PyObject *hashes_(PyObject *module, PyObject *args);
