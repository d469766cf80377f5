/* SPDX-License-Identifier: Apache-2.0 */
#include "training/tflite_writer.h"

#include "base/result.h"
#include "inference/card.h"
#include "training/tflite_graph.h"

#include <stdio.h>
#include <stdlib.h>

/* Numbers of schema.fbs. */
#define OPERATOR_FULLY_CONNECTED 9
#define OPERATOR_VERSION_INT8    4 /* of FULLY_CONNECTED: int8 activations and weights */
#define OPTIONS_FULLY_CONNECTED  8
#define ACTIVATION_RELU          1

#define OPERATOR_QUANTIZE      114
#define OPERATOR_VERSION_INT16 7 /* of FULLY_CONNECTED: int16 activations, int8 weights */
#define QUANTIZE_VERSION_INT16 2
#define OPTIONS_QUANTIZE       89

/* The input; weights, bias and output of each layer; the window as int16. */
#define N_TENSORS   (1 + 3 * AE_LAYERS)
#define FINE_TENSOR N_TENSORS

struct parts {
    struct graph_tensor tensors[N_TENSORS + 1];
    struct graph_operator operators[AE_LAYERS + 1];
    uint32_t n_operators;
    char names[AE_LAYERS][3][32];
    float *bias_scales[AE_LAYERS];
    uint8_t *biases[AE_LAYERS]; /* little-endian */
};

static void name_layer(char names[3][32], uint32_t l)
{
    snprintf(names[0], sizeof names[0], "dense_%u/weights", l);
    snprintf(names[1], sizeof names[1], "dense_%u/bias", l);
    snprintf(names[2], sizeof names[2], l == AE_LAYERS - 1 ? "rebuilt" : "dense_%u", l);
}

/* The window as int16 of the same scale. */
static void add_quantize(struct parts *p, const struct quantized *net)
{
    p->tensors[FINE_TENSOR] = (struct graph_tensor){ .name = "fine",
                                                     .dims = { 1, net->layers[0].n_in },
                                                     .n_dims = 2,
                                                     .type = GRAPH_INT16,
                                                     .scales = &net->tensors[0].scale,
                                                     .n_scales = 1 };
    p->operators[p->n_operators++] = (struct graph_operator){
        .code = OPERATOR_QUANTIZE,
        .version = QUANTIZE_VERSION_INT16,
        .ins = { 0 },
        .n_ins = 1,
        .outs = { FINE_TENSOR },
        .n_outs = 1,
        .options_type = OPTIONS_QUANTIZE,
    };
}

/* Tensors of the layer are 1 + 3 l (weights), 2 + 3 l (bias) and 3 + 3 l (output); the output of
 * the layer before is 3 l, which for the first layer is the input, 0. */
static int add_layer(struct parts *p, const struct quantized *net, uint32_t l)
{
    const struct quantized_layer *layer = &net->layers[l];
    struct graph_tensor *t = &p->tensors[1 + 3 * l];
    name_layer(p->names[l], l);
    p->bias_scales[l] = calloc(layer->n_out, sizeof p->bias_scales[l][0]);
    bool fine = net->fine;
    size_t n_bias = fine ? 8 : 4; /* bytes */
    p->biases[l] = calloc(layer->n_out, n_bias);
    if (!p->bias_scales[l] || !p->biases[l])
        return MW_ERR_NO_MEMORY;
    for (uint32_t o = 0; o < layer->n_out; o++)
        p->bias_scales[l][o] = net->tensors[l].scale * layer->scales[o];
    for (size_t i = 0; i < n_bias * layer->n_out; i++)
        p->biases[l][i] = (uint8_t)((uint64_t)(int64_t)layer->bias[i / n_bias] >> 8 * (i % n_bias));
    t[0] = (struct graph_tensor){ .name = p->names[l][0],
                                  .dims = { layer->n_out, layer->n_in },
                                  .n_dims = 2,
                                  .type = GRAPH_INT8,
                                  .scales = layer->scales,
                                  .n_scales = layer->n_out,
                                  .data = layer->weights,
                                  .n_bytes = (size_t)layer->n_in * layer->n_out };
    t[1] = (struct graph_tensor){ .name = p->names[l][1],
                                  .dims = { layer->n_out },
                                  .n_dims = 1,
                                  .type = fine ? GRAPH_INT64 : GRAPH_INT32,
                                  .scales = p->bias_scales[l],
                                  .n_scales = layer->n_out,
                                  .data = p->biases[l],
                                  .n_bytes = n_bias * layer->n_out };
    t[2] = (struct graph_tensor){ .name = p->names[l][2],
                                  .dims = { 1, layer->n_out },
                                  .n_dims = 2,
                                  .type = fine ? GRAPH_INT16 : GRAPH_INT8,
                                  .scales = &net->tensors[l + 1].scale,
                                  .n_scales = 1,
                                  .zero = net->tensors[l + 1].zero };
    int32_t first = (int32_t)(3 * l);
    if (fine && l == 0)
        add_quantize(p, net);
    p->operators[p->n_operators++] = (struct graph_operator){
        .code = OPERATOR_FULLY_CONNECTED,
        .version = fine ? OPERATOR_VERSION_INT16 : OPERATOR_VERSION_INT8,
        .ins = { fine && l == 0 ? FINE_TENSOR : first, first + 1, first + 2 },
        .n_ins = 3,
        .outs = { first + 3 },
        .n_outs = 1,
        .options_type = OPTIONS_FULLY_CONNECTED,
        .options = { { .id = 0, .width = 1, .value = layer->relu ? ACTIVATION_RELU : 0 } },
        .n_options = 1,
    };
    return MW_OK;
}

int tflite_write(uint8_t **ret_bytes, size_t *ret_n_bytes, const struct quantized *net,
                 const uint8_t *card, size_t n_card)
{
    struct parts p = { 0 };
    struct graph graph = {
        .tensors = p.tensors,
        .operators = p.operators,
        .input = 0,
        .output = 3 * AE_LAYERS,
        .name = "detector",
        .description = "millwright detector",
        .metadata_name = MW_CARD_NAME,
        .metadata = card,
        .n_metadata = n_card,
    };
    int result = MW_OK;
    if (net) {
        graph.n_tensors = N_TENSORS + net->fine;
        p.tensors[0] = (struct graph_tensor){ .name = "window",
                                              .dims = { 1, net->layers[0].n_in },
                                              .n_dims = 2,
                                              .type = GRAPH_INT8,
                                              .scales = &net->tensors[0].scale,
                                              .n_scales = 1,
                                              .zero = net->tensors[0].zero };
    }
    for (uint32_t l = 0; net && l < AE_LAYERS && result == MW_OK; l++)
        result = add_layer(&p, net, l);
    graph.n_operators = p.n_operators;
    if (result == MW_OK)
        result = tflite_graph_write(ret_bytes, ret_n_bytes, &graph);
    for (uint32_t l = 0; l < AE_LAYERS; l++) {
        free(p.bias_scales[l]);
        free(p.biases[l]);
    }
    return result;
}
