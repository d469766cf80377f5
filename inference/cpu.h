/* SPDX-License-Identifier: Apache-2.0 */
/* What the engine is told of the processor. Named by whoever knows it: the programs ask the
 * operating system, firmware knows its core. */
#ifndef MW_INFERENCE_CPU_H
#define MW_INFERENCE_CPU_H

/* What a processor has; bits. Those of another architecture mean nothing and do no harm. */
enum mw_cpu {
    MW_CPU_ROWS = 1 << 0, /* the tuned plain C: no instruction beyond the target's own */
    MW_CPU_AVX2 = 1 << 1,
    MW_CPU_AVX512_VNNI = 1 << 2, /* with AVX-512 F, BW, DQ and VL */
    MW_CPU_NEON = 1 << 3,        /* Advanced SIMD, AArch64 and ARMv7-A */
    MW_CPU_DOTPROD = 1 << 4,     /* SDOT of ARMv8.2 and later */
    MW_CPU_DSP = 1 << 5,         /* the DSP extension of ARMv7E-M and ARMv8-M */
    MW_CPU_MVE = 1 << 6,         /* integer MVE of ARMv8.1-M */
};

#define MW_DENSE_PACKED_ALIGN 64 /* of the memory for packed weights */

#endif
