/* SPDX-License-Identifier: Apache-2.0 */
#include "training/tflite_graph.h"

#include "base/result.h"

#include <stdlib.h>
#include <string.h>

#define SCHEMA_VERSION   3
#define BUFFER_ALIGNMENT 16

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

static uint32_t bits_of(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static void put_floats(struct flat *flat, size_t link, const float *values, uint32_t n)
{
    uint32_t *bits = calloc(n, sizeof bits[0]);
    if (!bits) {
        flat->failed = true;
        return;
    }
    for (uint32_t i = 0; i < n; i++)
        bits[i] = bits_of(values[i]);
    flat_link(flat, link, flat_u32s(flat, bits, n));
    free(bits);
}

static void put_zeros(struct flat *flat, size_t link, int64_t zero, uint32_t n)
{
    int64_t *zeros = calloc(n, sizeof zeros[0]);
    if (!zeros) {
        flat->failed = true;
        return;
    }
    for (uint32_t i = 0; i < n; i++)
        zeros[i] = zero;
    flat_link(flat, link, flat_i64s(flat, zeros, n));
    free(zeros);
}

static void put_quantization(struct flat *flat, size_t link, const struct graph_tensor *t)
{
    size_t scale_at = 0, zero_at = 0;
    const struct flat_field fields[] = {
        { .id = 2, .width = 4, .ret_at = &scale_at },
        { .id = 3, .width = 4, .ret_at = &zero_at },
        { .id = 6, .width = 4, .value = t->channel_dimension },
    };
    flat_link(flat, link, flat_table(flat, fields, LENGTH(fields)));
    put_floats(flat, scale_at, t->scales, t->n_scales);
    put_zeros(flat, zero_at, t->zero, t->n_scales);
}

static void put_tensor(struct flat *flat, size_t link, const struct graph_tensor *t,
                       uint32_t buffer)
{
    size_t shape_at = 0, name_at = 0, quantization_at = 0;
    const struct flat_field fields[] = {
        { .id = 0, .width = 4, .ret_at = &shape_at },
        { .id = 1, .width = 1, .value = t->type },
        { .id = 2, .width = 4, .value = buffer },
        { .id = 3, .width = 4, .ret_at = &name_at },
        { .id = 4, .width = 4, .ret_at = &quantization_at },
    };
    flat_link(flat, link, flat_table(flat, fields, LENGTH(fields) - (t->n_scales > 0 ? 0 : 1)));
    flat_link(flat, shape_at, flat_u32s(flat, t->dims, t->n_dims));
    flat_link(flat, name_at, flat_string(flat, t->name ? t->name : ""));
    if (t->n_scales > 0)
        put_quantization(flat, quantization_at, t);
}

/* Buffer 0 is empty by convention; constants follow in the order of their tensors. */
static void put_tensors(struct flat *flat, size_t link, const struct graph *graph)
{
    size_t vector = flat_references(flat, graph->n_tensors);
    uint32_t buffer = 0;
    flat_link(flat, link, vector);
    for (uint32_t i = 0; i < graph->n_tensors; i++) {
        const struct graph_tensor *t = &graph->tensors[i];
        put_tensor(flat, vector + 4 + 4 * (size_t)i, t, t->data ? ++buffer : 0);
    }
}

static void put_ends(struct flat *flat, size_t link, const int32_t *ends, uint32_t n)
{
    uint32_t values[GRAPH_MAX_ENDS];
    for (uint32_t i = 0; i < n; i++)
        values[i] = (uint32_t)ends[i];
    flat_link(flat, link, flat_u32s(flat, values, n));
}

/* The number of the operator's code: that of the first operator like it. */
static uint32_t code_index(const struct graph *graph, const struct graph_operator *op)
{
    uint32_t index = 0;
    for (const struct graph_operator *o = graph->operators; o < op; o++) {
        const struct graph_operator *first = graph->operators;
        while (first->code != o->code || first->version != o->version)
            first++;
        if (o->code == op->code && o->version == op->version)
            return code_index(graph, first);
        index += first == o;
    }
    return index;
}

static void put_operator(struct flat *flat, size_t link, const struct graph *graph,
                         const struct graph_operator *op)
{
    size_t inputs_at = 0, outputs_at = 0, options_at = 0;
    const struct flat_field fields[] = {
        { .id = 0, .width = 4, .value = code_index(graph, op) },
        { .id = 1, .width = 4, .ret_at = &inputs_at },
        { .id = 2, .width = 4, .ret_at = &outputs_at },
        { .id = 3, .width = 1, .value = op->options_type },
        { .id = 4, .width = 4, .ret_at = &options_at },
    };
    bool options = op->options_type != 0;
    flat_link(flat, link, flat_table(flat, fields, options ? 5 : 3));
    put_ends(flat, inputs_at, op->ins, op->n_ins);
    put_ends(flat, outputs_at, op->outs, op->n_outs);
    if (options)
        flat_link(flat, options_at, flat_table(flat, op->options, op->n_options));
}

static void put_graph(struct flat *flat, size_t link, const struct graph *graph)
{
    size_t tensors_at = 0, inputs_at = 0, outputs_at = 0, operators_at = 0, name_at = 0;
    const struct flat_field fields[] = {
        { .id = 0, .width = 4, .ret_at = &tensors_at },
        { .id = 1, .width = 4, .ret_at = &inputs_at },
        { .id = 2, .width = 4, .ret_at = &outputs_at },
        { .id = 3, .width = 4, .ret_at = &operators_at },
        { .id = 4, .width = 4, .ret_at = &name_at },
    };
    size_t vector = flat_references(flat, 1), n_ends = graph->n_operators > 0 ? 1 : 0;
    flat_link(flat, link, vector);
    flat_link(flat, vector + 4, flat_table(flat, fields, LENGTH(fields)));
    put_tensors(flat, tensors_at, graph);
    flat_link(flat, inputs_at, flat_u32s(flat, &graph->input, n_ends));
    flat_link(flat, outputs_at, flat_u32s(flat, &graph->output, n_ends));
    size_t operators = flat_references(flat, graph->n_operators);
    flat_link(flat, operators_at, operators);
    for (uint32_t i = 0; i < graph->n_operators; i++)
        put_operator(flat, operators + 4 + 4 * (size_t)i, graph, &graph->operators[i]);
    flat_link(flat, name_at, flat_string(flat, graph->name));
}

static void put_code(struct flat *flat, size_t link, const struct graph_operator *op)
{
    const struct flat_field fields[] = {
        { .id = 0, .width = 1, .value = op->code }, /* for readers before 2.4 */
        { .id = 2, .width = 4, .value = op->version },
        { .id = 3, .width = 4, .value = op->code },
    };
    flat_link(flat, link, flat_table(flat, fields, LENGTH(fields)));
}

static void put_codes(struct flat *flat, size_t link, const struct graph *graph)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < graph->n_operators; i++)
        n += code_index(graph, &graph->operators[i]) == n;
    size_t vector = flat_references(flat, n);
    flat_link(flat, link, vector);
    for (uint32_t i = 0, k = 0; i < graph->n_operators; i++)
        if (code_index(graph, &graph->operators[i]) == k)
            put_code(flat, vector + 4 + 4 * (size_t)k++, &graph->operators[i]);
}

