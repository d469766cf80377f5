/* SPDX-License-Identifier: Apache-2.0 */
/* Single operators against vectors of TensorFlow Lite Micro's reference kernels (double rounding),
 * each row as a model of its own. */
#include "golden/shared.h"
#include "unit/inference/graphs.h"

#define MAX_FIELDS 2048
#define MAX_LINE   65536

static char line[MAX_LINE];
static double fields[MAX_FIELDS];
static int8_t x[MAX_FIELDS], y[MAX_FIELDS], expected[MAX_FIELDS];

/* The next row's numbers, hexadecimal floats among them; the first field of words is skipped. */
static uint32_t read_row(FILE *file, bool word, char ret_word[8])
{
    if (!fgets(line, sizeof line, file))
        return 0;
    char *at = line;
    if (word) {
        ck_assert_int_eq(sscanf(line, "%7[^,]", ret_word), 1);
        at = strchr(line, ',') + 1;
    }
    uint32_t n = 0;
    for (char *end; *at && *at != '\n'; at = *end ? end + 1 : end) {
        ck_assert_uint_lt(n, MAX_FIELDS);
        fields[n++] = strtod(at, &end);
        ck_assert_ptr_ne(at, end);
    }
    return n;
}

static FILE *open_vectors(const char *name)
{
    FILE *file = shared_open(name);
    ck_assert_msg(file != NULL, "%s is missing", name);
    ck_assert_ptr_nonnull(fgets(line, sizeof line, file));
    return file;
}

static void take(int8_t *to, uint32_t from, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        to[i] = (int8_t)fields[from + i];
}

static void expect(const struct trial *t, uint32_t n, const char *what, int row)
{
    struct tally tally = { 0 };
    run_trial(t, MW_ROUNDING_DOUBLE, x, y);
    compare(&tally, y, expected, n, what, row);
}

static void expect_curve(const char *name, uint8_t code, float scale, int32_t zero)
{
    const uint32_t dims[] = { 1, 256 };
    FILE *file = open_vectors(name);
    int n_rows = 0;
    for (int i = 0; i < 256; i++)
        x[i] = (int8_t)(i - 128);
    for (uint32_t n; (n = read_row(file, false, NULL)) > 0; n_rows++) {
        ck_assert_uint_eq(n, 258);
        struct trial t = { 0 };
        int32_t in = activation(&t, 2, dims, (float)fields[0], (int32_t)fields[1]);
        connect(&t, code, 1, &in, activation(&t, 2, dims, scale, zero), 0);
        take(expected, 2, 256);
        expect(&t, 256, name, n_rows);
    }
    ck_assert_int_eq(n_rows, 55);
    fclose(file);
}

START_TEST(logistic)
{
    expect_curve("golden/ops/logistic_lut.csv", 14, 0x1p-8f, -128);
}
END_TEST

START_TEST(tanh_)
{
    expect_curve("golden/ops/tanh_lut.csv", 28, 0x1p-7f, 0);
}
END_TEST

START_TEST(softmax)
{
    FILE *file = open_vectors("golden/ops/softmax.csv");
    int n_rows = 0;
    for (uint32_t n; (n = read_row(file, false, NULL)) > 0; n_rows++) {
        uint32_t dims[] = { 1, (uint32_t)fields[2] }, bits;
        ck_assert_uint_eq(n, 3 + 2 * dims[1]);
        float beta = (float)fields[1];
        memcpy(&bits, &beta, sizeof bits);
        struct trial t = { 0 };
        int32_t in = activation(&t, 2, dims, (float)fields[0], 7); /* its zero point is no matter */
        connect(&t, 25, 1, &in, activation(&t, 2, dims, 0x1p-8f, -128), 9);
        option(&t, 0, 4, bits);
        take(x, 3, dims[1]);
        take(expected, 3 + dims[1], dims[1]);
        expect(&t, dims[1], "softmax", n_rows);
    }
    ck_assert_int_gt(n_rows, 50);
    printf("%d rows of SOFTMAX\n", n_rows);
    fclose(file);
}
END_TEST

START_TEST(add_and_mul)
{
    FILE *file = open_vectors("golden/ops/add_mul.csv");
    static int8_t second[MAX_FIELDS];
    char word[8];
    int n_rows = 0;
    for (uint32_t n; (n = read_row(file, true, word)) > 0; n_rows++) {
        uint32_t dims[] = { 1, (uint32_t)fields[6] };
        ck_assert_uint_eq(n, 7 + 3 * dims[1]);
        bool add = strcmp(word, "ADD") == 0;
        struct trial t = { 0 };
        int32_t ins[2] = { activation(&t, 2, dims, (float)fields[0], (int32_t)fields[1]) };
        ins[1] = activation(&t, 2, dims, (float)fields[2], (int32_t)fields[3]);
        t.tensors[ins[1]].data = second;
        t.tensors[ins[1]].n_bytes = dims[1];
        connect(&t, add ? 0 : 18, 2, ins,
                activation(&t, 2, dims, (float)fields[4], (int32_t)fields[5]), add ? 11 : 21);
        take(x, 7, dims[1]);
        take(second, 7 + dims[1], dims[1]);
        take(expected, 7 + 2 * dims[1], dims[1]);
        expect(&t, dims[1], word, n_rows);
    }
    ck_assert_int_gt(n_rows, 100);
    printf("%d rows of ADD and MUL\n", n_rows);
    fclose(file);
}
END_TEST

START_TEST(mean)
{
    FILE *file = open_vectors("golden/ops/mean.csv");
    static const int32_t axes[] = { 1, 2 };
    int n_rows = 0;
    for (uint32_t n; (n = read_row(file, false, NULL)) > 0; n_rows++) {
        uint32_t dims[] = { 1, (uint32_t)fields[4], (uint32_t)fields[5], (uint32_t)fields[6] };
        uint32_t kept[] = { 1, dims[3] }, n_in = dims[1] * dims[2] * dims[3];
        ck_assert_uint_eq(n, 7 + n_in + dims[3]);
        struct trial t = { 0 };
        int32_t ins[2] = { activation(&t, 4, dims, (float)fields[0], (int32_t)fields[1]) };
        ins[1] = shape_constant(&t, axes, 2);
        connect(&t, 40, 2, ins, activation(&t, 2, kept, (float)fields[2], (int32_t)fields[3]), 27);
        take(x, 7, n_in);
        take(expected, 7 + n_in, dims[3]);
        expect(&t, dims[3], "mean", n_rows);
    }
    ck_assert_int_gt(n_rows, 20);
    printf("%d rows of MEAN\n", n_rows);
    fclose(file);
}
END_TEST

MW_SHARED_SUITE("golden/operators", "golden/ops/mean.csv", logistic, tanh_, softmax, add_and_mul,
                mean)
