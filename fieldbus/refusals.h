/* SPDX-License-Identifier: Apache-2.0 */
/* Address ranges that devices refuse to hand over, as learned from their exceptions. A range in the
 * list contains no other one of the list: what is remembered is the smallest that was refused, a
 * register that does not exist or two that may not be read together. Pure; belongs to a plan. */
#ifndef MW_FIELDBUS_REFUSALS_H
#define MW_FIELDBUS_REFUSALS_H

#include "fieldbus/device.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct refusal {
    uint32_t device; /* index into the bus's devices */
    enum register_kind kind;
    uint16_t address, count; /* registers, or bits */
    uint8_t exception;
    int64_t since_us; /* monotonic */
};

/* Memory of the caller: room for as many ranges as there are different first addresses. */
struct refusals {
    struct refusal *items;
    size_t n, cap;
};

/* Remembers the range, unless a smaller one explains it already, and forgets those that it
 * explains. */
void refusals_add(struct refusals *refusals, const struct refusal *refusal);

/* The device handed this range over after all: nothing within it is refused any longer. */
void refusals_forget(struct refusals *refusals, uint32_t device, enum register_kind kind,
                     uint16_t address, uint16_t count);

/* Forgets one; the last takes its place. */
void refusals_drop(struct refusals *refusals, size_t i);

/* A request for this range would be refused. */
bool refusals_meet(const struct refusals *refusals, uint32_t device, enum register_kind kind,
                   uint32_t address, uint32_t count);

#endif
