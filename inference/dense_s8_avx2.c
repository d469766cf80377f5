/* SPDX-License-Identifier: Apache-2.0 */
/* FULLY_CONNECTED int8 with AVX2. VPMADDUBSW adds two products of unsigned by signed bytes, and
 * saturates where they pass 16 bits. The input is made unsigned by adding 128, which is folded
 * into the bias with the zero point; so two products stay within 255 * 128 < 2^15 where two
 * neighbouring weights have |a| + |b| <= 128. Trained weights nearly always do. A vector that has
 * a pair which does not is packed halved, and what is missing is a second vector, an "extra": such
 * a layer is slower by its share of extras, and exact. Lane l of a vector is output o + l.
 *
 * Packed: int32 folded bias [n_out up to 8s]; blocks of up to 64 outputs: for each four inputs
 * (a step) the block's vectors one after the other; the extras in the order of their blocks, and
 * an end mark. */
#include "inference/dense_kernel.h"

#if defined(__AVX2__)

#include "inference/dense_finish.h"

#include <immintrin.h>

#define LANES 8 /* outputs of a vector */
#define BLOCK 8 /* vectors of a block */
#define BYTES 32

/* What is missing of the weights of a vector at a step. */
struct extra {
    uint16_t vector, step;
    int8_t rest[BYTES];
};

#define NO_VECTOR UINT16_MAX
_Static_assert(MW_MODEL_MAX_WIDTH / LANES < NO_VECTOR && MW_MODEL_MAX_WIDTH / 4 < UINT16_MAX, "");

static uint32_t n_vectors_of(const struct mw_dense_s8 *layer)
{
    return (layer->n_out + LANES - 1) / LANES;
}

static uint32_t n_steps_of(const struct mw_dense_s8 *layer)
{
    return (layer->n_in + 3) / 4;
}

static int32_t weight_at(const struct mw_dense_s8 *layer, uint32_t o, uint32_t i)
{
    return o < layer->n_out && i < layer->n_in ? layer->weights[(size_t)o * layer->n_in + i] : 0;
}

/* Whether the products of vector v with inputs 4 * step .. 4 * step + 3 could saturate. */
static bool is_wide(const struct mw_dense_s8 *layer, uint32_t v, uint32_t step)
{
    for (uint32_t o = v * LANES; o < (v + 1) * LANES; o++)
        for (uint32_t i = 4 * step; i < 4 * step + 4; i += 2) {
            int32_t a = weight_at(layer, o, i), b = weight_at(layer, o, i + 1);
            if ((a < 0 ? -a : a) + (b < 0 ? -b : b) > 128)
                return true;
        }
    return false;
}

static size_t packed_bytes(const struct mw_dense_s8 *layer)
{
    uint32_t n_vectors = n_vectors_of(layer), n_steps = n_steps_of(layer);
    size_t n_extras = 0;
    for (uint32_t v = 0; v < n_vectors; v++)
        for (uint32_t s = 0; s < n_steps; s++)
            n_extras += is_wide(layer, v, s);
    size_t n = (size_t)n_vectors * (n_steps + 1) * BYTES + (n_extras + 1) * sizeof(struct extra);
    return (n + 63) & ~(size_t)63;
}

/* Where the weights and the extras begin, in bytes. */
static size_t weights_at(const struct mw_dense_s8 *layer)
{
    return (size_t)n_vectors_of(layer) * BYTES;
}

static size_t extras_at(const struct mw_dense_s8 *layer)
{
    return weights_at(layer) * (n_steps_of(layer) + 1);
}

/* Half of a weight, towards zero: two of them are at most 128, and so are the two rests. */
static void pack_vector(const struct mw_dense_s8 *layer, uint32_t v, uint32_t step, bool halved,
                        int8_t *ret_weights, int8_t *ret_rest)
{
    for (uint32_t k = 0; k < BYTES; k++) {
        int32_t w = weight_at(layer, v * LANES + k / 4, 4 * step + k % 4);
        ret_weights[k] = (int8_t)(halved ? w / 2 : w);
        if (halved)
            ret_rest[k] = (int8_t)(w - w / 2);
    }
}

static uint32_t width_at(uint32_t n_vectors, uint32_t first)
{
    return n_vectors - first < BLOCK ? n_vectors - first : BLOCK;
}

