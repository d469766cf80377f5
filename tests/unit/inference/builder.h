/* SPDX-License-Identifier: Apache-2.0 */
/* Builds small .tflite files in a test, right ones and, by the knobs, wrong ones. Front to back:
 * a parent is written before its children, whose offsets are patched in. Every field takes a slot
 * of four bytes, so that nothing needs sorting. Shares no code with the reader. */
#ifndef MW_TESTS_UNIT_INFERENCE_BUILDER_H
#define MW_TESTS_UNIT_INFERENCE_BUILDER_H

#include <check.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define BUILDER_BYTES  (1 << 19)
#define BUILDER_LAYERS 40

struct builder {
    uint8_t bytes[BUILDER_BYTES];
    uint32_t n;
};

struct dense_spec {
    uint32_t n_in, n_out;
    const int8_t *weights;
    const int32_t *bias; /* NULL: none */
    const float *scales; /* of the weights */
    uint32_t n_scales;
    float out_scale;
    int32_t out_zero;
    uint8_t activation;
};

struct model_spec {
    const struct dense_spec *layers;
    uint32_t n_layers;
    float in_scale;
    int32_t in_zero;
    const char *card; /* NULL: none */
    /* knobs; zero is right */
    uint32_t version_off, builtin_code, old_code, batch, n_graphs_off, n_inputs_off, n_zeros_off;
    uint32_t channel_dimension, weights_format, outside_buffer, two_cards, operator_version_off;
    int64_t weights_zero;
    int32_t input_off, output_off, weights_bytes_off, bias_bytes_off, buffer_off, code_off;
    float bias_scale;                                 /* 0: in scale times weights scale */
    uint8_t activation_type, weights_type, bias_type; /* 0: int8, int8, int32 */
    bool variable, sparse, transposed_chain;
};

static void put(struct builder *b, const void *bytes, uint32_t n)
{
    ck_assert_uint_le(b->n + n, BUILDER_BYTES);
    if (n > 0)
        memcpy(b->bytes + b->n, bytes, n);
    b->n += n;
}

static void put_u16(struct builder *b, uint32_t v)
{
    put(b, (uint8_t[]){ (uint8_t)v, (uint8_t)(v >> 8) }, 2);
}

static void set_u32(struct builder *b, uint32_t at, uint32_t v)
{
    for (uint32_t i = 0; i < 4; i++)
        b->bytes[at + i] = (uint8_t)(v >> 8 * i);
}

static void put_u32(struct builder *b, uint32_t v)
{
    put(b, (uint8_t[4]){ 0 }, 4);
    set_u32(b, b->n - 4, v);
}

static void align(struct builder *b, uint32_t to)
{
    while (b->n % to != 0)
        put(b, "", 1);
}

/* A vtable and its table with fields 0 .. n_fields - 1, all zero; returns the table's place. Field
 * f lies at 4 + 4 * f from there. */
static uint32_t table(struct builder *b, uint32_t n_fields)
{
    align(b, 4);
    uint32_t vtable = b->n;
    put_u16(b, 4 + 2 * n_fields);
    put_u16(b, 4 + 4 * n_fields);
    for (uint32_t f = 0; f < n_fields; f++)
        put_u16(b, 4 + 4 * f);
    align(b, 8); /* so that field 1 may be one of 8 bytes */
    uint32_t at = b->n;
    put_u32(b, at - vtable);
    for (uint32_t f = 0; f < n_fields; f++)
        put_u32(b, 0);
    return at;
}

/* Takes a field out of its table: it is absent, not zero. */
static void absent(struct builder *b, uint32_t at, uint32_t field)
{
    uint32_t back = (uint32_t)b->bytes[at] | (uint32_t)b->bytes[at + 1] << 8;
    memset(b->bytes + at - back + 4 + 2 * field, 0, 2);
}

static uint32_t slot(uint32_t at, uint32_t field)
{
    return at + 4 + 4 * field;
}

/* The next thing written is what the offset at place points to. */
static void here(struct builder *b, uint32_t place)
{
    align(b, 4);
    set_u32(b, place, b->n - place);
}

/* A vector of n items behind the offset at place; returns the first item's place. */
static uint32_t vector(struct builder *b, uint32_t place, uint32_t n, uint32_t item_bytes,
                       const void *items)
{
    align(b, 4);
    if ((b->n + 4) % 8 != 0) /* the items lie at a multiple of 8 */
        put_u32(b, 0);
    here(b, place);
    put_u32(b, n);
    uint32_t at = b->n;
    if (items)
        put(b, items, n * item_bytes);
    else
        for (uint32_t i = 0; i < n * item_bytes; i++)
            put(b, "", 1);
    return at;
}

