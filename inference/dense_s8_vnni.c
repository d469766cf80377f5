/* SPDX-License-Identifier: Apache-2.0 */
/* FULLY_CONNECTED int8 with AVX-512 VNNI. VPDPBUSD adds four products of unsigned by signed bytes
 * to each of 16 sums: lane l is output o + l, so that no sum is ever added across lanes. Inputs are
 * made unsigned by adding 128; that and the zero point are folded into the bias.
 *
 * Packed: int32 folded bias [n_out up to 16s], then blocks of up to 128 outputs; a block is, for
 * each four inputs, its vectors one after the other: one stream that is read once from start to
 * end. */
#include "inference/dense_kernel.h"

#if defined(__AVX512VNNI__)

#include "inference/dense_finish.h"

#include <immintrin.h>
#include <string.h>

#define LANES 16 /* outputs of a vector */
#define BLOCK 8  /* vectors of a block */
#define TILE  4  /* vectors and windows of a tile, where there are several windows */

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
    return (size_t)n_vectors_of(layer) * 64 * (n_steps_of(layer) + 1);
}

static bool pack(const struct mw_dense_s8 *layer, void *ret_packed)
{
    uint32_t n_vectors = n_vectors_of(layer), n_steps = n_steps_of(layer);
    int32_t *bias = ret_packed;
    for (uint32_t o = 0; o < n_vectors * LANES; o++)
        bias[o] = o < layer->n_out ? mw_dense_folded_bias(layer, o, layer->in_zero + 128) : 0;

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

static inline __m512i requantize_double(__m512i acc, __m512i m, __m512i shift)
{
    const __m512i nothing = _mm512_setzero_si512();
    __m512i right = _mm512_max_epi32(_mm512_sub_epi32(nothing, shift), nothing);
    __m512i x = _mm512_sllv_epi32(acc, _mm512_max_epi32(shift, nothing));
    const __m512i half = _mm512_set1_epi64(INT64_C(1) << 30);
    __m512i even = _mm512_add_epi64(_mm512_mul_epi32(x, m), half);
    __m512i odd = _mm512_add_epi64(
        _mm512_mul_epi32(_mm512_srli_epi64(x, 32), _mm512_srli_epi64(m, 32)), half);
    __m512i high =
        _mm512_mask_mov_epi32(_mm512_srli_epi64(even, 31), 0xaaaa, _mm512_slli_epi64(odd, 1));
    __m512i mask =
        _mm512_sub_epi32(_mm512_sllv_epi32(_mm512_set1_epi32(1), right), _mm512_set1_epi32(1));
    __m512i limit = _mm512_sub_epi32(_mm512_srli_epi32(mask, 1), _mm512_srai_epi32(high, 31));
    __mmask16 up = _mm512_cmpgt_epi32_mask(_mm512_and_si512(high, mask), limit);
    __m512i whole = _mm512_srav_epi32(high, right);
    return _mm512_mask_add_epi32(whole, up, whole, _mm512_set1_epi32(1));
}

/* Eight products at once: 2^(30 - shift) added, then shifted by 31 - shift. */
static inline __m512i round_once(__m512i product, __m512i total)
{
    __m512i half =
        _mm512_sllv_epi64(_mm512_set1_epi64(1), _mm512_sub_epi64(total, _mm512_set1_epi64(1)));
    return _mm512_srav_epi64(_mm512_add_epi64(product, half), total);
}

static inline __m512i requantize_single(__m512i acc, __m512i m, __m512i shift)
{
    const __m512i low = _mm512_set1_epi64(UINT32_MAX);
    __m512i total = _mm512_sub_epi32(_mm512_set1_epi32(31), shift);
    __m512i even = round_once(_mm512_mul_epi32(acc, m), _mm512_and_si512(total, low));
    __m512i odd = round_once(_mm512_mul_epi32(_mm512_srli_epi64(acc, 32), _mm512_srli_epi64(m, 32)),
                             _mm512_srli_epi64(total, 32));
    return _mm512_mask_mov_epi32(even, 0xaaaa, _mm512_slli_epi64(odd, 32));
}

/* What all outputs of a layer share. */
struct finish {
    __m512i m, shift, least, most, zero;
    bool single, per_channel;
};

static inline void put(const struct mw_dense_s8 *layer, const struct finish *f, uint32_t o,
                       __m512i acc, int8_t *y)
{
    uint32_t n = layer->n_out - o;
    __mmask16 lanes = (__mmask16)(n < LANES ? (1U << n) - 1 : 0xffffU);
    __m512i m = f->m, shift = f->shift;
    if (f->per_channel) {
        m = _mm512_maskz_loadu_epi32(lanes, layer->multiplier + o);
        shift = _mm512_cvtepi8_epi32(_mm_maskz_loadu_epi8(lanes, layer->shift + o));
    }
    __m512i v = f->single ? requantize_single(acc, m, shift) : requantize_double(acc, m, shift);
    v = _mm512_min_epi32(_mm512_max_epi32(v, f->least), f->most);
    _mm512_mask_cvtepi32_storeu_epi8(y + o, lanes, _mm512_add_epi32(v, f->zero));
}

static inline int32_t load4(const uint8_t *x)
{
    int32_t four;
    __builtin_memcpy(&four, x, 4);
    return four;
}

/* One tile: n_wide vectors of outputs for n_high windows, both known when this is compiled. w: the
 * tile's first vector; stride: bytes from step to step; x: unsigned inputs, x_stride apart. */
static inline __attribute__((always_inline)) void tile(const struct mw_dense_s8 *layer,
                                                       const struct finish *f, const int32_t *bias,
                                                       uint32_t o, const int8_t *w, size_t stride,
                                                       const uint8_t *x, size_t x_stride, int8_t *y,
                                                       const uint32_t n_wide, const uint32_t n_high)
{
    __m512i acc[TILE * TILE];
    MW_EACH (h, n_high)
        MW_EACH (v, n_wide)
            acc[h * n_wide + v] = _mm512_load_si512(bias + o + v * LANES);
    uint32_t n_steps = n_steps_of(layer);
    for (uint32_t s = 0; s < n_steps; s++, w += stride, x += 4) {
        __m512i in[TILE];
        MW_EACH (h, n_high)
            in[h] = _mm512_set1_epi32(load4(x + (size_t)h * x_stride));
        MW_EACH (v, n_wide) {
            __m512i weights = _mm512_load_si512(w + v * 64);
            MW_EACH (h, n_high)
                acc[h * n_wide + v] = _mm512_dpbusd_epi32(acc[h * n_wide + v], in[h], weights);
        }
    }
    MW_EACH (h, n_high)
        MW_EACH (v, n_wide)
            put(layer, f, o + v * LANES, acc[h * n_wide + v], y + (size_t)h * layer->n_out);
}

/* Few outputs: one vector of them, and the inputs' steps dealt to four sums, so that no
 * instruction waits for the one before. */
static void narrow(const struct mw_dense_s8 *layer, const struct finish *f, const int32_t *bias,
                   uint32_t o, const int8_t *w, size_t stride, const uint8_t *x, int8_t *y)
{
    __m512i acc[4] = { _mm512_load_si512(bias + o) };
    uint32_t s = 0, n_steps = n_steps_of(layer);
    for (; s + 4 <= n_steps; s += 4)
        MW_EACH (k, 4)
            acc[k] = _mm512_dpbusd_epi32(acc[k], _mm512_set1_epi32(load4(x + 4 * (s + k))),
                                         _mm512_load_si512(w + (size_t)(s + k) * stride));
    for (; s < n_steps; s++)
        acc[0] = _mm512_dpbusd_epi32(acc[0], _mm512_set1_epi32(load4(x + 4 * (size_t)s)),
                                     _mm512_load_si512(w + (size_t)s * stride));
    acc[0] = _mm512_add_epi32(_mm512_add_epi32(acc[0], acc[1]), _mm512_add_epi32(acc[2], acc[3]));
    put(layer, f, o, acc[0], y);
}

/* One block of at most BLOCK vectors for n_high windows, 1 or TILE. */
static __attribute__((noinline)) void block(const struct mw_dense_s8 *layer, const struct finish *f,
                                            const int32_t *bias, uint32_t o, uint32_t width,
                                            const int8_t *w, const uint8_t *x, size_t x_stride,
                                            int8_t *y, bool many)
{
    size_t stride = (size_t)width * 64;
    if (!many && width == BLOCK) {
        tile(layer, f, bias, o, w, stride, x, x_stride, y, BLOCK, 1);
        return;
    }
    uint32_t v = 0;
    for (; v + TILE <= width; v += TILE) {
        if (many)
            tile(layer, f, bias, o + v * LANES, w + v * 64, stride, x, x_stride, y, TILE, TILE);
        else
            tile(layer, f, bias, o + v * LANES, w + v * 64, stride, x, x_stride, y, TILE, 1);
    }
    for (; v < width; v++) {
        if (many)
            tile(layer, f, bias, o + v * LANES, w + v * 64, stride, x, x_stride, y, 1, TILE);
        else
            narrow(layer, f, bias, o + v * LANES, w + v * 64, stride, x, y);
    }
}

/* Unsigned inputs, with zeroes up to a multiple of 4: there the weights are 0 as well. */
static void widen(const int8_t *x, uint32_t n, uint8_t *ret)
{
    const __m512i flip = _mm512_set1_epi8(-128);
    for (uint32_t i = 0; i < n; i += 64) {
        __mmask64 lanes = n - i < 64 ? (UINT64_C(1) << (n - i)) - 1 : ~UINT64_C(0);
        __m512i v = _mm512_maskz_loadu_epi8(lanes, x + i);
        _mm512_storeu_si512(ret + i, _mm512_xor_si512(v, flip));
    }
}

static void run(const struct mw_dense_s8 *layer, enum mw_rounding rounding, const int8_t *x,
                int8_t *y, uint32_t n_windows)
{
    uint32_t n_vectors = n_vectors_of(layer), n_steps = n_steps_of(layer);
    size_t x_stride = ((size_t)layer->n_in + 63) & ~(size_t)63;
    const int32_t *bias = layer->packed;
    struct finish f = { .m = _mm512_set1_epi32(layer->multiplier[0]),
                        .shift = _mm512_set1_epi32(layer->shift[0]),
                        .least = _mm512_set1_epi32(layer->out_min - layer->out_zero),
                        .most = _mm512_set1_epi32(layer->out_max - layer->out_zero),
                        .zero = _mm512_set1_epi32(layer->out_zero),
                        .single = rounding == MW_ROUNDING_SINGLE,
                        .per_channel = layer->n_multipliers > 1 };
    uint8_t in[TILE * MW_MODEL_MAX_WIDTH];
    for (uint32_t done = 0; done < n_windows;) {
        bool many = n_windows - done >= TILE;
        uint32_t n = many ? TILE : 1;
        for (uint32_t h = 0; h < n; h++)
            widen(x + (size_t)(done + h) * layer->n_in, layer->n_in, in + h * x_stride);
        const int8_t *w = (const int8_t *)(bias + (size_t)n_vectors * LANES);
        for (uint32_t first = 0; first < n_vectors; first += BLOCK) {
            uint32_t width = n_vectors - first < BLOCK ? n_vectors - first : BLOCK;
            block(layer, &f, bias, first * LANES, width, w, in, x_stride,
                  y + (size_t)done * layer->n_out, many);
            w += (size_t)width * 64 * n_steps;
        }
        done += n;
    }
}

const struct mw_dense_kernel mw_dense_vnni = { .name = "avx512-vnni",
                                               .cpu = MW_CPU_AVX512_VNNI,
                                               .packed_bytes = packed_bytes,
                                               .pack = pack,
                                               .run = run };

#endif
