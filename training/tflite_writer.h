/* SPDX-License-Identifier: Apache-2.0 */
/* Writes a standard .tflite file (schema version 3): one chain of int8 FULLY_CONNECTED operators,
 * or of int16 ones behind a QUANTIZE where the network is fine, and the detector card in the
 * metadata "millwright.card". Source: tensorflow/lite/schema/schema.fbs; the operators as TFLite
 * Micro's reference kernels read them. */
#ifndef TRAINING_TFLITE_WRITER_H
#define TRAINING_TFLITE_WRITER_H

#include "training/quantize.h"

#include <stddef.h>
#include <stdint.h>

/* net  NULL: a graph without an operator, for a detector that needs no network. The caller frees
 * *ret_bytes. MW_ERR_NO_MEMORY. */
int tflite_write(uint8_t **ret_bytes, size_t *ret_n_bytes, const struct quantized *net,
                 const uint8_t *card, size_t n_card);

#endif
