/* SPDX-License-Identifier: Apache-2.0 */
/* The scalar arithmetic against vectors from TensorFlow Lite Micro's reference kernels. */
#include "inference/quant.h"
#include "golden/shared.h"

#include <stdlib.h>

static FILE *open_csv(const char *name)
{
    char header[256];
    FILE *file = shared_open(name);
    ck_assert_msg(file != NULL, "%s is missing", name);
    ck_assert_ptr_nonnull(fgets(header, sizeof header, file));
    return file;
}

START_TEST(real_multipliers_become_the_same_integers)
{
    FILE *file = open_csv("golden/ops/quantize_multiplier.csv");
    double real;
    int mantissa, shift, n = 0;
    for (; fscanf(file, "%la,%d,%d", &real, &mantissa, &shift) == 3; n++) {
        struct mw_multiplier m = mw_quantize_multiplier(real, MW_ROUNDING_DOUBLE);
        ck_assert_msg(m.mantissa == mantissa && m.shift == shift, "%a: %d, %d", real, m.mantissa,
                      m.shift);
    }
    ck_assert_int_eq(n, 513);
    fclose(file);
}
END_TEST

START_TEST(double_rounding_requantises_to_the_same_values)
{
    FILE *file = open_csv("golden/ops/mbqm_double_rounding.csv");
    int x, mantissa, shift, expected, n = 0;
    for (; fscanf(file, "%d,%d,%d,%d", &x, &mantissa, &shift, &expected) == 4; n++)
        ck_assert_int_eq(mw_requantize_double(x, mantissa, shift), expected);
    ck_assert_int_eq(n, 4014);
    fclose(file);
}
END_TEST

MW_SHARED_SUITE("golden/quant", "golden/ops/quantize_multiplier.csv",
                real_multipliers_become_the_same_integers,
                double_rounding_requantises_to_the_same_values)
