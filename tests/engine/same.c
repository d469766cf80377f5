/* SPDX-License-Identifier: Apache-2.0 */
/* The engine's two files against the library they were made of, on any bytes. With everything in,
 * the same result, words, memory and outputs. With less in, nothing is accepted that the library
 * refuses, and what is accepted gives the library's bytes. Linked with tests/fuzz/replay_main.c, or
 * with libFuzzer. */
#include "base/result.h"
#include "config/host_cpu.h"
#include "engine/variant.h"
#include "inference/accelerate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_MACS 200000 /* layers can share one buffer; more would only be slow */

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static void must(int condition, const char *what)
{
    if (!condition) {
        fprintf(stderr, "not the same: %s\n", what);
        abort();
    }
}

/* Of the file's own bytes, so that inputs differ from file to file. */
static void fill(uint8_t *x, size_t n, const uint8_t *bytes, size_t n_bytes)
{
    for (size_t i = 0; i < n; i++)
        x[i] = (uint8_t)(bytes[(i * 31) % n_bytes] ^ (i * 167));
}

struct expected {
    struct mw_model model;
    uint8_t *x, *y[2]; /* by rounding */
};

static void *take(size_t n)
{
    void *p = malloc(n ? n : 1);
    must(p != NULL, "memory");
    return p;
}

static void run_library(struct expected *e, const uint8_t *bytes, size_t n, size_t n_memory)
{
    void *memory = take(n_memory);
    for (int rounding = 0; rounding < 2; rounding++) {
        must(mw_model_init(&e->model, bytes, n, (enum mw_rounding)rounding, memory, n_memory,
                           NULL) == MW_OK,
             "init");
        if (!e->x) {
            e->x = take(e->model.n_in_bytes);
            fill(e->x, e->model.n_in_bytes, bytes, n);
        }
        e->y[rounding] = take(e->model.n_out_bytes);
        if (e->model.n_macs <= MAX_MACS)
            mw_model_run(&e->model, e->x, e->y[rounding]);
    }
    free(memory);
}

static void compare(const struct variant *v, const struct expected *e, const uint8_t *bytes,
                    size_t n, size_t n_memory, uint32_t cpu)
{
    void *memory = take(n_memory);
    uint8_t *y = take(e->model.n_out_bytes);
    for (int rounding = 0; rounding < 2 && e->model.n_macs <= MAX_MACS; rounding++) {
        must(v->run(bytes, n, rounding, cpu, memory, n_memory, e->x, y) == MW_OK, v->name);
        must(memcmp(y, e->y[rounding], e->model.n_out_bytes) == 0, v->name);
    }
    free(memory);
    free(y);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    static const struct variant *const smaller[] = { &variant_dense, &variant_tiny };
    size_t n_memory = 0, n_own = 0;
    char text[sizeof(struct mw_model_fault)];
    struct mw_model_fault why = { "" };
    struct expected e = { .x = NULL };
    int result = mw_model_measure(bytes, n, &n_memory, &why);
    if (result == MW_OK)
        run_library(&e, bytes, n, n_memory);

    must(variant_full.measure(bytes, n, &n_own, text, sizeof text) == result, "result");
    must(result == MW_OK ? n_own == n_memory : strcmp(text, why.text) == 0, "memory or words");
    if (result == MW_OK) {
        compare(&variant_full, &e, bytes, n, n_memory, 0);
        compare(&variant_full, &e, bytes, n, n_memory, MW_CPU_ROWS);
        compare(&variant_full, &e, bytes, n, n_memory, host_cpu());
    }
    for (size_t i = 0; i < sizeof smaller / sizeof smaller[0]; i++) {
        int own = smaller[i]->measure(bytes, n, &n_own, text, sizeof text);
        must(own < 0 || result == MW_OK, "accepted by a smaller build");
        must(own == MW_OK || smaller[i] == &variant_tiny || text[0] != 0, "no words");
        if (own == MW_OK)
            compare(smaller[i], &e, bytes, n, n_own, 0);
    }
    free(e.x);
    free(e.y[0]);
    free(e.y[1]);
    return 0;
}
