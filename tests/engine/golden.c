/* SPDX-License-Identifier: Apache-2.0 */
/* Golden files through each build of millwright_engine.c: their bytes, and that the smallest build
 * runs what it is for.
 *
 *   golden VARIANT MODEL ROUNDING INPUT OUTPUT N_IN N_OUT */
#include "config/host_cpu.h"
#include "engine/variant.h"
#include "millwright_engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint8_t *load(const char *path, size_t *ret_n)
{
    FILE *file = fopen(path, "rb");
    uint8_t *bytes = malloc(MW_MODEL_MAX_BYTES);
    if (!file || !bytes) {
        fprintf(stderr, "%s cannot be read\n", path);
        exit(1);
    }
    *ret_n = fread(bytes, 1, MW_MODEL_MAX_BYTES, file);
    fclose(file);
    return bytes;
}

/* Sizes of one window, from the file pair: the model itself says them only within a variant. */
static int compare(const struct variant *v, char **argv, size_t n_in, size_t n_out)
{
    size_t n_model, n_inputs, n_outputs, n_memory = 0, n_wrong = 0;
    uint8_t *model = load(argv[2], &n_model), *in = load(argv[4], &n_inputs);
    uint8_t *out = load(argv[5], &n_outputs), *y = malloc(n_out);
    int rounding = strcmp(argv[3], "single") == 0 ? MW_ROUNDING_SINGLE : MW_ROUNDING_DOUBLE;
    char text[200];
    int result = v->measure(model, n_model, &n_memory, text, sizeof text);
    void *memory = malloc(n_memory);
    size_t n_windows = n_inputs / n_in;
    for (size_t w = 0; result == MW_OK && w < n_windows; w++) {
        result = v->run(model, n_model, rounding, host_cpu(), memory, n_memory, in + w * n_in, y);
        for (size_t i = 0; i < n_out; i++)
            n_wrong += y[i] != out[w * n_out + i];
    }
    printf("%s: result %d %s, %zu windows, %zu bytes wrong, memory %zu\n", v->name, result, text,
           n_windows, n_wrong, n_memory);
    free(model);
    free(in);
    free(out);
    free(y);
    free(memory);
    return result == MW_OK && n_windows > 0 && n_windows * n_out == n_outputs && n_wrong == 0 ? 0
                                                                                              : 1;
}

int main(int argc, char **argv)
{
    static const struct variant *const variants[] = { &variant_full, &variant_dense,
                                                      &variant_tiny };
    if (argc != 8) {
        fputs("usage: golden VARIANT MODEL ROUNDING INPUT OUTPUT N_IN N_OUT\n", stderr);
        return 64;
    }
    for (size_t i = 0; i < sizeof variants / sizeof variants[0]; i++)
        if (strcmp(variants[i]->name, argv[1]) == 0)
            return compare(variants[i], argv, strtoul(argv[6], NULL, 10),
                           strtoul(argv[7], NULL, 10));
    fprintf(stderr, "no variant %s\n", argv[1]);
    return 64;
}
