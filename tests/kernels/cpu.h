/* SPDX-License-Identifier: Apache-2.0 */
/* CPU_BITS of the command line: a number, or `host` where there is an operating system to ask. */
#ifndef MW_TESTS_KERNELS_CPU_H
#define MW_TESTS_KERNELS_CPU_H

#include <stdint.h>
#include <stdlib.h>
#ifdef __linux__
#include "config/host_cpu.h"
#include <string.h>
#endif

static inline uint32_t cpu_bits(const char *text)
{
#ifdef __linux__
    if (strcmp(text, "host") == 0)
        return host_cpu();
#endif
    return (uint32_t)strtoul(text, NULL, 0);
}

#endif
