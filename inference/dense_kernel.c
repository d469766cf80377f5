/* SPDX-License-Identifier: Apache-2.0 */
#include "inference/dense_kernel.h"
#include "base/load.h"
#include "inference/dense_s8.h"

#include <assert.h>

#ifndef MW_ENGINE_ONE_KERNEL
static void run_reference(const struct mw_dense_s8 *layer, enum mw_rounding rounding,
                          const int8_t *x, int8_t *y, uint32_t n_windows)
{
    for (uint32_t w = 0; w < n_windows; w++)
        mw_dense_s8(layer, rounding, x + (size_t)w * layer->n_in, y + (size_t)w * layer->n_out);
}

const struct mw_dense_kernel mw_dense_reference = { .name = "reference", .run = run_reference };
#endif

/* A kernel is in the list where its file was compiled with its instructions: with the whole
 * engine's flags, or, MW_KERNEL_FLAGS, with flags of its own. */
#ifdef MW_KERNEL_FLAGS
#define FLAGS 1
#else
#define FLAGS 0
#endif

/* The fastest first. */
static const struct mw_dense_kernel *const kernels[] = {
#ifndef MW_ENGINE_ONE_KERNEL
#if defined(__x86_64__) && (FLAGS || defined(__AVX512VNNI__))
    &mw_dense_vnni,
#endif
#if defined(__x86_64__) && (FLAGS || defined(__AVX2__))
    &mw_dense_avx2,
#endif
#if defined(__aarch64__) && (FLAGS || defined(__ARM_FEATURE_DOTPROD))
    &mw_dense_sdot,
#endif
#if defined(__aarch64__)
    &mw_dense_neon,
#endif
#if defined(__arm__) && __ARM_ARCH_PROFILE == 'A' && defined(__OPTIMIZE__) && \
    (FLAGS || defined(__ARM_NEON))
    &mw_dense_neon32,
#endif
#if defined(__ARM_FEATURE_MVE)
    &mw_dense_mve,
#endif
#if defined(MW_DENSE_HAS_DSP)
#ifndef MW_ENGINE_DENSE_ONLY
    &mw_dense_dsp_packed,
#endif
    &mw_dense_dsp,
#else
    &mw_dense_rows,
#endif
#endif
    &MW_DENSE_DEFAULT,
};

#define N_KERNELS (sizeof kernels / sizeof kernels[0])

static bool has(const struct mw_dense_kernel *kernel, uint32_t cpu)
{
    return (kernel->cpu & ~cpu) == 0;
}

const struct mw_dense_kernel *mw_dense_kernel_at(uint32_t i)
{
    return i < N_KERNELS ? kernels[i] : NULL;
}

const struct mw_dense_kernel *mw_dense_kernel_best(uint32_t cpu)
{
    uint32_t i = 0;
    while (i + 1 < N_KERNELS && !has(kernels[i], cpu))
        i++; /* the last one runs everywhere */
    return kernels[i];
}

size_t mw_dense_packed_bytes(const struct mw_dense_s8 *layer, uint32_t cpu)
{
    size_t most = 0;
    for (uint32_t i = 0; i < N_KERNELS; i++) {
        size_t n =
            has(kernels[i], cpu) && kernels[i]->packed_bytes ? kernels[i]->packed_bytes(layer) : 0;
        most = n > most ? n : most;
    }
    return most;
}

static bool takes(const struct mw_dense_kernel *kernel, const struct mw_dense_s8 *layer,
                  void *packed, size_t n_packed)
{
    return !kernel->pack ||
           (packed && kernel->packed_bytes(layer) <= n_packed && kernel->pack(layer, packed));
}

void mw_dense_choose(struct mw_dense_s8 *layer, uint32_t cpu, void *packed, size_t n_packed)
{
    assert((uintptr_t)packed % MW_DENSE_PACKED_ALIGN == 0);
    uint32_t i = 0;
    while (i + 1 < N_KERNELS &&
           (!has(kernels[i], cpu) || !takes(kernels[i], layer, packed, n_packed)))
        i++; /* the last one takes all */
    layer->kernel = kernels[i];
    layer->packed = kernels[i]->pack ? packed : NULL;
}

int32_t mw_dense_folded_bias(const struct mw_dense_s8 *layer, uint32_t o, int32_t zero)
{
    const int8_t *row = layer->weights + (size_t)o * layer->n_in;
    int32_t sum = 0; /* at most 4096 * 128 */
    for (uint32_t i = 0; i < layer->n_in; i++)
        sum += row[i];
    uint32_t bias = layer->bias ? mw_load_u32le(layer->bias + 4 * (size_t)o) : 0;
    return (int32_t)(bias - (uint32_t)zero * (uint32_t)sum);
}
