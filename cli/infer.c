/* SPDX-License-Identifier: Apache-2.0 */
/* millwright infer: raw int8 rows through a model, for comparing the engine with another one. */
#include "base/result.h"
#include "cli/file.h"
#include "cli/kernel.h"
#include "cli/verbs.h"
#include "inference/model.h"
#include "training/infile.h"
#include "training/outfile.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

static const char USAGE[] =
    "usage: millwright infer MODEL.tflite --input X.s8 --output Y.s8 [--rounding double|single]\n"
    "                        [--kernel NAME|auto|reference]\n"
    "\n"
    "Runs every row of X.s8 (raw int8, one model input after the other) through the model and\n"
    "writes the outputs to Y.s8 in the same form. Y.s8 appears when it is whole. Where the "
    "model's\n"
    "input or output is float32 or int16, rows are such numbers, little-endian.\n"
    "\n"
    "  --input FILE       raw int8 rows; the size is a multiple of the model's input\n"
    "  --output FILE      is replaced\n"
    "  --rounding double  the bits of TensorFlow Lite Micro and CMSIS-NN (default)\n"
    "  --rounding single  the bits of XNNPACK and ONNX Runtime\n"
    "  --kernel NAME      how it is computed, with the same bits: `auto`, the fastest that this\n"
    "                     processor has (default), `reference`, or one that `model show` names\n";

struct arguments {
    const char *model, *input, *output, *kernel;
    uint32_t cpu; /* what the kernel may use */
    enum mw_rounding rounding;
};

/* EX_OK, EX_USAGE, or -1 where help was asked for and given. */
static int parse(int argc, char **argv, struct arguments *ret)
{
    static const struct option options[] = {
        { "input", required_argument, NULL, 'i' },    { "output", required_argument, NULL, 'o' },
        { "rounding", required_argument, NULL, 'r' }, { "kernel", required_argument, NULL, 'k' },
        { "help", no_argument, NULL, 'h' },           { NULL, 0, NULL, 0 },
    };
    struct arguments a = { 0 };
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): the program has one thread. */
    for (int c; (c = getopt_long(argc, argv, "i:o:h", options, NULL)) != -1;) {
        switch (c) {
        case 'i': a.input = optarg; break;
        case 'o': a.output = optarg; break;
        case 'k': a.kernel = optarg; break;
        case 'r':
            if (strcmp(optarg, "double") != 0 && strcmp(optarg, "single") != 0) {
                fprintf(stderr, "infer: --rounding %s: is not double or single\n", optarg);
                return EX_USAGE;
            }
            a.rounding = optarg[0] == 'd' ? MW_ROUNDING_DOUBLE : MW_ROUNDING_SINGLE;
            break;
        case 'h': fputs(USAGE, stdout); return -1;
        default: return EX_USAGE;
        }
    }
    if (argc - optind != 1 || !a.input || !a.output) {
        fprintf(stderr, "infer: %s\n\n%s",
                argc - optind > 1 ? "one MODEL.tflite only"
                : argc == optind  ? "MODEL.tflite is missing"
                : a.input == NULL ? "--input is missing"
                                  : "--output is missing",
                USAGE);
        return EX_USAGE;
    }
    if (!kernel_cpu("infer", a.kernel, &a.cpu))
        return EX_USAGE;
    a.model = argv[optind];
    *ret = a;
    return EX_OK;
}

/* A kernel that was asked for by name and suits no operator of this model is said to be idle. */
static void tell_of_idle_kernel(const struct arguments *a, const struct mw_model *model)
{
    if (!a->kernel || strcmp(a->kernel, "auto") == 0 || strcmp(a->kernel, "reference") == 0)
        return;
    for (uint32_t i = 0; i < model->n_layers; i++) {
        const struct mw_dense_s8 *sums = mw_model_layer(model, i);
        if (sums && sums->kernel)
            return;
    }
    fprintf(stderr, "%s: warning: --kernel %.64s suits no operator of it; the reference runs\n",
            a->model, a->kernel);
}

