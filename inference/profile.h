/* SPDX-License-Identifier: Apache-2.0 */
/* What a build of the engine may leave out, for firmware that counts its kilobytes. */
#ifndef MW_INFERENCE_PROFILE_H
#define MW_INFERENCE_PROFILE_H

/* Switches:
 *   MW_ENGINE_DENSE_ONLY  int8 FULLY_CONNECTED alone, each layer reading what the one before it
 *                         wrote; other models are refused, as everywhere
 *   MW_ENGINE_NO_WORDS    refusals have no text: the result says all, and operators are numbers
 *   MW_ENGINE_ONE_KERNEL  only the kernel for this core that needs no packed weights: DSP on
 *                         Cortex-M4, M7 and M33, tuned C elsewhere; every layer has it from the
 *                         beginning and nothing is there to choose
 *   MW_ENGINE_TINY        all three */
#ifdef MW_ENGINE_TINY
#undef MW_ENGINE_DENSE_ONLY
#undef MW_ENGINE_NO_WORDS
#undef MW_ENGINE_ONE_KERNEL
#define MW_ENGINE_DENSE_ONLY
#define MW_ENGINE_NO_WORDS
#define MW_ENGINE_ONE_KERNEL
#endif

#endif
