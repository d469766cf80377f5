/* SPDX-License-Identifier: Apache-2.0 */
/* What the processor under the program has, in the words of inference/cpu.h. The engine
 * does not ask; the programs do, once, when a model is loaded. */
#ifndef MW_CONFIG_HOST_CPU_H
#define MW_CONFIG_HOST_CPU_H

#include <stdint.h>

/* enum mw_cpu bits. Source: cpuid on x86-64, getauxval(AT_HWCAP) on Arm. */
uint32_t host_cpu(void);

#endif
