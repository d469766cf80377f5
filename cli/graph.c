/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/graph.h"
#include "base/result.h"
#include "cli/kernel.h"
#include "inference/dense_kernel.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

enum { CODE_FULLY_CONNECTED = 9 };

/* Constants of one operator; a constant that two share counts twice. */
static uint64_t parameter_bytes(const struct mw_tflite *file, const struct mw_node *node)
{
    uint64_t n = 0;
    for (uint32_t i = 0; i < node->ins.n; i++) {
        struct mw_tensor t;
        uint32_t tensor = mw_node_in(file, node, i);
        if (tensor != UINT32_MAX && mw_tflite_read_tensor(file, tensor, &t, NULL) == MW_OK &&
            t.data)
            n += t.n_bytes;
    }
    return n;
}

/* Which kernels the model gets from infer and from the daemon. */
static void gather_kernels(struct graph_facts *facts, struct mw_model *model)
{
    uint32_t cpu = 0;
    void *packed = NULL;
    if (!kernel_cpu("model", NULL, &cpu))
        return;
    kernel_accelerate(model, cpu, &packed);
    for (uint32_t i = 0; i < model->n_layers; i++) {
        const struct mw_dense_s8 *layer = mw_model_layer(model, i);
        facts->kernels[i] = layer ? layer->kernel->name : NULL;
    }
    free(packed);
}

int graph_gather(struct graph_facts *ret_facts, const struct mw_tflite *file, const uint8_t *bytes,
                 size_t n_bytes, size_t n_memory, struct mw_model_fault *ret_why)
{
    struct mw_model model;
    void *memory = malloc(n_memory ? n_memory : 1);
    if (!memory) {
        snprintf(ret_why->text, sizeof ret_why->text, "out of memory");
        return MW_ERR_NO_MEMORY;
    }
    int result =
        mw_model_init(&model, bytes, n_bytes, MW_ROUNDING_DOUBLE, memory, n_memory, ret_why);
    if (result == MW_OK)
        gather_kernels(ret_facts, &model);
    free(memory);
    if (result == MW_OK)
        result = mw_plan_make(&ret_facts->plan, file, ret_why);
    if (result < 0)
        return result;
    ret_facts->n_macs = model.n_macs;
    ret_facts->n_parameter_bytes = 0;
    for (uint32_t i = 0; i < file->operators.n; i++) {
        struct mw_node node;
        result = mw_tflite_read_node(file, i, &node, ret_why);
        if (result < 0)
            return result;
        ret_facts->n_parameter_bytes += parameter_bytes(file, &node);
    }
    return MW_OK;
}

static void print_shape(const struct mw_tensor *t)
{
    putchar('[');
    for (uint32_t d = 0; d < t->n_dims; d++)
        printf("%s%d", d ? "," : "", t->dims[d]);
    putchar(']');
}

/* The least and the greatest of a tensor's scales. */
static void print_scales(const struct mw_tensor *t)
{
    if (t->n_scales == 0)
        return;
    float min = mw_tensor_scale(t, 0), max = min;
    for (uint32_t i = 1; i < t->n_scales; i++) {
        float scale = mw_tensor_scale(t, i);
        min = scale < min ? scale : min;
        max = scale > max ? scale : max;
    }
    printf(", scale %.9g", (double)min);
    if (t->n_scales > 1)
        printf(" .. %.9g per channel", (double)max);
    printf(", zero point %d", t->quant.zero);
}

static void print_tensor(const struct mw_tflite *file, uint32_t tensor)
{
    struct mw_tensor t;
    if (mw_tflite_read_tensor(file, tensor, &t, NULL) < 0)
        return;
    printf("%s ", mw_tflite_type_name(t.type));
    print_shape(&t);
    print_scales(&t);
}

static void print_ends(const struct mw_tflite *file, const struct mw_fb_vector *ends)
{
    struct mw_fb fb = file->fb;
    for (uint32_t i = 0; i < ends->n; i++) {
        int32_t tensor = mw_fb_i32_at(&fb, ends, i);
        if (tensor >= 0)
            printf(" %d", tensor);
        else
            fputs(" -", stdout);
    }
}

static void print_operators(const struct graph_facts *facts, const struct mw_tflite *file)
{
    for (uint32_t i = 0; i < file->operators.n; i++) {
        struct mw_node node;
        if (mw_tflite_read_node(file, i, &node, NULL) < 0)
            continue;
        printf("  %2u  %-24s", i, node.name);
        print_ends(file, &node.ins);
        fputs(" ->", stdout);
        print_ends(file, &node.outs);
        if (facts->kernels[i])
            printf(", kernel %s", facts->kernels[i]);
        putchar('\n');
    }
}

static void print_place(const struct mw_planned *t)
{
    switch ((enum mw_place)t->place) {
    case MW_PLACE_X: fputs("caller's input", stdout); break;
    case MW_PLACE_Y: fputs("caller's output", stdout); break;
    case MW_PLACE_ARENA: printf("arena %u .. %u", t->offset, t->offset + t->n_bytes - 1); break;
    }
    printf(", operators %u to %u", t->first, t->last);
}