static void pack_block(const struct mw_dense_s8 *layer, uint32_t first, int8_t **weights,
                       struct extra **extra)
{
    uint32_t end = first + width_at(n_vectors_of(layer), first);
    for (uint32_t s = 0; s < n_steps_of(layer); s++)
        for (uint32_t v = first; v < end; v++, *weights += BYTES) {
            bool halved = is_wide(layer, v, s);
            pack_vector(layer, v, s, halved, *weights, (*extra)->rest);
            (*extra)->vector = (uint16_t)v;
            (*extra)->step = (uint16_t)s;
            *extra += halved;
        }
}

static bool pack(const struct mw_dense_s8 *layer, void *ret_packed)
{
    uint8_t *to = ret_packed;
    int32_t *bias = ret_packed;
    uint32_t n_vectors = n_vectors_of(layer);
    for (uint32_t o = 0; o < n_vectors * LANES; o++)
        bias[o] = o < layer->n_out ? mw_dense_folded_bias(layer, o, layer->in_zero + 128) : 0;

    int8_t *weights = (int8_t *)to + weights_at(layer);
    struct extra *extra = (struct extra *)(void *)(to + extras_at(layer));
    for (uint32_t first = 0; first < n_vectors; first += BLOCK)
        pack_block(layer, first, &weights, &extra);
    extra->vector = NO_VECTOR;
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
    __m256i m, shift;
    __m256i half, total, top; /* of round_once, where one multiplier serves all outputs */
    __m256i least, most, zero;
    bool single, per_channel;
};

static struct finish finish_of(const struct mw_dense_s8 *layer, enum mw_rounding rounding)
{
    int32_t total = 31 - layer->shift[0];
    uint64_t top = UINT64_C(1) << 63, half = UINT64_C(1) << (total - 1);
    return (struct finish){ .m = _mm256_set1_epi32(layer->multiplier[0]),
                            .shift = _mm256_set1_epi32(layer->shift[0]),
                            .half = _mm256_set1_epi64x((int64_t)(half ^ top)),
                            .total = _mm256_set1_epi64x(total),
                            .top = _mm256_set1_epi32((int32_t)(uint32_t)(top >> total)),
                            .least = _mm256_set1_epi8((char)layer->out_min),
                            .most = _mm256_set1_epi8((char)layer->out_max),
                            .zero = _mm256_set1_epi16((short)layer->out_zero),
                            .single = rounding == MW_ROUNDING_SINGLE,
                            .per_channel = layer->n_multipliers > 1 };
}

/* requantize_single with one multiplier: what is too much is taken off the lower halves. */
static inline __m256i requantize_shared(const struct finish *f, __m256i acc)
{
    __m256i even = _mm256_add_epi64(_mm256_mul_epi32(acc, f->m), f->half);
    __m256i odd = _mm256_add_epi64(_mm256_mul_epi32(_mm256_srli_epi64(acc, 32), f->m), f->half);
    odd = _mm256_slli_epi64(_mm256_srlv_epi64(odd, f->total), 32);
    __m256i both = _mm256_blend_epi32(_mm256_srlv_epi64(even, f->total), odd, 0xaa);
    return _mm256_sub_epi32(both, f->top);
}

static inline __m256i requantize(const struct mw_dense_s8 *layer, const struct finish *f,
                                 uint32_t o, __m256i acc)
{
    if (f->single && !f->per_channel)
        return requantize_shared(f, acc);
    __m256i m = f->m, shift = f->shift;
    if (f->per_channel) {
        m = load(layer->multiplier + o);
        shift = _mm256_cvtepi8_epi32(_mm_loadu_si64(layer->shift + o));
    }
    return f->single ? requantize_single(acc, m, shift) : requantize_double(acc, m, shift);
}

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

/* Two vectors to sixteen words, in the order 0..3, 8..11, 4..7, 12..15. Saturated to 16 bits
 * before and after the zero point, and to 8 bits later: the clamp that follows sees no difference.
 */
static inline __m256i to_words(const struct finish *f, __m256i a, __m256i b)
{
    return _mm256_adds_epi16(_mm256_packs_epi32(a, b), f->zero);
}