static uint32_t bits_of(float v)
{
    uint32_t bits;
    memcpy(&bits, &v, sizeof bits);
    return bits;
}

enum { ROLE_ACTIVATION, ROLE_WEIGHTS, ROLE_BIAS };

static void build_quant(struct builder *b, uint32_t tensor, const struct model_spec *s, int role,
                        const float *scales, uint32_t n, int64_t zero)
{
    uint32_t quant_slot = slot(tensor, 4);
    uint32_t quant = table(b, 7);
    set_u32(b, quant_slot, quant - quant_slot);
    absent(b, quant, 0);
    absent(b, quant, 1);
    absent(b, quant, 5);
    set_u32(b, slot(quant, 6), role == ROLE_WEIGHTS ? s->channel_dimension : 0);
    uint32_t at = vector(b, slot(quant, 2), n, 4, NULL);
    for (uint32_t i = 0; i < n; i++)
        set_u32(b, at + 4 * i, bits_of(scales[i]));
    at = vector(b, slot(quant, 3), n + (role == ROLE_WEIGHTS ? s->n_zeros_off : 0), 8, NULL);
    for (uint32_t i = 0; i < n; i++) {
        set_u32(b, at + 8 * i, (uint32_t)zero);
        set_u32(b, at + 8 * i + 4, (uint32_t)((uint64_t)zero >> 32));
    }
}

static void build_tensor(struct builder *b, uint32_t place, const struct model_spec *s, int role,
                         uint32_t buffer, uint32_t first, uint32_t last, const float *scales,
                         uint32_t n_scales, int64_t zero)
{
    uint32_t at = table(b, 7);
    set_u32(b, place, at - place);
    const uint8_t given[] = { s->activation_type, s->weights_type, s->bias_type };
    const uint8_t right[] = { 9, 9, 2 };
    b->bytes[slot(at, 1)] = given[role] ? given[role] : right[role];
    set_u32(b, slot(at, 2), buffer);
    absent(b, at, 3);
    b->bytes[slot(at, 5)] = role == ROLE_ACTIVATION && s->variable;
    if (role == ROLE_WEIGHTS && s->sparse) {
        uint32_t sparse = table(b, 0);
        set_u32(b, slot(at, 6), sparse - slot(at, 6));
    } else
        absent(b, at, 6);
    uint32_t shape = vector(b, slot(at, 0), first > 0 ? 2 : 1, 4, NULL);
    if (first > 0)
        set_u32(b, shape, first);
    set_u32(b, shape + (first > 0 ? 4 : 0), last);
    build_quant(b, at, s, role, scales, n_scales, zero);
}

static void build_buffer(struct builder *b, uint32_t place, const void *data, uint32_t n,
                         uint32_t outside)
{
    uint32_t at = table(b, 3);
    set_u32(b, place, at - place);
    absent(b, at, 2);
    if (outside)
        b->bytes[slot(at, 1)] = 64;
    else
        absent(b, at, 1);
    if (data)
        vector(b, slot(at, 0), n, 1, data);
    else
        absent(b, at, 0);
}

/* Tensors: 0 .. n the activations, then weights and bias of each layer. Buffers: 0 empty, then
 * weights and bias of each layer, then the card. */
