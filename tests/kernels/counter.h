/* SPDX-License-Identifier: Apache-2.0 */
/* Instructions executed so far, where a bare target under `qemu -icount shift=0` has a counter of
 * them. Under -icount an instruction is a nanosecond, so a Cortex-M's SysTick at MW_CLOCK_MHZ, the
 * board's, ticks once in 1000 / MW_CLOCK_MHZ instructions; RISC-V counts them itself. Elsewhere 0:
 * count with the plugin. */
#ifndef MW_TESTS_KERNELS_COUNTER_H
#define MW_TESTS_KERNELS_COUNTER_H

#include <stdint.h>

#if defined(__arm__) && __ARM_ARCH_PROFILE == 'M'

#define COUNTER_SPAN UINT32_C(0x1000000)

static volatile uint32_t *const systick = (volatile uint32_t *)0xe000e010;

/* VAL is 0 until the first reload; a reading before it says nothing. */
static inline void counter_start(void)
{
    systick[1] = COUNTER_SPAN - 1;
    systick[2] = 0;
    systick[0] = 5;
    while (systick[2] == 0)
        continue;
}

static inline uint32_t counter_read(void)
{
    return COUNTER_SPAN - 1 - systick[2];
}

/* Between two readings at most one span apart. */
static inline uint64_t counter_instructions(uint32_t from, uint32_t to)
{
    return (uint64_t)((to - from) & (COUNTER_SPAN - 1)) * 1000 / MW_CLOCK_MHZ;
}

#elif defined(__riscv)

static inline void counter_start(void)
{
}

static inline uint32_t counter_read(void)
{
    uint32_t n;
    __asm__ volatile(".option push\n.option arch, +zicsr\ncsrr %0, minstret\n.option pop"
                     : "=r"(n));
    return n;
}

static inline uint64_t counter_instructions(uint32_t from, uint32_t to)
{
    return to - from;
}

#else

static inline void counter_start(void)
{
}

static inline uint32_t counter_read(void)
{
    return 0;
}

static inline uint64_t counter_instructions(uint32_t from, uint32_t to)
{
    return to - from;
}

#endif

/* Exactly 2 * turns instructions, and a handful around them: what a counter is proved on. */
static inline void counter_loop(uint32_t turns)
{
#if defined(__aarch64__)
    __asm__ volatile("1: subs %w0, %w0, #1\n b.ne 1b" : "+r"(turns) : : "cc");
#elif defined(__arm__)
    __asm__ volatile(".syntax unified\n1: subs %0, %0, #1\n bne 1b" : "+l"(turns) : : "cc");
#elif defined(__riscv)
    __asm__ volatile("1: addi %0, %0, -1\n bnez %0, 1b" : "+r"(turns));
#elif defined(__x86_64__)
    __asm__ volatile("1: sub $1, %0\n jnz 1b" : "+r"(turns) : : "cc");
#endif
}

#endif
