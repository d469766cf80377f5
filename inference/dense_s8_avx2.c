/* SPDX-License-Identifier: Apache-2.0 */
/* FULLY_CONNECTED int8 with AVX2. VPMADDUBSW adds two products of unsigned by signed bytes, and
 * saturates where they pass 16 bits. So the input, made unsigned by adding 128, is split into its
 * high and low four bits: then |two products| <= 15 * 128 * 2, and eight such sums fit into 16 bits
 * before they must be widened. The 128 and the zero point are folded into the bias. Lane l of a
 * vector is output o + l.
 *
 * Packed: int32 folded bias [n_out up to 8s], then blocks of up to 32 outputs; a block is, for each
 * four inputs, its vectors one after the other. */
#include "inference/dense_kernel.h"

#if defined(__AVX2__)

#include "inference/dense_finish.h"

#include <immintrin.h>

#define LANES 8 /* outputs of a vector */
#define BLOCK 4 /* vectors of a block */
#define RUN   8 /* steps after which the 16-bit sums are widened: 8 * 15 * 128 * 2 < 2^15 */

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
    size_t n = (size_t)n_vectors_of(layer) * 32 * (n_steps_of(layer) + 1);
    return (n + 63) & ~(size_t)63;
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

static inline __m256i load(const void *bytes)
{
    return _mm256_loadu_si256(bytes);
}

static inline void store(void *bytes, __m256i v)
{
    _mm256_storeu_si256(bytes, v);
}

static inline __m256i requantize_double(__m256i acc, __m256i m, __m256i shift)
{
    const __m256i nothing = _mm256_setzero_si256(), one = _mm256_set1_epi32(1);
    __m256i right = _mm256_max_epi32(_mm256_sub_epi32(nothing, shift), nothing);
    __m256i x = _mm256_sllv_epi32(acc, _mm256_max_epi32(shift, nothing));
    const __m256i half = _mm256_set1_epi64x(INT64_C(1) << 30);
    __m256i even = _mm256_add_epi64(_mm256_mul_epi32(x, m), half);
    __m256i odd = _mm256_add_epi64(
        _mm256_mul_epi32(_mm256_srli_epi64(x, 32), _mm256_srli_epi64(m, 32)), half);
    __m256i high = _mm256_blend_epi32(_mm256_srli_epi64(even, 31), _mm256_slli_epi64(odd, 1), 0xaa);
    __m256i mask = _mm256_sub_epi32(_mm256_sllv_epi32(one, right), one);
    __m256i limit = _mm256_sub_epi32(_mm256_srli_epi32(mask, 1), _mm256_srai_epi32(high, 31));
    __m256i up = _mm256_cmpgt_epi32(_mm256_and_si256(high, mask), limit);
    return _mm256_sub_epi32(_mm256_srav_epi32(high, right), up);
}

/* Four products at once: 2^(30 - shift) added, then shifted by 31 - shift. There is no arithmetic
 * shift of 64 bits; adding 2^63 makes the logical one right but for 2^(63 - total) too much. */
static inline __m256i round_once(__m256i product, __m256i total)
{
    const __m256i top = _mm256_set1_epi64x(INT64_MIN);
    __m256i half =
        _mm256_sllv_epi64(_mm256_set1_epi64x(1), _mm256_sub_epi64(total, _mm256_set1_epi64x(1)));
    __m256i sum = _mm256_xor_si256(_mm256_add_epi64(product, half), top);
    return _mm256_sub_epi64(_mm256_srlv_epi64(sum, total), _mm256_srlv_epi64(top, total));
}

static inline __m256i requantize_single(__m256i acc, __m256i m, __m256i shift)
{
    const __m256i low = _mm256_set1_epi64x(UINT32_MAX);
    __m256i total = _mm256_sub_epi32(_mm256_set1_epi32(31), shift);
    __m256i even = round_once(_mm256_mul_epi32(acc, m), _mm256_and_si256(total, low));
    __m256i odd = round_once(_mm256_mul_epi32(_mm256_srli_epi64(acc, 32), _mm256_srli_epi64(m, 32)),
                             _mm256_srli_epi64(total, 32));
    return _mm256_blend_epi32(even, _mm256_slli_epi64(odd, 32), 0xaa);
}

