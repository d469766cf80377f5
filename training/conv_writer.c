/* SPDX-License-Identifier: Apache-2.0 */
/* The file of a quantised convolutional autoencoder. */
#include "training/conv_autoencoder.h"

#include "base/result.h"
#include "inference/card.h"
#include "training/tflite_graph.h"

#include <stdlib.h>

/* Numbers of schema.fbs: BuiltinOperator, BuiltinOptions. */
enum { CONV_2D = 3, RESHAPE = 22, TRANSPOSE_CONV = 67, EXPAND_DIMS = 70, RESIZE_NEAREST = 97 };
enum { CONV_OPTIONS = 1, RESHAPE_OPTIONS = 17, TRANSPOSE_CONV_OPTIONS = 49 };
enum { EXPAND_DIMS_OPTIONS = 52, RESIZE_NEAREST_OPTIONS = 74 };
enum { PADDING_SAME = 0, ACTIVATION_NONE = 0, ACTIVATION_RELU = 1 };

#define MAX_TENSORS   (5 + 4 * CONV_MAX_LAYERS)
#define MAX_OPERATORS (2 + CONV_MAX_LAYERS)

/* The graph while it grows, and the little-endian constants and scales it borrows. */
struct parts {
    struct graph_tensor tensors[MAX_TENSORS];
    struct graph_operator operators[MAX_OPERATORS];
    uint32_t n_tensors, n_operators, n_owned;
    void *owned[3 * CONV_MAX_LAYERS + 4];
    bool failed;
};

static void *own(struct parts *p, size_t n)
{
    void *bytes = calloc(n ? n : 1, 1);
    p->failed = p->failed || !bytes;
    p->owned[p->n_owned++] = bytes;
    return bytes;
}

static int32_t add_tensor(struct parts *p, const struct graph_tensor *t)
{
    p->tensors[p->n_tensors] = *t;
    return (int32_t)p->n_tensors++;
}

/* An int8 image of height 1; height 0: without that dimension. */
static int32_t add_frames(struct parts *p, const char *name, bool image, uint32_t frames,
                          uint32_t channels, const struct mw_quant *quant)
{
    struct graph_tensor t = { .name = name,
                              .dims = { 1, 1, frames, channels },
                              .n_dims = 4,
                              .type = GRAPH_INT8,
                              .scales = &quant->scale,
                              .n_scales = 1,
                              .zero = quant->zero };
    if (!image) {
        t.n_dims = 3;
        t.dims[1] = frames;
        t.dims[2] = channels;
    }
    return add_tensor(p, &t);
}

static int32_t add_s32(struct parts *p, const char *name, const int32_t *values, uint32_t n)
{
    uint8_t *bytes = own(p, 4 * (size_t)n);
    for (size_t i = 0; bytes && i < 4 * (size_t)n; i++)
        bytes[i] = (uint8_t)((uint32_t)values[i / 4] >> 8 * (i % 4));
    const struct graph_tensor t = { .name = name,
                                    .dims = { n },
                                    .n_dims = 1,
                                    .type = GRAPH_INT32,
                                    .data = bytes,
                                    .n_bytes = 4 * (size_t)n };
    return add_tensor(p, &t);
}

static int32_t add_weights(struct parts *p, const struct conv_layer *l)
{
    const struct graph_tensor t = { .name = "weights",
                                    .dims = { l->n_out, 1, l->step.width, l->n_in },
                                    .n_dims = 4,
                                    .type = GRAPH_INT8,
                                    .scales = l->q_scales,
                                    .n_scales = l->n_out,
                                    .data = l->q_weights,
                                    .n_bytes = (size_t)l->n_out * l->step.width * l->n_in };
    return add_tensor(p, &t);
}

static int32_t add_bias(struct parts *p, const struct conv_layer *l, float in_scale)
{
    int32_t tensor = add_s32(p, "bias", l->q_bias, l->n_out);
    float *scales = own(p, l->n_out * sizeof scales[0]);
    for (uint32_t o = 0; scales && o < l->n_out; o++)
        scales[o] = in_scale * l->q_scales[o];
    p->tensors[tensor].scales = scales;
    p->tensors[tensor].n_scales = l->n_out;
    return tensor;
}

static struct graph_operator *add_operator(struct parts *p, uint8_t code, uint8_t version,
                                           uint8_t options_type, int32_t out)
{
    struct graph_operator *op = &p->operators[p->n_operators++];
    *op = (struct graph_operator){
        .code = code, .version = version, .options_type = options_type, .outs = { out }, .n_outs = 1
    };
    return op;
}

