/* SPDX-License-Identifier: Apache-2.0 */
/* Gives a loaded model the fastest kernels that the processor has. Called once after
 * mw_model_init by whoever knows the processor and has memory to spare: the daemon, the command
 * line, firmware. A model that nobody accelerates runs the reference kernels. */
#ifndef MW_INFERENCE_ACCELERATE_H
#define MW_INFERENCE_ACCELERATE_H

#include "inference/cpu.h"
#include "inference/model.h"

/* How many bytes mw_model_accelerate asks for; 0 is possible. cpu: enum mw_cpu bits. */
size_t mw_model_packed_bytes(const struct mw_model *model, uint32_t cpu);

/* Gives every layer the fastest kernel that the processor has and that suits the layer; the bytes
 * that come out stay the same. May be called again, also with cpu 0 for the reference.
 *   cpu     enum mw_cpu bits of inference/cpu.h: what the processor has
 *   packed  aligned to 64, at least mw_model_packed_bytes; borrowed while the model is in use.
 *           NULL: only kernels that need no packed weights
 * MW_ERR_NO_MEMORY where packed_bytes is too small; the model is untouched then. */
int mw_model_accelerate(struct mw_model *model, uint32_t cpu, void *packed, size_t packed_bytes);

#endif