/* What all outputs of a layer share. */
struct finish {
    __m256i m, shift, least, most, zero;
    bool single, per_channel;
};

/* The last outputs of a layer, fewer than a vector. */
static void put_rest(const struct mw_dense_s8 *layer, const struct finish *f, uint32_t o,
                     __m256i acc, int8_t *y)
{
    int32_t sums[LANES];
    store(sums, acc);
    for (uint32_t l = 0; o + l < layer->n_out; l++) {
        struct mw_dense_scale scale =
            mw_dense_scale(layer, f->single ? MW_ROUNDING_SINGLE : MW_ROUNDING_DOUBLE, o + l);
        y[o + l] = mw_dense_finish(&scale, sums[l]);
    }
}

static inline void put(const struct mw_dense_s8 *layer, const struct finish *f, uint32_t o,
                       __m256i acc, int8_t *y)
{
    if (layer->n_out - o < LANES) {
        put_rest(layer, f, o, acc, y);
        return;
    }
    __m256i m = f->m, shift = f->shift;
    if (f->per_channel) {
        m = load(layer->multiplier + o);
        shift = _mm256_cvtepi8_epi32(_mm_loadu_si64(layer->shift + o));
    }
    __m256i v = f->single ? requantize_single(acc, m, shift) : requantize_double(acc, m, shift);
    v = _mm256_min_epi32(_mm256_max_epi32(v, f->least), f->most);
    v = _mm256_add_epi32(v, f->zero);
    __m128i words = _mm_packs_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
    _mm_storeu_si64(y + o, _mm_packs_epi16(words, words));
}

static inline int32_t load4(const uint8_t *x)
{
    int32_t four;
    __builtin_memcpy(&four, x, 4);
    return four;
}

/* The split inputs of one window. */
struct halves {
    uint8_t high[MW_MODEL_MAX_WIDTH + 32], low[MW_MODEL_MAX_WIDTH + 32];
};

/* The 16-bit sums of a tile. */
struct sums {
    __m256i high[BLOCK], low[BLOCK];
};

static inline __attribute__((always_inline)) void step(struct sums *sums, const int8_t *w,
                                                       const struct halves *x, uint32_t s,
                                                       const uint32_t n_wide, const uint32_t n_high)
{
    MW_EACH (h, n_high) {
        __m256i high = _mm256_set1_epi32(load4(x[h].high + 4 * (size_t)s));
        __m256i low = _mm256_set1_epi32(load4(x[h].low + 4 * (size_t)s));
        MW_EACH (v, n_wide) {
            __m256i weights = load(w + v * 32);
            uint32_t a = h * n_wide + v;
            sums->high[a] = _mm256_add_epi16(sums->high[a], _mm256_maddubs_epi16(high, weights));
            sums->low[a] = _mm256_add_epi16(sums->low[a], _mm256_maddubs_epi16(low, weights));
        }
    }
}

/* One tile: n_wide vectors of outputs for n_high windows, both known when this is compiled. w: the
 * tile's first vector; stride: bytes from step to step. */
static inline __attribute__((always_inline)) void tile(const struct mw_dense_s8 *layer,
                                                       const struct finish *f, const int32_t *bias,
                                                       uint32_t o, const int8_t *w, size_t stride,
                                                       const struct halves *x, int8_t *y,
                                                       const uint32_t n_wide, const uint32_t n_high)
{
    const __m256i sixteen = _mm256_set1_epi16(16), one = _mm256_set1_epi16(1);
    __m256i acc[BLOCK];
    MW_EACH (h, n_high)
        MW_EACH (v, n_wide)
            acc[h * n_wide + v] = load(bias + o + v * LANES);
    uint32_t n_steps = n_steps_of(layer);
    for (uint32_t s = 0; s < n_steps;) {
        struct sums sums = { 0 };
        if (n_steps - s >= RUN)
            MW_EACH (k, RUN)
                step(&sums, w + k * stride, x, s + k, n_wide, n_high);
        else
            for (uint32_t k = 0; k < n_steps - s; k++)
                step(&sums, w + k * stride, x, s + k, n_wide, n_high);
        s += RUN;
        w += RUN * stride;
        MW_EACH (a, n_wide * n_high) {
            acc[a] = _mm256_add_epi32(acc[a], _mm256_madd_epi16(sums.high[a], sixteen));
            acc[a] = _mm256_add_epi32(acc[a], _mm256_madd_epi16(sums.low[a], one));
        }
    }
    MW_EACH (h, n_high)
        MW_EACH (v, n_wide)
            put(layer, f, o + v * LANES, acc[h * n_wide + v], y + (size_t)h * layer->n_out);
}

