/* SPDX-License-Identifier: Apache-2.0 */
/* A verified int8 model, ready to run. Who loads: the daemon's install step, the node's firmware,
 * the command line. The model's bytes are viewed in place and must stay where they are; nothing
 * here allocates, and after mw_model_init nothing fails.
 *
 * Supported: the int8 operators of docs/SPEC-model.md in any graph from one input tensor to one
 * output tensor, each int8, int16 or float32; or no operator at all (a detector that needs no
 * network). Everything else is refused with the operator's name and index. docs/ENGINE.md has the
 * memory plan drawn. */
#ifndef MW_INFERENCE_MODEL_H
#define MW_INFERENCE_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MW_MODEL_MAX_LAYERS 64        /* operators */
#define MW_MODEL_MAX_WIDTH  4096      /* inputs, and outputs, of a FULLY_CONNECTED */
#define MW_MODEL_MAX_ITEMS  65536     /* of one computed tensor, and terms of one sum */
#define MW_MODEL_MAX_BYTES  (4 << 20) /* of the file */

#define MW_CARD_NAME "millwright.card" /* metadata that rides along, see inference/card.h */

/* How a 32-bit accumulator becomes int8. TFLite Micro's reference kernels and CMSIS-NN round
 * twice, XNNPACK and ONNX Runtime once; the last bit differs. docs/SPEC-model.md, section
 * "Arithmetic". */
enum mw_rounding { MW_ROUNDING_DOUBLE = 0, MW_ROUNDING_SINGLE };

/* TensorType of the schema: those that the engine reads. */
enum mw_type { MW_FLOAT32 = 0, MW_INT32 = 2, MW_INT64 = 4, MW_INT16 = 7, MW_INT8 = 9 };

/* Why a model was refused: in words, with the place. Empty where the engine has no words. */
struct mw_model_fault {
    char text[160];
};

struct mw_quant {
    float scale;
    int32_t zero; /* -128 .. 127 */
};

struct mw_dense_kernel;

/* One FULLY_CONNECTED layer; weights and bias lie in the model's bytes. */
struct mw_dense_s8 {
    uint32_t n_in, n_out;
    const int8_t *weights;     /* [n_out][n_in], -128 .. 127, zero point 0 */
    const uint8_t *bias;       /* int32 little-endian [n_out], may be unaligned; NULL: none */
    const int32_t *multiplier; /* [n_out] or [1], Q31 */
    const int8_t *shift;       /* as multiplier; positive is left */
    uint32_t n_multipliers;    /* 1 or n_out */
    int32_t in_zero, out_zero, out_min, out_max;
    const struct mw_dense_kernel *kernel; /* NULL: the reference */
    const void *packed;                   /* what the kernel made of the weights, or NULL */
};

/* One operator, ready to run: its inputs, then its outputs. A mark stands for each of the
 * caller's two buffers. In the caller's memory. */
struct mw_op {
    void (*run)(const void *params, const void *const *in, void *const *out);
    const void *params; /* of the operator's own form */
    const void **ends;
    uint8_t code, n_in, n_out;
    uint32_t n_out_bytes; /* of the first output */
};

struct mw_model {
    struct mw_op *ops;
    uint32_t n_layers;    /* operators; 0: an empty graph */
    uint32_t n_in, n_out; /* items of the graph's input and output */
    uint32_t n_in_bytes, n_out_bytes;
    uint8_t in_type, out_type; /* enum mw_type: INT8, INT16 or FLOAT32 */
    struct mw_quant in, out;   /* scale 0 where float32 */
    bool ends_may_overlap;     /* x is read for the last time before y is first written */
    uint64_t n_macs;           /* multiply-accumulates of one inference, at most */
    enum mw_rounding rounding;
    const uint8_t *card; /* the detector card's bytes within the file, or NULL */
    size_t n_card_bytes;
};

/* Verifies the whole file and says how many bytes of memory mw_model_init needs. 0 is possible.
 *   bytes  the .tflite file, any alignment
 * MW_ERR_FORMAT for bytes that are no valid flatbuffer, MW_ERR_UNSUPPORTED for a model this engine
 * does not run, MW_ERR_TOO_BIG beyond the limits above; *ret_why says it in words. */
int mw_model_measure(const uint8_t *bytes, size_t n_bytes, size_t *ret_memory_bytes,
                     struct mw_model_fault *ret_why);

/* Verifies and prepares. memory: at least what mw_model_measure said, else MW_ERR_NO_MEMORY with
 * both numbers in *ret_why; aligned to 8, else MW_ERR_INVALID. Borrows bytes and memory while the
 * model is in use. *ret_model is untouched on failure. A model works in its memory: it runs in one
 * thread at a time; two threads take two of them, over the same bytes. */
int mw_model_init(struct mw_model *ret_model, const uint8_t *bytes, size_t n_bytes,
                  enum mw_rounding rounding, void *memory, size_t memory_bytes,
                  struct mw_model_fault *ret_why);

/* The int8 FULLY_CONNECTED that operator `layer` is, or NULL. For kernels and golden tests. */
struct mw_dense_s8 *mw_model_dense(const struct mw_model *model, uint32_t layer);

/* The sums of operator `layer` that a kernel may take over: a FULLY_CONNECTED's, or those of each
 * position of a CONV_2D. NULL: none. */
struct mw_dense_s8 *mw_model_layer(const struct mw_model *model, uint32_t layer);

/* One inference: x of the input's type [n_in], y of the output's [n_out], each aligned for its
 * type. Neither may overlap the arena, nor each other unless ends_may_overlap: then they may be one
 * buffer. Cannot fail. An empty graph writes nothing. */
void mw_model_run(const struct mw_model *model, const void *x, void *y);

/* As run, layer by layer: after_layer gets the n bytes of each operator's first output. For golden
 * tests. */
void mw_model_run_traced(const struct mw_model *model, const void *x, void *y,
                         void (*after_layer)(void *ctx, uint32_t layer, const int8_t *out,
                                             uint32_t n),
                         void *ctx);

/* float to int8 and back. Source: TFLite reference/quantize.h: round half away from zero of x
 * divided by scale in float32, plus zero, clamped. NaN gives zero. */
void mw_quantize_s8(const struct mw_quant *q, const float *x, int8_t *ret_y, size_t n);
void mw_dequantize_s8(const struct mw_quant *q, const int8_t *x, float *ret_y, size_t n);

#endif
