/* SPDX-License-Identifier: Apache-2.0 */
/* A verified int8 model, ready to run. Who loads: the daemon's install step, the node's firmware,
 * the command line. The model's bytes are viewed in place and must stay where they are; nothing
 * here allocates, and after mw_model_init nothing fails.
 *
 * Supported: FULLY_CONNECTED int8, per tensor and per output channel, bias optional, fused NONE,
 * RELU and RELU6, in a chain from one int8 input tensor to one int8 output tensor; or no operator
 * at all (a detector that needs no network). Everything else is refused with the operator's name
 * and index. */
#ifndef MW_INFERENCE_MODEL_H
#define MW_INFERENCE_MODEL_H

#include <stddef.h>
#include <stdint.h>

#define MW_MODEL_MAX_LAYERS 32
#define MW_MODEL_MAX_WIDTH  4096      /* elements of one activation tensor */
#define MW_MODEL_MAX_BYTES  (4 << 20) /* of the file */

/* How a 32-bit accumulator becomes int8. TFLite Micro's reference kernels and CMSIS-NN round
 * twice, XNNPACK and ONNX Runtime once; the last bit differs. docs/SPEC-model.md, section
 * "Arithmetic". */
enum mw_rounding { MW_ROUNDING_DOUBLE = 0, MW_ROUNDING_SINGLE };

/* Why a model was refused: in words, with the place. */
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

struct mw_model {
    struct mw_dense_s8 layers[MW_MODEL_MAX_LAYERS];
    uint32_t n_layers; /* 0: an empty graph */
    uint32_t n_in, n_out;
    struct mw_quant in, out;
    enum mw_rounding rounding;
    int8_t *activations[2]; /* two halves of the arena, used in turn */
    const uint8_t *card;    /* the detector card's bytes within the file, or NULL */
    size_t n_card_bytes;
};

/* Verifies the whole file and says how many bytes of memory mw_model_init needs. 0 is possible.
 *   bytes  the .tflite file, any alignment
 * MW_ERR_FORMAT for bytes that are no valid flatbuffer, MW_ERR_UNSUPPORTED for a model this engine
 * does not run, MW_ERR_TOO_BIG beyond the limits above; *ret_why says it in words. */
int mw_model_measure(const uint8_t *bytes, size_t n_bytes, size_t *ret_memory_bytes,
                     struct mw_model_fault *ret_why);

/* Verifies and prepares. memory: aligned to 8, at least what mw_model_measure said; else
 * MW_ERR_NO_MEMORY with both numbers in *ret_why. Borrows bytes and memory while the model is in
 * use. *ret_model is untouched on failure. */
int mw_model_init(struct mw_model *ret_model, const uint8_t *bytes, size_t n_bytes,
                  enum mw_rounding rounding, void *memory, size_t memory_bytes,
                  struct mw_model_fault *ret_why);

/* The int8 FULLY_CONNECTED that operator `layer` is, or NULL. For kernels and golden tests. */
struct mw_dense_s8 *mw_model_dense(const struct mw_model *model, uint32_t layer);

/* One inference. x int8 [n_in], y int8 [n_out]; may not overlap each other or the arena. Cannot
 * fail. An empty graph writes nothing. */
void mw_model_run(const struct mw_model *model, const int8_t *x, int8_t *y);

/* As run, layer by layer: after_layer gets each layer's output int8 [n]. For golden tests. */
void mw_model_run_traced(const struct mw_model *model, const int8_t *x, int8_t *y,
                         void (*after_layer)(void *ctx, uint32_t layer, const int8_t *out,
                                             uint32_t n),
                         void *ctx);

/* float to int8 and back. Source: TFLite reference/quantize.h: round half away from zero of x
 * divided by scale in float32, plus zero, clamped. NaN gives zero. */
void mw_quantize_s8(const struct mw_quant *q, const float *x, int8_t *ret_y, size_t n);
void mw_dequantize_s8(const struct mw_quant *q, const int8_t *x, float *ret_y, size_t n);

#endif
