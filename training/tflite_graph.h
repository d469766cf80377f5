/* SPDX-License-Identifier: Apache-2.0 */
/* Any graph of builtin operators as a standard .tflite file (schema version 3). Called by the
 * writers of detectors and by tests. Writes what it is told; whether that makes sense is the
 * reader's business. Source: tensorflow/lite/schema/schema.fbs. */
#ifndef TRAINING_TFLITE_GRAPH_H
#define TRAINING_TFLITE_GRAPH_H

#include "training/flatbuilder.h"

#include <stdint.h>

#define GRAPH_MAX_DIMS    8
#define GRAPH_MAX_ENDS    10
#define GRAPH_MAX_OPTIONS 8

/* TensorType. */
enum { GRAPH_FLOAT32 = 0, GRAPH_INT32 = 2, GRAPH_INT64 = 4, GRAPH_INT16 = 7, GRAPH_INT8 = 9 };

struct graph_tensor {
    const char *name;
    uint32_t dims[GRAPH_MAX_DIMS], n_dims;
    uint8_t type;
    const float *scales; /* [n_scales] */
    uint32_t n_scales;   /* 0: not quantised */
    int32_t zero;        /* of all scales */
    uint32_t channel_dimension;
    const void *data; /* of a constant, little-endian [n_bytes]; NULL: computed */
    size_t n_bytes;
};

struct graph_operator {
    uint8_t code, version;                             /* BuiltinOperator, below 127 */
    int32_t ins[GRAPH_MAX_ENDS], outs[GRAPH_MAX_ENDS]; /* tensors; an input may be -1 */
    uint32_t n_ins, n_outs;
    uint8_t options_type;                         /* BuiltinOptions; 0: none */
    struct flat_field options[GRAPH_MAX_OPTIONS]; /* rising ids */
    uint32_t n_options;
};

struct graph {
    const struct graph_tensor *tensors;
    uint32_t n_tensors;
    const struct graph_operator *operators;
    uint32_t n_operators;
    uint32_t input, output; /* tensors; with operators */
    const char *name, *description;
    const char *metadata_name; /* NULL: no metadata */
    const uint8_t *metadata;
    size_t n_metadata;
};

/* The caller frees *ret_bytes. MW_ERR_NO_MEMORY. */
int tflite_graph_write(uint8_t **ret_bytes, size_t *ret_n_bytes, const struct graph *graph);

#endif
