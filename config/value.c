/* SPDX-License-Identifier: Apache-2.0 */
#include "config/value.h"

#include "base/sample.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MAX_DURATION_US INT64_C(3155760000000000) /* 100 years of 365.25 days */
#define MAX_SIZE_BYTES  (INT64_C(1) << 60)
#define MAX_COMPARED    32

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static int hex_digit(char c)
{
    if (is_digit(c))
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* Digits of base 10 or 16 up to the first other character; false on overflow or none. */
static bool take_digits(const char **at, unsigned base, uint64_t *ret_value)
{
    uint64_t value = 0;
    const char *p = *at;
    for (int digit; (digit = hex_digit(*p)) >= 0 && (unsigned)digit < base; p++) {
        if (value > (UINT64_MAX - (unsigned)digit) / base)
            return false;
        value = value * base + (unsigned)digit;
    }
    if (p == *at)
        return false;
    *at = p;
    *ret_value = value;
    return true;
}

static bool leading_zero(const char *text)
{
    return text[0] == '0' && is_digit(text[1]);
}

const char *value_whole(const char *text, uint64_t *ret_value)
{
    if (leading_zero(text))
        return "has a leading zero: octal or decimal? Write it without";
    bool hex = text[0] == '0' && text[1] == 'x';
    const char *p = hex ? text + 2 : text;
    uint64_t value;
    if (!take_digits(&p, hex ? 16 : 10, &value) || *p)
        return "is not a whole number such as 12 or 0x0c";
    *ret_value = value;
    return NULL;
}

/* [-]digits[.digits][e[+-]digits] from the start of the text; NULL where it does not match. */
static const char *number_end(const char *p)
{
    p += *p == '-';
    if (!is_digit(*p) || leading_zero(p))
        return NULL;
    while (is_digit(*p))
        p++;
    if (*p == '.') {
        if (!is_digit(*++p))
            return NULL;
        while (is_digit(*p))
            p++;
    }
    if (*p == 'e' || *p == 'E') {
        p++;
        p += *p == '-' || *p == '+';
        if (!is_digit(*p))
            return NULL;
        while (is_digit(*p))
            p++;
    }
    return p;
}

const char *value_number(const char *text, double *ret_value)
{
    const char *end = number_end(text);
    if (!end || *end)
        return "is not a number such as 3, -0.5 or 1e-4";
    double value = strtod(text, NULL);
    if (!isfinite(value))
        return "is too large for a number";
    *ret_value = value;
    return NULL;
}

const char *value_truth(const char *text, bool *ret_value)
{
    bool yes = strcmp(text, "true") == 0;
    if (!yes && strcmp(text, "false") != 0)
        return "is neither true nor false";
    *ret_value = yes;
    return NULL;
}

struct scale {
    const char *unit;
    int64_t factor;
};

static const struct scale DURATIONS[] = {
    { "us", 1 },
    { "ms", 1000 },
    { "s", 1000000 },
    { "min", 60 * INT64_C(1000000) },
    { "h", 3600 * INT64_C(1000000) },
    { "d", 86400 * INT64_C(1000000) },
};

static const struct scale SIZES[] = {
    { "B", 1 },
    { "KiB", INT64_C(1) << 10 },
    { "MiB", INT64_C(1) << 20 },
    { "GiB", INT64_C(1) << 30 },
};

/* 1: fine; 0: no unit of the list; -1: too big or no number. */
static int take_scaled(const char *text, const struct scale *scales, size_t n_scales, int64_t max,
                       int64_t *ret_value)
{
    uint64_t number;
    const char *p = text;
    if (leading_zero(text) || !take_digits(&p, 10, &number))
        return -1;
    for (size_t i = 0; i < n_scales; i++) {
        if (strcmp(p, scales[i].unit) != 0)
            continue;
        if (number > (uint64_t)(max / scales[i].factor))
            return -1;
        *ret_value = (int64_t)number * scales[i].factor;
        return 1;
    }
    return 0;
}

const char *value_duration(const char *text, int64_t *ret_us)
{
    int took = take_scaled(text, DURATIONS, sizeof DURATIONS / sizeof DURATIONS[0], MAX_DURATION_US,
                           ret_us);
    if (took > 0)
        return NULL;
    uint64_t bare;
    if (value_whole(text, &bare) == NULL)
        return "has no unit: write 250ms, 5s, 10min, 1h or 7d";
    return "is not a duration: a whole number and us, ms, s, min, h or d, without a space";
}

const char *value_size(const char *text, int64_t *ret_bytes)
{
    int took = take_scaled(text, SIZES, sizeof SIZES / sizeof SIZES[0], MAX_SIZE_BYTES, ret_bytes);
    if (took > 0)
        return NULL;
    uint64_t bare;
    if (value_whole(text, &bare) == NULL)
        return "has no unit: write 512B, 64KiB, 64MiB or 1GiB";
    return "is not a size: a whole number and B, KiB, MiB or GiB, without a space";
}

const char *value_rate(const char *text, double *ret_per_min)
{
    static const char *const rule = "is not a rate: a number and /s, /min or /h, without a space";
    const char *end = number_end(text);
    if (!end)
        return rule;
    double value = strtod(text, NULL);
    if (!isfinite(value))
        return "is too large for a rate";
    if (strcmp(end, "/min") == 0)
        *ret_per_min = value;
    else if (strcmp(end, "/s") == 0)
        *ret_per_min = value * 60;
    else if (strcmp(end, "/h") == 0)
        *ret_per_min = value / 60;
    else
        return *end ? rule : "has no unit: write 5/min, 0.1/s or 30/h";
    return NULL;
}

static bool is_name_character(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '_';
}

const char *value_name(const char *text)
{
    if (text[0] == '\0')
        return "is empty";
    if (strlen(text) > MW_NAME_MAX)
        return "is longer than 32 characters";
    for (const char *p = text; *p; p++)
        if (!is_name_character(*p))
            return "may hold letters, digits, '-' and '_' only";
    if (text[0] == '-' || text[0] == '_')
        return "must begin with a letter or digit";
    return NULL;
}

bool value_choose(const char *text, const struct value_word *words, size_t n_words, int *ret_value)
{
    for (size_t i = 0; i < n_words; i++) {
        if (strcmp(text, words[i].word) != 0)
            continue;
        *ret_value = words[i].value;
        return true;
    }
    return false;
}

static unsigned smaller(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

unsigned value_distance(const char *a, const char *b, unsigned cap)
{
    size_t n_a = strlen(a), n_b = strlen(b);
    if (n_a > MAX_COMPARED || n_b > MAX_COMPARED)
        return cap;
    /* rows[r % 3]: of the first r characters of a to the first j of b */
    unsigned rows[3][MAX_COMPARED + 1];
    for (size_t j = 0; j <= n_b; j++)
        rows[0][j] = (unsigned)j;
    for (size_t i = 1; i <= n_a; i++) {
        unsigned *now = rows[i % 3];
        const unsigned *before = rows[(i - 1) % 3];
        now[0] = (unsigned)i;
        for (size_t j = 1; j <= n_b; j++) {
            unsigned replaced = before[j - 1] + (a[i - 1] != b[j - 1]);
            now[j] = smaller(replaced, smaller(before[j], now[j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                now[j] = smaller(now[j], rows[(i - 2) % 3][j - 2] + 1);
        }
    }
    return smaller(rows[n_a % 3][n_b], cap);
}

bool value_resembles(const char *a, const char *b, unsigned *ret_distance)
{
    size_t n = strlen(a);
    if (n >= 3 && n < strlen(b) && strlen(b) - n <= 3 && strncmp(a, b, n) == 0) {
        *ret_distance = 2;
        return true;
    }
    unsigned most = n < 3 ? 0 : n < 6 ? 1 : 2;
    unsigned distance = value_distance(a, b, most + 1);
    if (distance > most)
        return false;
    *ret_distance = distance;
    return true;
}
