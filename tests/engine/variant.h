/* SPDX-License-Identifier: Apache-2.0 */
/* One build of millwright_engine.c among others in the same program. */
#ifndef MW_TESTS_ENGINE_VARIANT_H
#define MW_TESTS_ENGINE_VARIANT_H

#include <stddef.h>
#include <stdint.h>

struct variant {
    const char *name;
    /* As mw_model_measure; the words, if any, into text. */
    int (*measure)(const uint8_t *bytes, size_t n, size_t *ret_memory_bytes, char *text,
                   size_t text_bytes);
    /* Loads into exactly n_memory bytes, takes the kernels for cpu, runs once. */
    int (*run)(const uint8_t *bytes, size_t n, int rounding, uint32_t cpu, void *memory,
               size_t n_memory, const void *x, void *y);
};

extern const struct variant variant_full, variant_dense, variant_tiny;

#endif
