/* SPDX-License-Identifier: Apache-2.0 */
#include "fieldbus/refusals.h"

#include <assert.h>

/* The range from address on holds the whole refusal. */
static bool holds(uint32_t device, enum register_kind kind, uint32_t address, uint32_t count,
                  const struct refusal *r)
{
    return r->device == device && r->kind == kind && r->address >= address &&
           (uint32_t)r->address + r->count <= address + count;
}

void refusals_forget(struct refusals *refusals, uint32_t device, enum register_kind kind,
                     uint16_t address, uint16_t count)
{
    size_t n = 0;
    for (size_t i = 0; i < refusals->n; i++)
        if (!holds(device, kind, address, count, &refusals->items[i]))
            refusals->items[n++] = refusals->items[i];
    refusals->n = n;
}

void refusals_drop(struct refusals *refusals, size_t i)
{
    refusals->items[i] = refusals->items[--refusals->n];
}

bool refusals_meet(const struct refusals *refusals, uint32_t device, enum register_kind kind,
                   uint32_t address, uint32_t count)
{
    for (size_t i = 0; i < refusals->n; i++)
        if (holds(device, kind, address, count, &refusals->items[i]))
            return true;
    return false;
}

static bool is_within(const struct refusal *small, const struct refusal *large)
{
    return holds(large->device, large->kind, large->address, large->count, small);
}

void refusals_add(struct refusals *refusals, const struct refusal *refusal)
{
    if (refusals_meet(refusals, refusal->device, refusal->kind, refusal->address, refusal->count))
        return;
    size_t n = 0;
    for (size_t i = 0; i < refusals->n; i++)
        if (!is_within(refusal, &refusals->items[i]))
            refusals->items[n++] = refusals->items[i];
    assert(n < refusals->cap);
    refusals->items[n++] = *refusal;
    refusals->n = n;
}
