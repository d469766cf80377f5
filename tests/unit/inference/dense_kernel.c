/* SPDX-License-Identifier: Apache-2.0 */
/* Which kernel a layer gets. That the kernels compute alike is tests/kernels/equality.c. */
#include "inference/dense_kernel.h"
#include "base/result.h"
#include "config/host_cpu.h"
#include "support/suite.h"

#include <string.h>

#define N_IN  24
#define N_OUT 5

static const int8_t weights[N_IN * N_OUT] = { 1, -2, 3 };
static const int32_t multiplier = 1 << 30;
static const int8_t shift = -5;
static _Alignas(64) uint8_t packed[8192];

static struct mw_dense_s8 make_layer(void)
{
    return (struct mw_dense_s8){ .n_in = N_IN,
                                 .n_out = N_OUT,
                                 .weights = weights,
                                 .multiplier = &multiplier,
                                 .shift = &shift,
                                 .n_multipliers = 1,
                                 .out_min = -128,
                                 .out_max = 127 };
}

START_TEST(the_list_ends_with_the_reference_which_needs_nothing)
{
    const struct mw_dense_kernel *kernel = NULL, *last = NULL;
    for (uint32_t i = 0; (kernel = mw_dense_kernel_at(i)); i++)
        last = kernel;
    ck_assert_ptr_eq(last, &mw_dense_reference);
    ck_assert_uint_eq(last->cpu, 0);
    ck_assert(!last->pack);
    ck_assert_ptr_eq(mw_dense_kernel_best(0), &mw_dense_reference);
}
END_TEST

START_TEST(each_kernel_is_the_best_of_a_processor_with_its_bits_alone)
{
    const struct mw_dense_kernel *kernel;
    for (uint32_t i = 0; (kernel = mw_dense_kernel_at(i)); i++)
        ck_assert_str_eq(mw_dense_kernel_best(kernel->cpu)->name, kernel->name);
}
END_TEST

START_TEST(without_packed_weights_a_kernel_that_needs_none_is_taken)
{
    struct mw_dense_s8 layer = make_layer();
    mw_dense_choose(&layer, UINT32_MAX, NULL, 0);
    ck_assert_ptr_nonnull(layer.kernel);
    ck_assert(!layer.kernel->pack);
    ck_assert_ptr_null(layer.packed);
}
END_TEST

START_TEST(too_few_bytes_are_not_written)
{
    struct mw_dense_s8 layer = make_layer();
    memset(packed, 0x5a, sizeof packed);
    mw_dense_choose(&layer, UINT32_MAX, packed, 63);
    ck_assert(!layer.kernel->pack);
    for (size_t i = 0; i < sizeof packed; i++)
        ck_assert_uint_eq(packed[i], 0x5a);
}
END_TEST

START_TEST(packed_bytes_are_what_the_best_kernel_wants)
{
    struct mw_dense_s8 layer = make_layer();
    uint32_t cpu = host_cpu();
    size_t n = mw_dense_packed_bytes(&layer, cpu);
    ck_assert_uint_le(n, sizeof packed);
    ck_assert_uint_eq(n % MW_DENSE_PACKED_ALIGN, 0);
    mw_dense_choose(&layer, cpu, packed, n);
    ck_assert_str_eq(layer.kernel->name, mw_dense_kernel_best(cpu)->name);
    ck_assert_uint_eq(mw_dense_packed_bytes(&layer, 0), 0);
}
END_TEST

START_TEST(a_layer_without_a_kernel_runs_the_reference)
{
    struct mw_dense_s8 layer = make_layer(), chosen = make_layer();
    int8_t x[2 * N_IN] = { 100, 20, -3, 4 }, plain[2 * N_OUT], fast[2 * N_OUT];
    uint32_t cpu = host_cpu();
    mw_dense_choose(&chosen, cpu, packed, mw_dense_packed_bytes(&chosen, cpu));
    mw_dense_run(&layer, MW_ROUNDING_DOUBLE, x, plain, 2);
    mw_dense_run(&chosen, MW_ROUNDING_DOUBLE, x, fast, 2);
    ck_assert_mem_eq(plain, fast, sizeof plain);
}
END_TEST

MW_SUITE("inference/dense_kernel", the_list_ends_with_the_reference_which_needs_nothing,
         each_kernel_is_the_best_of_a_processor_with_its_bits_alone,
         without_packed_weights_a_kernel_that_needs_none_is_taken, too_few_bytes_are_not_written,
         packed_bytes_are_what_the_best_kernel_wants, a_layer_without_a_kernel_runs_the_reference)
