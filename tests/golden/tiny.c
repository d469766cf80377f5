/* SPDX-License-Identifier: Apache-2.0 */
/* The tiny models of make_tiny.py: byte for byte what its exact fractions give. */
#include "base/result.h"
#include "inference/model.h"
#include "support/suite.h"

#include <stdio.h>
#include <string.h>

#define CAP 8192

static size_t load(const char *name, const char *suffix, uint8_t bytes[CAP])
{
    char path[1024];
    snprintf(path, sizeof path, "%s/tests/golden/tiny/%s.%s", MW_SOURCE_DIR, name, suffix);
    FILE *file = fopen(path, "rb");
    ck_assert_msg(file != NULL, "%s is missing", path);
    size_t n = fread(bytes, 1, CAP, file);
    ck_assert_uint_lt(n, CAP);
    fclose(file);
    return n;
}

static void expect(const char *name, enum mw_rounding rounding, const char *suffix)
{
    static uint8_t file[CAP], in[CAP], expected[CAP];
    static uint64_t memory[512];
    size_t n_file = load(name, "tflite", file), n_in = load(name, "in.s8", in);
    size_t n_expected = load(name, suffix, expected);
    struct mw_model model;
    struct mw_model_fault why = { "" };
    ck_assert_msg(mw_model_init(&model, file, n_file, rounding, memory, sizeof memory, &why) ==
                      MW_OK,
                  "%s: %s", name, why.text);
    size_t n_rows = n_in / model.n_in;
    ck_assert_uint_eq(n_rows, 24);
    ck_assert_uint_eq(n_rows * model.n_out, n_expected);
    for (size_t r = 0; r < n_rows; r++) {
        int8_t y[16];
        mw_model_run(&model, (const int8_t *)in + r * model.n_in, y);
        ck_assert_mem_eq(y, expected + r * model.n_out, model.n_out);
    }
}

START_TEST(tiny_models_give_the_bytes_of_the_fractions)
{
    static const char *const names[] = { "per_tensor", "per_channel", "relu6_no_bias",
                                         "one_layer" };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        expect(names[i], MW_ROUNDING_DOUBLE, "double.s8");
        expect(names[i], MW_ROUNDING_SINGLE, "single.s8");
    }
}
END_TEST

START_TEST(an_operator_that_is_not_supported_is_named)
{
    static uint8_t file[CAP];
    size_t n_memory, n_file = load("refused_exp", "tflite", file);
    struct mw_model_fault why = { "" };
    ck_assert_int_eq(mw_model_measure(file, n_file, &n_memory, &why), MW_ERR_UNSUPPORTED);
    ck_assert_str_eq(why.text, "operator 0: EXP is not supported");
}
END_TEST

MW_SUITE("golden/tiny", tiny_models_give_the_bytes_of_the_fractions,
         an_operator_that_is_not_supported_is_named)
