/* SPDX-License-Identifier: Apache-2.0 */
/* A synthetic machine as a recorded table: a load that steps at random, four channels that follow
 * it, one slow temperature. Made from integers, so that its text is the same everywhere. */
#ifndef MW_TESTS_UNIT_TRAINING_TABLE_H
#define MW_TESTS_UNIT_TRAINING_TABLE_H

#include "training/csv.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#define TABLE_CHANNELS 5

static inline uint64_t table_random(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

/* Roughly normal, of standard deviation 1000: a sum of four uniforms. */
static inline int table_noise(uint64_t *state)
{
    int sum = 0;
    for (int i = 0; i < 4; i++)
        sum += (int)(table_random(state) % 3465) - 1732;
    return sum;
}

/* The text of n rows; the caller frees it. */
static inline char *table_text(int n, size_t *ret_n_bytes)
{
    static const int gain[TABLE_CHANNELS] = { 3, -2, 4, 1, 0 };
    size_t cap = 200 + (size_t)n * 120, at = 0;
    char *text = malloc(cap);
    uint64_t seed = 7;
    int load = 0, heat = 0;
    ck_assert_ptr_nonnull(text);
    at += (size_t)snprintf(text, cap, "datetime;flow;pressure;current;vibration;temperature\n");
    for (int row = 0; row < n; row++) {
        if (table_random(&seed) % 12 == 0)
            load = (int)(table_random(&seed) % 5) - 2;
        heat += table_noise(&seed) / 20 - heat / 200;
        at += (size_t)snprintf(text + at, cap - at, "2026-01-%02dT%02d:%02d:%02dZ", 1 + row / 86400,
                               row / 3600 % 24, row / 60 % 60, row % 60);
        for (int c = 0; c < TABLE_CHANNELS; c++) {
            int value = 50000 + 1000 * gain[c] * load + table_noise(&seed) + (c == 4 ? heat : 0);
            at += (size_t)snprintf(text + at, cap - at, ";%d.%03d", value / 1000, value % 1000);
        }
        at += (size_t)snprintf(text + at, cap - at, "\n");
    }
    *ret_n_bytes = at;
    return text;
}

static inline struct csv table_make(int n)
{
    struct csv table;
    struct csv_fault why;
    size_t n_bytes;
    char *text = table_text(n, &n_bytes);
    ck_assert_msg(csv_parse(&table, text, n_bytes, &why) == 0, "%s", why.text);
    free(text);
    return table;
}

#endif
