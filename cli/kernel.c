/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/kernel.h"
#include "config/host_cpu.h"
#include "inference/accelerate.h"
#include "inference/dense_kernel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct mw_dense_kernel *find(const char *name)
{
    const struct mw_dense_kernel *kernel;
    for (uint32_t i = 0; (kernel = mw_dense_kernel_at(i)); i++)
        if (strcmp(kernel->name, name) == 0)
            return kernel;
    return NULL;
}

bool kernel_cpu(const char *verb, const char *name, uint32_t *ret_cpu)
{
    uint32_t host = host_cpu();
    if (!name || strcmp(name, "auto") == 0) {
        *ret_cpu = host;
        return true;
    }
    const struct mw_dense_kernel *kernel = find(name);
    if (kernel && (kernel->cpu & ~host) == 0) {
        *ret_cpu = kernel->cpu;
        return true;
    }
    fprintf(stderr, "%s: --kernel %.64s: %s; there are: auto", verb, name,
            kernel ? "this processor cannot run it" : "is none");
    for (uint32_t i = 0; (kernel = mw_dense_kernel_at(i)); i++)
        if ((kernel->cpu & ~host) == 0)
            fprintf(stderr, ", %s", kernel->name);
    fputc('\n', stderr);
    return false;
}

void kernel_accelerate(struct mw_model *model, uint32_t cpu, void **ret_packed)
{
    size_t n = mw_model_packed_bytes(model, cpu);
    void *packed = n ? aligned_alloc(MW_DENSE_PACKED_ALIGN, n) : NULL;
    mw_model_accelerate(model, cpu, packed, n);
    *ret_packed = packed;
}