static inline __m256i clamp(const struct finish *f, __m256i v)
{
    return _mm256_min_epi8(_mm256_max_epi8(v, f->least), f->most);
}

/* Outputs o .. o + 7. */
static inline void put(const struct mw_dense_s8 *layer, const struct finish *f, uint32_t o,
                       __m256i acc, int8_t *y)
{
    if (layer->n_out - o < LANES) {
        put_rest(layer, f, o, acc, y);
        return;
    }
    __m256i v = requantize(layer, f, o, acc);
    __m256i words = to_words(f, v, v);
    __m256i bytes = clamp(f, _mm256_packs_epi16(words, words));
    __m128i high = _mm256_extracti128_si256(bytes, 1);
    _mm_storeu_si64(y + o, _mm_unpacklo_epi32(_mm256_castsi256_si128(bytes), high));
}

/* Outputs o .. o + 31. */
static inline void put4(const struct mw_dense_s8 *layer, const struct finish *f, uint32_t o,
                        const __m256i acc[4], int8_t *y)
{
    __m256i a = to_words(f, requantize(layer, f, o, acc[0]), requantize(layer, f, o + 8, acc[1]));
    __m256i b =
        to_words(f, requantize(layer, f, o + 16, acc[2]), requantize(layer, f, o + 24, acc[3]));
    __m256i bytes = clamp(f, _mm256_packs_epi16(a, b));
    const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    store(y + o, _mm256_permutevar8x32_epi32(bytes, order));
}

/* All vectors of a tile. */
static inline __attribute__((always_inline)) void put_all(const struct mw_dense_s8 *layer,
                                                          const struct finish *f, uint32_t o,
                                                          const __m256i *acc, int8_t *y,
                                                          const uint32_t n)
{
    if (n % 4 || layer->n_out - o < n * LANES)
        MW_EACH (v, n)
            put(layer, f, o + v * LANES, acc[v], y);
    else
        MW_EACH (v, n / 4)
            put4(layer, f, o + v * 4 * LANES, acc + v * 4, y);
}

static inline int32_t load4(const uint8_t *x)
{
    int32_t four;
    __builtin_memcpy(&four, x, 4);
    return four;
}

/* The inputs of one window plus 128. */
struct inputs {
    uint8_t x[MW_MODEL_MAX_WIDTH + BYTES];
};

