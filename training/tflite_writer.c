/* SPDX-License-Identifier: Apache-2.0 */
#include "training/tflite_writer.h"

#include "base/result.h"
#include "inference/card.h"
#include "training/flatbuilder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Numbers of schema.fbs. */
#define SCHEMA_VERSION           3
#define TYPE_INT32               2
#define TYPE_INT8                9
#define OPERATOR_FULLY_CONNECTED 9
#define OPERATOR_VERSION_INT8    4 /* of FULLY_CONNECTED: int8 activations and weights */
#define OPTIONS_FULLY_CONNECTED  8
#define ACTIVATION_RELU          1

#define BUFFER_ALIGNMENT 16
#define N_TENSORS        (1 + 3 * AE_LAYERS) /* the input; weights, bias and output of each layer */
#define N_BUFFERS        (2 + 2 * AE_LAYERS) /* the empty one, weights and biases, the card */

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

struct tensor {
    const char *name;
    uint32_t shape[2], n_shape;
    uint8_t type;
    uint32_t buffer;
    const float *scales;
    uint32_t n_scales;
    int32_t zero; /* of all scales */
};

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

static void put_quantization(struct flat *flat, size_t link, const struct tensor *t)
{
    size_t scale_at = 0, zero_at = 0;
    const struct flat_field fields[] = {
        { .id = 2, .width = 4, .ret_at = &scale_at },
        { .id = 3, .width = 4, .ret_at = &zero_at },
        { .id = 6, .width = 4, .value = 0 }, /* quantized_dimension */
    };
    flat_link(flat, link, flat_table(flat, fields, LENGTH(fields)));
    put_floats(flat, scale_at, t->scales, t->n_scales);
    put_zeros(flat, zero_at, t->zero, t->n_scales);
}

static void put_tensor(struct flat *flat, size_t link, const struct tensor *t)
{
    size_t shape_at = 0, name_at = 0, quantization_at = 0;
    const struct flat_field fields[] = {
        { .id = 0, .width = 4, .ret_at = &shape_at },
        { .id = 1, .width = 1, .value = t->type },
        { .id = 2, .width = 4, .value = t->buffer },
        { .id = 3, .width = 4, .ret_at = &name_at },
        { .id = 4, .width = 4, .ret_at = &quantization_at },
    };
    flat_link(flat, link, flat_table(flat, fields, LENGTH(fields)));
    flat_link(flat, shape_at, flat_u32s(flat, t->shape, t->n_shape));
    flat_link(flat, name_at, flat_string(flat, t->name));
    put_quantization(flat, quantization_at, t);
}

/* Tensors of the layer are 1 + 3 l (weights), 2 + 3 l (bias) and 3 + 3 l (output); the output of
 * the layer before is 3 l, which for the first layer is the input, 0. */
static void put_layer_tensors(struct flat *flat, size_t references, const struct quantized *net,
                              uint32_t l)
{
    const struct quantized_layer *layer = &net->layers[l];
    char names[3][32];
    snprintf(names[0], sizeof names[0], "dense_%u/weights", l);
    snprintf(names[1], sizeof names[1], "dense_%u/bias", l);
    snprintf(names[2], sizeof names[2], l == AE_LAYERS - 1 ? "rebuilt" : "dense_%u", l);
    float *bias_scales = calloc(layer->n_out, sizeof bias_scales[0]);
    if (!bias_scales) {
        flat->failed = true;
        return;
    }
    for (uint32_t o = 0; o < layer->n_out; o++)
        bias_scales[o] = net->tensors[l].scale * layer->scales[o];
    const struct tensor tensors[] = {
        { names[0],
          { layer->n_out, layer->n_in },
          2,
          TYPE_INT8,
          1 + 2 * l,
          layer->scales,
          layer->n_out,
          0 },
        { names[1], { layer->n_out, 0 }, 1, TYPE_INT32, 2 + 2 * l, bias_scales, layer->n_out, 0 },
        { names[2],
          { 1, layer->n_out },
          2,
          TYPE_INT8,
          0,
          &net->tensors[l + 1].scale,
          1,
          net->tensors[l + 1].zero },
    };
    for (uint32_t i = 0; i < 3; i++)
        put_tensor(flat, references + 4 * (1 + 3 * l + i), &tensors[i]);
    free(bias_scales);
}

static void put_tensors(struct flat *flat, size_t link, const struct quantized *net)
{
    size_t vector = flat_references(flat, net ? N_TENSORS : 0), first = vector + 4;
    flat_link(flat, link, vector);
    if (!net)
        return;
    const struct tensor input = {
        "window", { 1, net->layers[0].n_in }, 2, TYPE_INT8,
        0,        &net->tensors[0].scale,     1, net->tensors[0].zero,
    };
    put_tensor(flat, first, &input);
    for (uint32_t l = 0; l < AE_LAYERS; l++)
        put_layer_tensors(flat, first, net, l);
}

static void put_operator(struct flat *flat, size_t link, uint32_t l, bool relu)
{
    size_t inputs_at = 0, outputs_at = 0, options_at = 0;
    const struct flat_field fields[] = {
        { .id = 0, .width = 4, .value = 0 }, /* opcode_index */
        { .id = 1, .width = 4, .ret_at = &inputs_at },
        { .id = 2, .width = 4, .ret_at = &outputs_at },
        { .id = 3, .width = 1, .value = OPTIONS_FULLY_CONNECTED },
        { .id = 4, .width = 4, .ret_at = &options_at },
    };
    const struct flat_field options[] = {
        { .id = 0, .width = 1, .value = relu ? ACTIVATION_RELU : 0 },
    };
    const uint32_t inputs[] = { 3 * l, 1 + 3 * l, 2 + 3 * l }, outputs[] = { 3 + 3 * l };
    flat_link(flat, link, flat_table(flat, fields, LENGTH(fields)));
    flat_link(flat, inputs_at, flat_u32s(flat, inputs, LENGTH(inputs)));
    flat_link(flat, outputs_at, flat_u32s(flat, outputs, LENGTH(outputs)));
    flat_link(flat, options_at, flat_table(flat, options, LENGTH(options)));
}

