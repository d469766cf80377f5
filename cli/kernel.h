/* SPDX-License-Identifier: Apache-2.0 */
/* Which of the engine's kernels a verb runs: --kernel NAME|auto|reference. */
#ifndef MW_CLI_KERNEL_H
#define MW_CLI_KERNEL_H

#include "inference/model.h"

#include <stdbool.h>

/* The enum mw_cpu bits for a kernel's name; NULL or "auto": all that this processor has. False, and
 * said on stderr after verb, where there is no such kernel or this processor cannot run it. */
bool kernel_cpu(const char *verb, const char *name, uint32_t *ret_cpu);

/* mw_model_accelerate with memory from the heap, which the caller frees; without it, less fast. */
void kernel_accelerate(struct mw_model *model, uint32_t cpu, void **ret_packed);

#endif
