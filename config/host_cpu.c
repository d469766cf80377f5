/* SPDX-License-Identifier: Apache-2.0 */
#include "config/host_cpu.h"
#include "inference/cpu.h"

#if defined(__aarch64__) || defined(__arm__)
#include <sys/auxv.h>
#endif

/* Bits of AT_HWCAP. Source: Linux arch/arm64 and arch/arm, uapi/asm/hwcap.h. */
#define ARM64_ASIMD   (1UL << 1)
#define ARM64_ASIMDDP (1UL << 20)
#define ARM32_NEON    (1UL << 12)

uint32_t host_cpu(void)
{
    uint32_t cpu = MW_CPU_ROWS;
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx2"))
        cpu |= MW_CPU_AVX2;
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512vnni"))
        cpu |= MW_CPU_AVX512_VNNI;
#elif defined(__aarch64__)
    unsigned long hwcap = getauxval(AT_HWCAP);
    cpu |= hwcap & ARM64_ASIMD ? MW_CPU_NEON : 0;
    cpu |= hwcap & ARM64_ASIMDDP ? MW_CPU_DOTPROD : 0;
#elif defined(__arm__)
    cpu |= getauxval(AT_HWCAP) & ARM32_NEON ? MW_CPU_NEON : 0;
#endif
    return cpu;
}
