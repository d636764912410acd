/* What resampling in plain C and with vectors share. */
#include "kernel.h"

#define PIXEL 3 /* bytes */

/* One side: for each place of the result, the first source and `taps` weights. */
typedef struct {
    int size, sources, taps, precision;
    const int *first;
    const int16_t *weights;
} Side;

/* The source after the last one of the places before `end`. */
INLINE int needed(const Side *side, int end, int sources) {
    const int last = side->first[end - 1] + side->taps;
    return last < sources ? last : sources;
}

#ifdef VECTORS
/* Horizontally, with vectors: 1 if that is done, 0 if there are too few rows, no vectors, or not
 * enough memory. */
int vectors_across(const uint8_t *from, ptrdiff_t stride, int sources, uint8_t *to, int rows,
                   const Side *side);

/* Vertically, with vectors: return how many bytes of each row are done. */
ptrdiff_t vectors_down(const uint8_t *from, ptrdiff_t stride, int sources, uint8_t *to,
                       ptrdiff_t width, const Side *side);
#endif
