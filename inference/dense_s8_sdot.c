/* SPDX-License-Identifier: Apache-2.0 */
/* FULLY_CONNECTED int8 with SDOT (Cortex-A55, A75 and later). SDOT by element adds four products to
 * each of four sums: lane l is output o + l, and the four inputs are one element of a vector of
 * sixteen, so that no sum is added across lanes. The zero point is folded into the bias.
 *
 * Packed: int32 folded bias [n_out up to 4s], then blocks of up to 32 outputs; a block is, for each
 * four inputs, its vectors one after the other. */
#include "inference/dense_neon.h"

#define LANES 4 /* outputs of a vector */
#define BLOCK 8 /* vectors of a block: as many sums in flight as two pipes of latency 4 can hold \
                 */
#define TILE 4  /* vectors and windows of a tile, where there are several windows */

static uint32_t n_vectors_of(const struct mw_dense_s8 *layer)
{
    return (layer->n_out + LANES - 1) / LANES;
}

static uint32_t n_steps_of(const struct mw_dense_s8 *layer)
{
    return (layer->n_in + 3) / 4;
}

static size_t packed_bytes(const struct mw_dense_s8 *layer)
{
    size_t n = (size_t)n_vectors_of(layer) * 16 * (n_steps_of(layer) + 1);
    return (n + 63) & ~(size_t)63;
}

static bool pack(const struct mw_dense_s8 *layer, void *ret_packed)
{
    uint32_t n_vectors = n_vectors_of(layer), n_steps = n_steps_of(layer);
    int32_t *bias = ret_packed;
    for (uint32_t o = 0; o < n_vectors * LANES; o++)
        bias[o] = o < layer->n_out ? mw_dense_folded_bias(layer, o, layer->in_zero) : 0;

    int8_t *to = (int8_t *)(bias + (size_t)n_vectors * LANES);
    for (uint32_t first = 0; first < n_vectors; first += BLOCK) {
        uint32_t width = (n_vectors - first < BLOCK ? n_vectors - first : BLOCK) * LANES;
        for (uint32_t s = 0; s < n_steps; s++)
            for (uint32_t l = 0; l < width; l++)
                for (uint32_t i = 4 * s; i < 4 * s + 4; i++) {
                    uint32_t o = first * LANES + l;
                    bool there = o < layer->n_out && i < layer->n_in;
                    *to++ = there ? layer->weights[(size_t)o * layer->n_in + i] : (int8_t)0;
                }
    }
    return true;
}

/* One step: n_wide vectors of weights times element `lane` of each window's inputs. */
#define STEP(lane)                                                                \
    do {                                                                          \
        MW_EACH (v, n_wide) {                                                     \
            int8x16_t weights = vld1q_s8(w + (lane)*stride + v * 16);             \
            MW_EACH (h, n_high)                                                   \
                acc[h * n_wide + v] =                                             \
                    vdotq_laneq_s32(acc[h * n_wide + v], weights, in[h], (lane)); \
        }                                                                         \
    } while (0)

/* The last inputs, fewer than sixteen, and zeroes. */
static inline int8x16_t load_rest(const int8_t *x, uint32_t n)
{
    int8_t rest[16] = { 0 };
    for (uint32_t i = 0; i < n; i++)
        rest[i] = x[i];
    return vld1q_s8(rest);
}

/* One tile: n_wide vectors of outputs for n_high windows, both known when this is compiled; stride
 * as well where it can be. w: the tile's first vector. */
static inline __attribute__((always_inline)) void
tile(const struct mw_dense_s8 *layer, struct mw_neon_finish *f, uint32_t o, const int8_t *w,
     const size_t stride, const int8_t *x, int8_t *y, const uint32_t n_wide, const uint32_t n_high)
{
    int32x4_t acc[TILE * TILE];
    const int32_t *bias = layer->packed;
    MW_EACH (h, n_high)
        MW_EACH (v, n_wide)
            acc[h * n_wide + v] = vld1q_s32(bias + o + v * LANES);
    uint32_t left = layer->n_in;
    int8x16_t in[TILE];
    for (; left >= 16; left -= 16, w += 4 * stride, x += 16) {
        MW_EACH (h, n_high)
            in[h] = vld1q_s8(x + (size_t)h * layer->n_in);
        STEP(0);
        STEP(1);
        STEP(2);
        STEP(3);
    }
    if (left > 0) {
        MW_EACH (h, n_high)
            in[h] = load_rest(x + (size_t)h * layer->n_in, left);
        STEP(0);
        if (left > 4)
            STEP(1);
        if (left > 8)
            STEP(2);
        if (left > 12)
            STEP(3);
    }
    MW_EACH (h, n_high)
        MW_EACH (v, n_wide) {
            uint32_t at = o + v * LANES;
            int8_t *to = y + (size_t)h * layer->n_out;
            if (layer->n_out - at >= LANES)
                mw_neon_put(layer, f, at, acc[h * n_wide + v], to);
            else
                mw_neon_put_rest(layer, f->single ? MW_ROUNDING_SINGLE : MW_ROUNDING_DOUBLE, at,
                                 acc[h * n_wide + v], to);
        }
}

/* One block of at most BLOCK vectors for one window, or for TILE of them. */
static __attribute__((noinline)) void block(const struct mw_dense_s8 *layer,
                                            struct mw_neon_finish *f, uint32_t o, uint32_t width,
                                            const int8_t *w, const int8_t *x, int8_t *y, bool many)
{
    size_t stride = (size_t)width * 16;
    uint32_t v = 0;
    if (!many && width == BLOCK) {
        tile(layer, f, o, w, (size_t)BLOCK * 16, x, y, BLOCK, 1);
        return;
    }
    for (; v + TILE <= width; v += TILE) {
        if (many)
            tile(layer, f, o + v * LANES, w + v * 16, stride, x, y, TILE, TILE);
        else
            tile(layer, f, o + v * LANES, w + v * 16, stride, x, y, TILE, 1);
    }
    for (; v < width; v++) {
        if (many)
            tile(layer, f, o + v * LANES, w + v * 16, stride, x, y, 1, TILE);
        else
            tile(layer, f, o + v * LANES, w + v * 16, stride, x, y, 1, 1);
    }
}

static void run(const struct mw_dense_s8 *layer, enum mw_rounding rounding, const int8_t *x,
                int8_t *y, uint32_t n_windows)
{
    uint32_t n_vectors = n_vectors_of(layer), n_steps = n_steps_of(layer);
    struct mw_neon_finish f = mw_neon_finish(layer, rounding);
    const int8_t *first_weight = (const int8_t *)layer->packed + (size_t)n_vectors * 16;
    for (uint32_t done = 0; done < n_windows;) {
        bool many = n_windows - done >= TILE;
        const int8_t *w = first_weight;
        for (uint32_t first = 0; first < n_vectors; first += BLOCK) {
            uint32_t width = n_vectors - first < BLOCK ? n_vectors - first : BLOCK;
            block(layer, &f, first * LANES, width, w, x + (size_t)done * layer->n_in,
                  y + (size_t)done * layer->n_out, many);
            w += (size_t)width * 16 * n_steps;
        }
        done += many ? TILE : 1;
    }
}

const struct mw_dense_kernel mw_dense_sdot = { .name = "sdot",
                                               .cpu = MW_CPU_NEON | MW_CPU_DOTPROD,
                                               .packed_bytes = packed_bytes,
                                               .pack = pack,
                                               .run = run };
