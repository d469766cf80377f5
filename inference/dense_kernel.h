/* SPDX-License-Identifier: Apache-2.0 */
/* The kernels of FULLY_CONNECTED int8, and which of them a processor can run. Called by
 * accelerate.c when a model is loaded; afterwards a layer is one call through a pointer. What the
 * processor has is the caller's word (the programs ask the operating system, firmware knows its
 * core); a wrong word ends in an illegal instruction. Every kernel gives the bytes of the reference
 * in dense_s8.h. docs/ENGINE-kernels.md shows how each works. */
#ifndef MW_INFERENCE_DENSE_KERNEL_H
#define MW_INFERENCE_DENSE_KERNEL_H

#include "inference/cpu.h"
#include "inference/model.h"
#include "inference/profile.h"

#include <stdbool.h>

struct mw_dense_kernel {
    const char *name; /* "avx2" */
    uint32_t cpu;     /* enum mw_cpu bits, all of them needed */

    /* Bytes of the packed form, a multiple of MW_DENSE_PACKED_ALIGN. NULL: the weights are used
     * where they lie and pack is NULL as well. */
    size_t (*packed_bytes)(const struct mw_dense_s8 *layer);

    /* Fills them. False where the layer is outside what the kernel computes exactly: another
     * kernel must be taken. */
    bool (*pack)(const struct mw_dense_s8 *layer, void *ret_packed);

    /* x int8 [n_windows][n_in] to y int8 [n_windows][n_out]; no overlap. */
    void (*run)(const struct mw_dense_s8 *layer, enum mw_rounding rounding, const int8_t *x,
                int8_t *y, uint32_t n_windows);
};

/* The i-th kernel of this target, the fastest first, the reference last; NULL beyond. */
const struct mw_dense_kernel *mw_dense_kernel_at(uint32_t i);

/* The fastest kernel for a processor. Never NULL. */
const struct mw_dense_kernel *mw_dense_kernel_best(uint32_t cpu);

/* Bytes that mw_dense_choose may want for a layer; 0 is possible. */
size_t mw_dense_packed_bytes(const struct mw_dense_s8 *layer, uint32_t cpu);

/* Sets layer->kernel and layer->packed: the fastest kernel within cpu and n_packed that takes the
 * layer. packed: aligned to 64, borrowed; may be NULL with n_packed 0. */
void mw_dense_choose(struct mw_dense_s8 *layer, uint32_t cpu, void *packed, size_t n_packed);

/* For kernels: bias[o] - zero * (sum of row o's weights), modulo 2^32, so that the inner loop
 * multiplies the stored bytes. */
int32_t mw_dense_folded_bias(const struct mw_dense_s8 *layer, uint32_t o, int32_t zero);

extern const struct mw_dense_kernel mw_dense_reference;
extern const struct mw_dense_kernel mw_dense_rows;
extern const struct mw_dense_kernel mw_dense_avx2;
extern const struct mw_dense_kernel mw_dense_vnni;
extern const struct mw_dense_kernel mw_dense_neon;
extern const struct mw_dense_kernel mw_dense_sdot;
extern const struct mw_dense_kernel mw_dense_neon32;
extern const struct mw_dense_kernel mw_dense_dsp;
extern const struct mw_dense_kernel mw_dense_dsp_packed;
extern const struct mw_dense_kernel mw_dense_mve;

/* The DSP kernel takes every layer and needs no memory: what stands behind it would only be flash.
 * It loads words from any address: not where the compiler was told to avoid that, as firmware is
 * that lets unaligned access trap (-mno-unaligned-access). */
#if defined(__arm__) && defined(__ARM_FEATURE_DSP) && !defined(__ARM_FEATURE_MVE) && \
    __ARM_ARCH_PROFILE == 'M' && defined(__ARM_FEATURE_UNALIGNED) && !defined(__ARM_BIG_ENDIAN)
#define MW_DENSE_HAS_DSP
#endif

/* What runs a layer for which nobody has chosen. */
#if !defined(MW_ENGINE_ONE_KERNEL)
#define MW_DENSE_DEFAULT mw_dense_reference
#elif defined(MW_DENSE_HAS_DSP)
#define MW_DENSE_DEFAULT mw_dense_dsp
#else
#define MW_DENSE_DEFAULT mw_dense_rows
#endif

static inline void mw_dense_run(const struct mw_dense_s8 *layer, enum mw_rounding rounding,
                                const int8_t *x, int8_t *y, uint32_t n_windows)
{
#ifdef MW_ENGINE_ONE_KERNEL
    MW_DENSE_DEFAULT.run(layer, rounding, x, y, n_windows);
#else
    const struct mw_dense_kernel *kernel = layer->kernel ? layer->kernel : &MW_DENSE_DEFAULT;
    kernel->run(layer, rounding, x, y, n_windows);
#endif
}

#endif
