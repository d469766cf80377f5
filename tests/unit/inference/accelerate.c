/* SPDX-License-Identifier: Apache-2.0 */
/* Kernels given to a loaded model, and what happens without the memory for them. */
#include "inference/accelerate.h"
#include "base/result.h"
#include "config/host_cpu.h"
#include "inference/dense_kernel.h"
#include "support/suite.h"

#include <stdio.h>
#include <string.h>

#define MODEL MW_SOURCE_DIR "/tests/golden/tiny/per_channel.tflite"

static _Alignas(64) uint8_t bytes[8192], memory[4096], packed[8192];

static struct mw_model load(void)
{
    struct mw_model model;
    struct mw_model_fault why = { "" };
    FILE *file = fopen(MODEL, "rb");
    ck_assert_ptr_nonnull(file);
    size_t n = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    int result = mw_model_init(&model, bytes, n, MW_ROUNDING_DOUBLE, memory, sizeof memory, &why);
    ck_assert_msg(result == MW_OK, "%s", why.text);
    return model;
}

START_TEST(too_little_memory_is_refused_and_the_model_stays_as_it_was)
{
    struct mw_model model = load();
    uint32_t cpu = host_cpu();
    size_t n = mw_model_packed_bytes(&model, cpu);
    if (n > 0)
        ck_assert_int_eq(mw_model_accelerate(&model, cpu, packed, n - 1), MW_ERR_NO_MEMORY);
    for (uint32_t i = 0; i < model.n_layers; i++)
        ck_assert_ptr_null(mw_model_dense(&model, i)->kernel);
}
END_TEST

START_TEST(without_memory_only_kernels_that_need_none_are_taken)
{
    struct mw_model model = load();
    ck_assert_int_eq(mw_model_accelerate(&model, host_cpu(), NULL, 0), MW_OK);
    for (uint32_t i = 0; i < model.n_layers; i++) {
        const struct mw_dense_s8 *layer = mw_model_dense(&model, i);
        ck_assert_ptr_nonnull(layer->kernel);
        ck_assert(!layer->kernel->pack);
    }
}
END_TEST

START_TEST(a_processor_with_nothing_gets_the_reference_also_afterwards)
{
    struct mw_model model = load();
    ck_assert_uint_eq(mw_model_packed_bytes(&model, 0), 0);
    ck_assert_int_eq(mw_model_accelerate(&model, host_cpu(), packed, sizeof packed), MW_OK);
    ck_assert_int_eq(mw_model_accelerate(&model, 0, NULL, 0), MW_OK);
    for (uint32_t i = 0; i < model.n_layers; i++)
        ck_assert_ptr_eq(mw_model_dense(&model, i)->kernel, &mw_dense_reference);
}
END_TEST

START_TEST(the_bytes_stay_the_same)
{
    struct mw_model model = load();
    int8_t x[8] = { 1, -100, 50, 7, 127 }, plain[8] = { 0 }, fast[8] = { 0 };
    mw_model_run(&model, x, plain);
    ck_assert_int_eq(mw_model_accelerate(&model, host_cpu(), packed, sizeof packed), MW_OK);
    mw_model_run(&model, x, fast);
    ck_assert_mem_eq(fast, plain, sizeof plain);
}
END_TEST

MW_SUITE("inference/accelerate", too_little_memory_is_refused_and_the_model_stays_as_it_was,
         without_memory_only_kernels_that_need_none_are_taken,
         a_processor_with_nothing_gets_the_reference_also_afterwards, the_bytes_stay_the_same)