/* Four products of each lane, added to acc. */
static inline __m256i add_products(__m256i acc, __m256i x, const int8_t *w)
{
    __m256i pairs = _mm256_maddubs_epi16(x, load(w));
    return _mm256_add_epi32(acc, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}

static inline __m256i input(const struct inputs *in, uint32_t step)
{
    return _mm256_set1_epi32(load4(in->x + 4 * (size_t)step));
}

/* Of the loop over the steps: its own instructions are then hidden behind the sums. */
#if defined(__clang__)
#define FOUR_AT_ONCE _Pragma("clang loop unroll_count(4)")
#elif defined(__GNUC__)
#define FOUR_AT_ONCE _Pragma("GCC unroll 4")
#endif

/* One tile: n_wide vectors of outputs for n_high windows, both known when this is compiled.
 * sums: [n_high][BLOCK] what the outputs begin with, at the tile's first vector; w: the tile's
 * first vector; stride: bytes from step to step. */
static inline __attribute__((always_inline)) void tile(const struct mw_dense_s8 *layer,
                                                       const struct finish *f, const __m256i *sums,
                                                       uint32_t o, const int8_t *w, size_t stride,
                                                       const struct inputs *in, int8_t *y,
                                                       const uint32_t n_wide, const uint32_t n_high)
{
    __m256i acc[BLOCK];
    MW_EACH (h, n_high)
        MW_EACH (v, n_wide)
            acc[h * n_wide + v] = sums[h * BLOCK + v];
    uint32_t n_steps = n_steps_of(layer);
    FOUR_AT_ONCE for (uint32_t s = 0; s < n_steps; s++, w += stride) MW_EACH (h, n_high)
    {
        __m256i x = input(&in[h], s);
        MW_EACH (v, n_wide)
            acc[h * n_wide + v] = add_products(acc[h * n_wide + v], x, w + v * BYTES);
    }
    MW_EACH (h, n_high)
        put_all(layer, f, o, acc + h * n_wide, y + (size_t)h * layer->n_out, n_wide);
}

/* The bias of a block and the products of its extras: ret_sums [n_high][BLOCK]. */
static void begin(const int32_t *bias, uint32_t first, uint32_t width, const struct inputs *in,
                  uint32_t n_high, const struct extra **extra, __m256i *ret_sums)
{
    for (uint32_t h = 0; h < n_high; h++)
        for (uint32_t v = 0; v < width; v++)
            ret_sums[h * BLOCK + v] = load(bias + (size_t)(first + v) * LANES);
    for (; (*extra)->vector < first + width; (*extra)++)
        for (uint32_t h = 0; h < n_high; h++) {
            __m256i *sum = &ret_sums[h * BLOCK + (*extra)->vector - first];
            *sum = add_products(*sum, input(&in[h], (*extra)->step), (*extra)->rest);
        }
}

/* One block of at most BLOCK vectors for one window or two. */
static __attribute__((noinline)) void block(const struct mw_dense_s8 *layer, const struct finish *f,
                                            const __m256i *sums, uint32_t first, uint32_t width,
                                            const int8_t *w, const struct inputs *in, int8_t *y,
                                            bool two)
{
    size_t stride = (size_t)width * BYTES;
    uint32_t o = first * LANES, v = 0;
    if (!two && width == BLOCK) {
        tile(layer, f, sums, o, w, stride, in, y, BLOCK, 1);
        return;
    }
    for (; two && v + 4 <= width; v += 4)
        tile(layer, f, sums + v, o + v * LANES, w + v * BYTES, stride, in, y, 4, 2);
    for (; v < width; v++) {
        if (two)
            tile(layer, f, sums + v, o + v * LANES, w + v * BYTES, stride, in, y, 1, 2);
        else
            tile(layer, f, sums + v, o + v * LANES, w + v * BYTES, stride, in, y, 1, 1);
    }
}

/* Up to 3 bytes beyond n are written as well; the weights there are 0. */
static void make_unsigned(const int8_t *x, uint32_t n, struct inputs *ret)
{
    const __m256i flip = _mm256_set1_epi8(-128);
    uint32_t i = 0;
    for (; i + BYTES <= n; i += BYTES)
        store(ret->x + i, _mm256_xor_si256(load(x + i), flip));
    for (; i < n; i++)
        ret->x[i] = (uint8_t)(x[i] + 128);
    for (; i % 4; i++)
        ret->x[i] = 0;
}

/* All outputs of one window or two. */
static void run_windows(const struct mw_dense_s8 *layer, const struct finish *f,
                        const struct inputs *in, int8_t *y, uint32_t n_high)
{
    uint32_t n_vectors = n_vectors_of(layer);
    const uint8_t *packed = layer->packed;
    const int8_t *w = (const int8_t *)packed + weights_at(layer);
    const struct extra *extra = (const void *)(packed + extras_at(layer));
    for (uint32_t first = 0; first < n_vectors; first += BLOCK) {
        uint32_t width = width_at(n_vectors, first);
        __m256i sums[2 * BLOCK];
        begin(layer->packed, first, width, in, n_high, &extra, sums);
        block(layer, f, sums, first, width, w, in, y, n_high == 2);
        w += (size_t)width * BYTES * n_steps_of(layer);
    }
}

static void run(const struct mw_dense_s8 *layer, enum mw_rounding rounding, const int8_t *x,
                int8_t *y, uint32_t n_windows)
{
    struct finish f = finish_of(layer, rounding);
    struct inputs in[2];
    for (uint32_t done = 0; done < n_windows;) {
        uint32_t n = n_windows - done >= 2 ? 2 : 1;
        for (uint32_t h = 0; h < n; h++)
            make_unsigned(x + (size_t)(done + h) * layer->n_in, layer->n_in, &in[h]);
        run_windows(layer, &f, in, y + (size_t)done * layer->n_out, n);
        done += n;
    }
}

const struct mw_dense_kernel mw_dense_avx2 = {
    .name = "avx2", .cpu = MW_CPU_AVX2, .packed_bytes = packed_bytes, .pack = pack, .run = run
};

#endif