void graph_print(const struct graph_facts *facts, const struct mw_tflite *file)
{
    if (file->operators.n > 0) {
        printf("%-11s", "input");
        print_tensor(file, file->input);
        printf("\n%-11s", "output");
        print_tensor(file, file->output);
        putchar('\n');
    }
    printf("%-11s%u, %llu multiply-accumulates, %llu bytes of constants\n", "operators",
           file->operators.n, (unsigned long long)facts->n_macs,
           (unsigned long long)facts->n_parameter_bytes);
    print_operators(facts, file);
    printf("%-11s%u, %u bytes of arena\n", "tensors", file->tensors.n, facts->plan.n_arena_bytes);
    for (uint32_t i = 0; i < file->tensors.n; i++) {
        const struct mw_planned *planned = mw_plan_find(&facts->plan, i);
        printf("  %2u  ", i);
        print_tensor(file, i);
        fputs(": ", stdout);
        if (planned)
            print_place(planned);
        else
            fputs("constant", stdout);
        putchar('\n');
    }
}

static void print_json_end(const char *what, const struct mw_tflite *file, uint32_t tensor)
{
    struct mw_tensor t;
    if (mw_tflite_read_tensor(file, tensor, &t, NULL) < 0)
        return;
    printf("\"%s\":{\"type\":\"%s\",\"n\":%u,\"scale\":%.9g,\"zero_point\":%d},", what,
           mw_tflite_type_name(t.type), t.n_items, (double)t.quant.scale, t.quant.zero);
}

static void print_json_ends(const char *what, const struct mw_tflite *file,
                            const struct mw_fb_vector *ends)
{
    struct mw_fb fb = file->fb;
    printf(",\"%s\":[", what);
    for (uint32_t i = 0; i < ends->n; i++)
        printf("%s%d", i ? "," : "", mw_fb_i32_at(&fb, ends, i));
    putchar(']');
}

static const char *activation_text(uint8_t activation)
{
    switch ((enum mw_tflite_activation)activation) {
    case MW_TFLITE_NONE: return "NONE";
    case MW_TFLITE_RELU: return "RELU";
    case MW_TFLITE_RELU_N1_TO_1: return "RELU_N1_TO_1";
    case MW_TFLITE_RELU6: return "RELU6";
    }
    return "?";
}

/* What the dense layer of a detector is asked for most. */
static void print_json_dense(const struct mw_tflite *file, const struct mw_node *node)
{
    struct mw_tensor weights;
    struct mw_fb fb = file->fb;
    if (mw_tflite_read_tensor(file, mw_node_in(file, node, 1), &weights, NULL) < 0)
        return;
    printf(",\"n_in\":%d,\"n_out\":%d,\"activation\":\"%s\",\"bias\":%s,\"weight_scales\":[",
           weights.dims[1], weights.dims[0], activation_text(mw_fb_u8(&fb, &node->options, 0, 0)),
           mw_node_in(file, node, 2) != UINT32_MAX ? "true" : "false");
    for (uint32_t s = 0; s < weights.n_scales; s++)
        printf("%s%.9g", s ? "," : "", (double)mw_tensor_scale(&weights, s));
    putchar(']');
}

static void print_json_operators(const struct graph_facts *facts, const struct mw_tflite *file)
{
    for (uint32_t i = 0; i < file->operators.n; i++) {
        struct mw_node node;
        if (mw_tflite_read_node(file, i, &node, NULL) < 0)
            continue;
        printf("%s{\"operator\":\"%s\",\"version\":%u", i ? "," : "", node.name, node.version);
        print_json_ends("inputs", file, &node.ins);
        print_json_ends("outputs", file, &node.outs);
        if (facts->kernels[i])
            printf(",\"kernel\":\"%s\"", facts->kernels[i]);
        if (node.code == CODE_FULLY_CONNECTED)
            print_json_dense(file, &node);
        putchar('}');
    }
}

static void print_json_tensor(const struct graph_facts *facts, const struct mw_tflite *file,
                              uint32_t i)
{
    static const char *const places[] = { "arena", "input", "output" };
    struct mw_tensor t;
    const struct mw_planned *planned = mw_plan_find(&facts->plan, i);
    if (mw_tflite_read_tensor(file, i, &t, NULL) < 0) {
        printf("{\"index\":%u}", i);
        return;
    }
    printf("{\"index\":%u,\"type\":\"%s\",\"shape\":", i, mw_tflite_type_name(t.type));
    print_shape(&t);
    printf(",\"scales\":[");
    for (uint32_t s = 0; s < t.n_scales; s++)
        printf("%s%.9g", s ? "," : "", (double)mw_tensor_scale(&t, s));
    printf("],\"zero_point\":%d,\"place\":\"%s\"", t.quant.zero,
           planned ? places[planned->place] : "constant");
    if (planned)
        printf(",\"offset\":%u,\"bytes\":%u,\"first\":%u,\"last\":%u", planned->offset,
               planned->n_bytes, planned->first, planned->last);
    putchar('}');
}

void graph_print_json(const struct graph_facts *facts, const struct mw_tflite *file)
{
    if (file->operators.n > 0) {
        print_json_end("input", file, file->input);
        print_json_end("output", file, file->output);
    }
    printf("\"macs\":%llu,\"parameter_bytes\":%llu,\"arena_bytes\":%u,\"operators\":[",
           (unsigned long long)facts->n_macs, (unsigned long long)facts->n_parameter_bytes,
           facts->plan.n_arena_bytes);
    print_json_operators(facts, file);
    fputs("],\"tensors\":[", stdout);
    for (uint32_t i = 0; i < file->tensors.n; i++) {
        if (i > 0)
            putchar(',');
        print_json_tensor(facts, file, i);
    }
    putchar(']');
}