/* One block of at most BLOCK vectors for one window or two. */
static __attribute__((noinline)) void block(const struct mw_dense_s8 *layer, const struct finish *f,
                                            const int32_t *bias, uint32_t o, uint32_t width,
                                            const int8_t *w, const struct halves *x, int8_t *y,
                                            bool two)
{
    size_t stride = (size_t)width * 32;
    if (!two && width == BLOCK) {
        tile(layer, f, bias, o, w, stride, x, y, BLOCK, 1);
        return;
    }
    uint32_t v = 0;
    for (; two && v + 2 <= width; v += 2)
        tile(layer, f, bias, o + v * LANES, w + v * 32, stride, x, y, 2, 2);
    for (; v < width; v++) {
        if (two)
            tile(layer, f, bias, o + v * LANES, w + v * 32, stride, x, y, 1, 2);
        else
            tile(layer, f, bias, o + v * LANES, w + v * 32, stride, x, y, 1, 1);
    }
}

/* Up to 3 bytes beyond n are written as well; the weights there are 0. */
static void split(const int8_t *x, uint32_t n, struct halves *ret)
{
    const __m256i flip = _mm256_set1_epi8(-128), nibble = _mm256_set1_epi8(15);
    uint32_t i = 0;
    for (; i + 32 <= n; i += 32) {
        __m256i v = _mm256_xor_si256(load(x + i), flip);
        __m256i low = _mm256_and_si256(v, nibble);
        __m256i high = _mm256_and_si256(_mm256_srli_epi16(v, 4), nibble);
        store(ret->low + i, low);
        store(ret->high + i, high);
    }
    for (; i < n; i++) {
        ret->high[i] = (uint8_t)((x[i] + 128) >> 4);
        ret->low[i] = (uint8_t)((x[i] + 128) & 15);
    }
    for (; i % 4; i++)
        ret->high[i] = ret->low[i] = 0;
}

static void run(const struct mw_dense_s8 *layer, enum mw_rounding rounding, const int8_t *x,
                int8_t *y, uint32_t n_windows)
{
    uint32_t n_vectors = n_vectors_of(layer), n_steps = n_steps_of(layer);
    const int32_t *bias = layer->packed;
    struct finish f = { .m = _mm256_set1_epi32(layer->multiplier[0]),
                        .shift = _mm256_set1_epi32(layer->shift[0]),
                        .least = _mm256_set1_epi32(layer->out_min - layer->out_zero),
                        .most = _mm256_set1_epi32(layer->out_max - layer->out_zero),
                        .zero = _mm256_set1_epi32(layer->out_zero),
                        .single = rounding == MW_ROUNDING_SINGLE,
                        .per_channel = layer->n_multipliers > 1 };
    struct halves in[2];
    for (uint32_t done = 0; done < n_windows;) {
        uint32_t n = n_windows - done >= 2 ? 2 : 1;
        for (uint32_t h = 0; h < n; h++)
            split(x + (size_t)(done + h) * layer->n_in, layer->n_in, &in[h]);
        const int8_t *w = (const int8_t *)(bias + (size_t)n_vectors * LANES);
        for (uint32_t first = 0; first < n_vectors; first += BLOCK) {
            uint32_t width = n_vectors - first < BLOCK ? n_vectors - first : BLOCK;
            block(layer, &f, bias, first * LANES, width, w, in, y + (size_t)done * layer->n_out,
                  n == 2);
            w += (size_t)width * 32 * n_steps;
        }
        done += n;
    }
}

const struct mw_dense_kernel mw_dense_avx2 = {
    .name = "avx2", .cpu = MW_CPU_AVX2, .packed_bytes = packed_bytes, .pack = pack, .run = run
};

#endif