static void put_buffer(struct flat *flat, size_t link, const void *bytes, size_t n)
{
    size_t data_at = 0;
    const struct flat_field fields[] = { { .id = 0, .width = 4, .ret_at = &data_at } };
    flat_link(flat, link, flat_table(flat, fields, n > 0 ? 1 : 0));
    if (n > 0)
        flat_link(flat, data_at, flat_bytes(flat, bytes, n, BUFFER_ALIGNMENT));
}

/* The metadata is the last buffer, whose number is returned. */
static uint32_t put_buffers(struct flat *flat, size_t link, const struct graph *graph)
{
    uint32_t n = graph->metadata_name ? 2 : 1;
    for (uint32_t i = 0; i < graph->n_tensors; i++)
        n += graph->tensors[i].data != NULL;
    size_t vector = flat_references(flat, n), place = vector + 4;
    flat_link(flat, link, vector);
    put_buffer(flat, place, NULL, 0);
    for (uint32_t i = 0; i < graph->n_tensors; i++)
        if (graph->tensors[i].data)
            put_buffer(flat, place += 4, graph->tensors[i].data, graph->tensors[i].n_bytes);
    if (graph->metadata_name)
        put_buffer(flat, place + 4, graph->metadata, graph->n_metadata);
    return n - 1;
}

static void put_metadata(struct flat *flat, size_t link, const char *name, uint32_t buffer)
{
    size_t name_at = 0;
    const struct flat_field fields[] = {
        { .id = 0, .width = 4, .ret_at = &name_at },
        { .id = 1, .width = 4, .value = buffer },
    };
    size_t vector = flat_references(flat, 1);
    flat_link(flat, link, vector);
    flat_link(flat, vector + 4, flat_table(flat, fields, LENGTH(fields)));
    flat_link(flat, name_at, flat_string(flat, name));
}

int tflite_graph_write(uint8_t **ret_bytes, size_t *ret_n_bytes, const struct graph *graph)
{
    struct flat flat = { 0 };
    size_t opcodes_at = 0, graphs_at = 0, description_at = 0, buffers_at = 0, metadata_at = 0;
    const struct flat_field model[] = {
        { .id = 0, .width = 4, .value = SCHEMA_VERSION },
        { .id = 1, .width = 4, .ret_at = &opcodes_at },
        { .id = 2, .width = 4, .ret_at = &graphs_at },
        { .id = 3, .width = 4, .ret_at = &description_at },
        { .id = 4, .width = 4, .ret_at = &buffers_at },
        { .id = 6, .width = 4, .ret_at = &metadata_at },
    };
    flat_put(&flat, "\0\0\0\0TFL3", 8);
    flat_link(&flat, 0, flat_table(&flat, model, LENGTH(model) - (graph->metadata_name ? 0 : 1)));
    put_codes(&flat, opcodes_at, graph);
    put_graph(&flat, graphs_at, graph);
    flat_link(&flat, description_at, flat_string(&flat, graph->description));
    uint32_t buffer = put_buffers(&flat, buffers_at, graph);
    if (graph->metadata_name)
        put_metadata(&flat, metadata_at, graph->metadata_name, buffer);
    if (flat.failed) {
        free(flat.bytes);
        return MW_ERR_NO_MEMORY;
    }
    *ret_bytes = flat.bytes;
    *ret_n_bytes = flat.n;
    return MW_OK;
}