static void build_graph(struct builder *b, uint32_t place, const struct model_spec *s)
{
    uint32_t n = s->n_layers, graph = table(b, 5);
    set_u32(b, place, graph - place);
    absent(b, graph, 4);
    uint32_t tensors = vector(b, slot(graph, 0), n + 1 + 2 * n, 4, NULL);
    uint32_t in = vector(b, slot(graph, 1), 1 + s->n_inputs_off, 4, NULL);
    set_u32(b, in, (uint32_t)s->input_off);
    uint32_t out = vector(b, slot(graph, 2), 1, 4, NULL);
    set_u32(b, out, n + (uint32_t)s->output_off);
    uint32_t operators = vector(b, slot(graph, 3), n, 4, NULL);

    uint32_t batch = s->batch ? s->batch : 1;
    for (uint32_t i = 0; i <= n; i++) {
        float scale = i ? s->layers[i - 1].out_scale : s->in_scale;
        build_tensor(b, tensors + 4 * i, s, ROLE_ACTIVATION, 0, batch,
                     i   ? s->layers[i - 1].n_out
                     : n ? s->layers[0].n_in
                         : 1,
                     &scale, 1, i ? s->layers[i - 1].out_zero : s->in_zero);
    }
    for (uint32_t i = 0; i < n; i++) {
        const struct dense_spec *d = &s->layers[i];
        uint32_t w = n + 1 + 2 * i, buffer = 1 + 2 * i + (uint32_t)s->buffer_off;
        build_tensor(b, tensors + 4 * w, s, ROLE_WEIGHTS, buffer, d->n_out, d->n_in, d->scales,
                     d->n_scales, s->weights_zero);
        float bias_scale = (i ? s->layers[i - 1].out_scale : s->in_scale) * d->scales[0];
        if (s->bias_scale > 0)
            bias_scale = s->bias_scale;
        build_tensor(b, tensors + 4 * (w + 1), s, ROLE_BIAS, buffer + 1, 0, d->n_out, &bias_scale,
                     1, 0);

        uint32_t op = table(b, 5);
        set_u32(b, operators + 4 * i, op - (operators + 4 * i));
        set_u32(b, slot(op, 0), (uint32_t)s->code_off);
        uint32_t ins = vector(b, slot(op, 1), 3, 4, NULL);
        set_u32(b, ins, s->transposed_chain ? n - 1 - i : i);
        set_u32(b, ins + 4, w);
        set_u32(b, ins + 8, d->bias ? w + 1 : UINT32_MAX);
        uint32_t outs = vector(b, slot(op, 2), 1, 4, NULL);
        set_u32(b, outs, s->transposed_chain ? n - i : i + 1);
        b->bytes[slot(op, 3)] = 8;
        uint32_t options = table(b, 2);
        set_u32(b, slot(op, 4), options - slot(op, 4));
        b->bytes[slot(options, 0)] = d->activation;
        b->bytes[slot(options, 1)] = (uint8_t)s->weights_format;
    }
}

static void build_metadata(struct builder *b, uint32_t root, const struct model_spec *s)
{
    uint32_t n = s->two_cards ? 3 : 2;
    uint32_t entries = vector(b, slot(root, 6), n, 4, NULL);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t entry = table(b, 2);
        set_u32(b, entries + 4 * i, entry - (entries + 4 * i));
        set_u32(b, slot(entry, 1), i ? 1 + 2 * s->n_layers : 0);
        const char *name = i ? "millwright.card" : "min_runtime_version";
        vector(b, slot(entry, 0), (uint32_t)strlen(name), 1, name);
        put(b, "", 1);
    }
}

static void build_model(struct builder *b, const struct model_spec *s)
{
    b->n = 0;
    put_u32(b, 0);
    put(b, "TFL3", 4);
    uint32_t root = table(b, 7), n = s->n_layers;
    set_u32(b, 0, root);
    set_u32(b, slot(root, 0), 3 + s->version_off);
    absent(b, root, 3);
    absent(b, root, 5);

    uint32_t codes = vector(b, slot(root, 1), 1, 4, NULL);
    uint32_t code = table(b, 4);
    set_u32(b, codes, code - codes);
    absent(b, code, 1);
    b->bytes[slot(code, 0)] = (uint8_t)(s->old_code ? s->old_code : 9);
    set_u32(b, slot(code, 2), 4 + s->operator_version_off);
    set_u32(b, slot(code, 3), s->builtin_code);

    uint32_t graphs = vector(b, slot(root, 2), 1 + s->n_graphs_off, 4, NULL);
    for (uint32_t i = 0; i <= s->n_graphs_off; i++)
        build_graph(b, graphs + 4 * i, s);

    uint32_t buffers = vector(b, slot(root, 4), 1 + 2 * n + (s->card ? 1 : 0), 4, NULL);
    build_buffer(b, buffers, NULL, 0, 0);
    for (uint32_t i = 0; i < n; i++) {
        const struct dense_spec *d = &s->layers[i];
        build_buffer(b, buffers + 4 + 8 * i, d->weights,
                     d->n_in * d->n_out + (uint32_t)s->weights_bytes_off, s->outside_buffer);
        build_buffer(b, buffers + 8 + 8 * i, d->bias, 4 * d->n_out + (uint32_t)s->bias_bytes_off,
                     0);
    }
    if (s->card) {
        build_buffer(b, buffers + 4 + 8 * n, s->card, (uint32_t)strlen(s->card), 0);
        build_metadata(b, root, s);
    } else
        absent(b, root, 6);
    align(b, 4);
}

#endif