static void add_end(struct graph_operator *op, int32_t tensor)
{
    op->ins[op->n_ins++] = tensor;
}

static void add_option(struct graph_operator *op, uint16_t id, uint8_t width, uint32_t value)
{
    op->options[op->n_options++] = (struct flat_field){ .id = id, .width = width, .value = value };
}

/* Padding, steps and activation, which both kinds of convolution number alike. */
static void add_conv_options(struct graph_operator *op, const struct conv_step *step)
{
    add_option(op, 0, 1, PADDING_SAME);
    add_option(op, 1, 4, step->stride); /* along the frames */
    add_option(op, 2, 4, 1);
    add_option(op, 3, 1, step->relu ? ACTIVATION_RELU : ACTIVATION_NONE);
}

/* Layer l behind tensor in; the number of its output. */
static int32_t add_layer(struct parts *p, const struct conv_autoencoder *ae, uint32_t l, int32_t in)
{
    const struct conv_layer *layer = &ae->layers[l];
    const int32_t shape[] = { 1, 1, (int32_t)layer->frames_out, (int32_t)layer->n_out };
    int32_t out =
        add_frames(p, "layer", true, layer->frames_out, layer->n_out, &ae->tensors[l + 1]);
    if (layer->step.kind == CONV_UPSAMPLE) {
        struct graph_operator *op = add_operator(p, RESIZE_NEAREST, 2, RESIZE_NEAREST_OPTIONS, out);
        add_end(op, in);
        add_end(op, add_s32(p, "size", shape + 1, 2));
        return out;
    }
    bool transposed = layer->step.kind == CONV_TRANSPOSED;
    int32_t weights = add_weights(p, layer), bias = add_bias(p, layer, ae->tensors[l].scale);
    struct graph_operator *op =
        transposed ? add_operator(p, TRANSPOSE_CONV, 3, TRANSPOSE_CONV_OPTIONS, out)
                   : add_operator(p, CONV_2D, 3, CONV_OPTIONS, out);
    add_end(op, transposed ? add_s32(p, "shape", shape, 4) : in);
    add_end(op, weights);
    if (transposed)
        add_end(op, in);
    add_end(op, bias);
    add_conv_options(op, &layer->step);
    return out;
}

static void build(struct parts *p, const struct conv_autoencoder *ae, struct graph *graph)
{
    const struct conv_layer *last = &ae->layers[ae->n_layers - 1];
    const int32_t axis = 1;
    const int32_t shape[] = { 1, (int32_t)last->frames_out, (int32_t)last->n_out };
    int32_t window = add_frames(p, "window", false, ae->n_frames, ae->n_channels, &ae->tensors[0]);
    int32_t at = add_frames(p, "image", true, ae->n_frames, ae->n_channels, &ae->tensors[0]);
    struct graph_operator *op = add_operator(p, EXPAND_DIMS, 1, EXPAND_DIMS_OPTIONS, at);
    add_end(op, window);
    add_end(op, add_s32(p, "axis", &axis, 1));
    for (uint32_t l = 0; l < ae->n_layers; l++)
        at = add_layer(p, ae, l, at);
    int32_t rebuilt =
        add_frames(p, "rebuilt", false, last->frames_out, last->n_out, &ae->tensors[ae->n_layers]);
    op = add_operator(p, RESHAPE, 1, RESHAPE_OPTIONS, rebuilt);
    add_end(op, at);
    add_end(op, add_s32(p, "shape", shape, 3));
    graph->input = (uint32_t)window;
    graph->output = (uint32_t)rebuilt;
    graph->n_tensors = p->n_tensors;
    graph->n_operators = p->n_operators;
}

int conv_autoencoder_write(uint8_t **ret_bytes, size_t *ret_n_bytes,
                           const struct conv_autoencoder *ae, const uint8_t *card, size_t n_card)
{
    struct parts p = { 0 };
    struct graph graph = {
        .tensors = p.tensors,
        .operators = p.operators,
        .name = "detector",
        .description = "millwright convolutional autoencoder",
        .metadata_name = card ? MW_CARD_NAME : NULL,
        .metadata = card,
        .n_metadata = n_card,
    };
    build(&p, ae, &graph);
    int result = p.failed ? MW_ERR_NO_MEMORY : tflite_graph_write(ret_bytes, ret_n_bytes, &graph);
    for (uint32_t i = 0; i < p.n_owned; i++)
        free(p.owned[i]);
    return result;
}