static void put_graph(struct flat *flat, size_t link, const struct quantized *net)
{
    size_t tensors_at = 0, inputs_at = 0, outputs_at = 0, operators_at = 0, name_at = 0;
    const struct flat_field fields[] = {
        { .id = 0, .width = 4, .ret_at = &tensors_at },
        { .id = 1, .width = 4, .ret_at = &inputs_at },
        { .id = 2, .width = 4, .ret_at = &outputs_at },
        { .id = 3, .width = 4, .ret_at = &operators_at },
        { .id = 4, .width = 4, .ret_at = &name_at },
    };
    const uint32_t input = 0, output = 3 * AE_LAYERS;
    size_t vector = flat_references(flat, 1);
    flat_link(flat, link, vector);
    flat_link(flat, vector + 4, flat_table(flat, fields, LENGTH(fields)));
    put_tensors(flat, tensors_at, net);
    flat_link(flat, inputs_at, flat_u32s(flat, &input, net ? 1 : 0));
    flat_link(flat, outputs_at, flat_u32s(flat, &output, net ? 1 : 0));
    size_t operators = flat_references(flat, net ? AE_LAYERS : 0);
    flat_link(flat, operators_at, operators);
    for (uint32_t l = 0; net && l < AE_LAYERS; l++)
        put_operator(flat, operators + 4 + 4 * (size_t)l, l, net->layers[l].relu);
    flat_link(flat, name_at, flat_string(flat, "detector"));
}

static void put_opcodes(struct flat *flat, size_t link, bool any)
{
    const struct flat_field fields[] = {
        { .id = 0, .width = 1, .value = OPERATOR_FULLY_CONNECTED }, /* for readers before 2.4 */
        { .id = 2, .width = 4, .value = OPERATOR_VERSION_INT8 },
        { .id = 3, .width = 4, .value = OPERATOR_FULLY_CONNECTED },
    };
    size_t vector = flat_references(flat, any ? 1 : 0);
    flat_link(flat, link, vector);
    if (any)
        flat_link(flat, vector + 4, flat_table(flat, fields, LENGTH(fields)));
}

static void put_buffer(struct flat *flat, size_t link, const void *bytes, size_t n)
{
    size_t data_at = 0;
    const struct flat_field fields[] = { { .id = 0, .width = 4, .ret_at = &data_at } };
    flat_link(flat, link, flat_table(flat, fields, n > 0 ? 1 : 0));
    if (n > 0)
        flat_link(flat, data_at, flat_bytes(flat, bytes, n, BUFFER_ALIGNMENT));
}

static void put_bias(struct flat *flat, size_t link, const struct quantized_layer *layer)
{
    uint8_t *bytes = calloc(layer->n_out, 4);
    if (!bytes) {
        flat->failed = true;
        return;
    }
    for (size_t i = 0; i < 4 * (size_t)layer->n_out; i++)
        bytes[i] = (uint8_t)((uint32_t)layer->bias[i / 4] >> 8 * (i % 4));
    put_buffer(flat, link, bytes, 4 * (size_t)layer->n_out);
    free(bytes);
}

/* Buffer 0 is empty by convention; the card is the last one, whose number is returned. */
static uint32_t put_buffers(struct flat *flat, size_t link, const struct quantized *net,
                            const uint8_t *card, size_t n_card)
{
    uint32_t n = net ? N_BUFFERS : 2;
    size_t vector = flat_references(flat, n), first = vector + 4;
    flat_link(flat, link, vector);
    put_buffer(flat, first, NULL, 0);
    for (uint32_t l = 0; net && l < AE_LAYERS; l++) {
        const struct quantized_layer *layer = &net->layers[l];
        size_t place = first + 4 * (1 + 2 * (size_t)l);
        put_buffer(flat, place, layer->weights, (size_t)layer->n_in * layer->n_out);
        put_bias(flat, place + 4, layer);
    }
    put_buffer(flat, first + 4 * ((size_t)n - 1), card, n_card);
    return n - 1;
}

static void put_metadata(struct flat *flat, size_t link, uint32_t buffer)
{
    size_t name_at = 0;
    const struct flat_field fields[] = {
        { .id = 0, .width = 4, .ret_at = &name_at },
        { .id = 1, .width = 4, .value = buffer },
    };
    size_t vector = flat_references(flat, 1);
    flat_link(flat, link, vector);
    flat_link(flat, vector + 4, flat_table(flat, fields, LENGTH(fields)));
    flat_link(flat, name_at, flat_string(flat, MW_CARD_NAME));
}

int tflite_write(uint8_t **ret_bytes, size_t *ret_n_bytes, const struct quantized *net,
                 const uint8_t *card, size_t n_card)
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
    flat_link(&flat, 0, flat_table(&flat, model, LENGTH(model)));
    put_opcodes(&flat, opcodes_at, net);
    put_graph(&flat, graphs_at, net);
    flat_link(&flat, description_at, flat_string(&flat, "millwright detector"));
    uint32_t buffer = put_buffers(&flat, buffers_at, net, card, n_card);
    put_metadata(&flat, metadata_at, buffer);
    if (flat.failed) {
        free(flat.bytes);
        return MW_ERR_NO_MEMORY;
    }
    *ret_bytes = flat.bytes;
    *ret_n_bytes = flat.n;
    return MW_OK;
}