/* Prepares the model in memory of its own; the caller frees *ret_memory and *ret_packed. */
static int prepare(const struct arguments *a, const uint8_t *bytes, size_t n_bytes,
                   struct mw_model *ret_model, void **ret_memory, void **ret_packed)
{
    struct mw_model_fault why;
    size_t n_memory;
    if (mw_model_measure(bytes, n_bytes, &n_memory, &why) != MW_OK) {
        fprintf(stderr, "%s: %s\n", a->model, why.text);
        return EX_DATAERR;
    }
    void *memory = malloc(n_memory ? n_memory : 1);
    if (!memory) {
        fprintf(stderr, "%s: out of memory\n", a->model);
        return EX_OSERR;
    }
    *ret_memory = memory;
    if (mw_model_init(ret_model, bytes, n_bytes, a->rounding, memory, n_memory, &why) != MW_OK) {
        fprintf(stderr, "%s: %s\n", a->model, why.text);
        return EX_DATAERR;
    }
    if (ret_model->n_layers == 0) {
        fprintf(stderr, "%s: has no operators to run\n", a->model);
        return EX_DATAERR;
    }
    kernel_accelerate(ret_model, a->cpu, ret_packed);
    tell_of_idle_kernel(a, ret_model);
    return EX_OK;
}

/* Interrupted, it stops between two rows; the signal then acts when the file has been abandoned. */
static int run_rows(const struct arguments *a, const struct mw_model *model, FILE *in,
                    const struct outfile *out, uint8_t *x, uint8_t *y)
{
    size_t n_rows = 0, got;
    while ((got = fread(x, 1, model->n_in_bytes, in)) == model->n_in_bytes) {
        if (outfile_interrupted(out))
            return EX_TEMPFAIL;
        mw_model_run(model, x, y);
        if (fwrite(y, 1, model->n_out_bytes, out->stream) != model->n_out_bytes) {
            perror(a->output);
            return EX_IOERR;
        }
        n_rows++;
    }
    if (ferror(in)) {
        perror(a->input);
        return EX_IOERR;
    }
    if (got != 0) {
        fprintf(stderr, "%s: %zu bytes are not whole rows of %u: %zu rows and %zu bytes more\n",
                a->input, n_rows * model->n_in_bytes + got, model->n_in_bytes, n_rows, got);
        return EX_DATAERR;
    }
    return EX_OK;
}

/* With buffers of the model's two ends. */
static int run_all(const struct arguments *a, const struct mw_model *model, FILE *in,
                   const struct outfile *out)
{
    uint8_t *x = malloc(model->n_in_bytes), *y = malloc(model->n_out_bytes);
    int status = x && y ? run_rows(a, model, in, out, x, y) : EX_OSERR;
    if (status == EX_OSERR)
        fputs("infer: out of memory\n", stderr);
    free(y);
    free(x);
    return status;
}

static int complain(int status, const char *path, const char *why)
{
    fprintf(stderr, "%s: %s\n", path, why);
    return status;
}

static int write_rows(const struct arguments *a, const struct mw_model *model, FILE *in)
{
    struct outfile out;
    int result = outfile_begin(&out, a->output);
    if (result < 0)
        return complain(EX_CANTCREAT, a->output, outfile_text(result));
    int status = run_all(a, model, in, &out);
    if (status != EX_OK) {
        outfile_abandon(&out);
        return status;
    }
    result = outfile_commit(&out);
    return result < 0 ? complain(EX_IOERR, a->output, outfile_text(result)) : EX_OK;
}

static int infer(const struct arguments *a, const struct mw_model *model)
{
    FILE *in;
    if (outfile_is_input(a->output, a->input) || outfile_is_input(a->output, a->model))
        return complain(EX_USAGE, a->output, "is also read; the output would replace it");
    int result = infile_open(&in, a->input, true);
    if (result < 0)
        return complain(EX_NOINPUT, a->input, infile_text(result));
    int status = write_rows(a, model, in);
    fclose(in);
    return status;
}

int verb_infer(int argc, char **argv)
{
    struct arguments a;
    int status = parse(argc, argv, &a);
    if (status != EX_OK)
        return status < 0 ? EX_OK : status;
    uint8_t *bytes = NULL;
    void *memory = NULL, *packed = NULL;
    size_t n_bytes;
    struct mw_model model;
    status = file_load(a.model, MW_MODEL_MAX_BYTES, &bytes, &n_bytes);
    if (status == EX_OK)
        status = prepare(&a, bytes, n_bytes, &model, &memory, &packed);
    if (status == EX_OK)
        status = infer(&a, &model);
    free(packed);
    free(memory);
    free(bytes);
    return status;
}
