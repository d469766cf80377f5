/* SPDX-License-Identifier: Apache-2.0 */
#include "simulator/hall.h"

#include "base/result.h"

#include <assert.h>
#include <string.h>

static_assert(SCENARIO_MAX_SLAVES < UINT16_MAX, "a slave's number from 1 fits");

static uint32_t find(const struct hall *hall, uint8_t unit)
{
    return hall->of_unit[unit] ? hall->of_unit[unit] - 1u : FAULT_NOWHERE;
}

static bool answers(void *ctx, uint8_t unit)
{
    const struct hall *hall = ctx;
    uint32_t slave = find(hall, unit);
    return slave != FAULT_NOWHERE && world_answers(hall->world, slave);
}

/* First and last register in use; false where the slave has none of this table. */
static bool extent(const struct slave_config *slave, enum table table, uint32_t *ret_first,
                   uint32_t *ret_end)
{
    uint32_t first = UINT32_MAX, end = 0;
    for (uint32_t i = 0; i < slave->n_cells; i++) {
        const struct cell *c = &slave->cells[i];
        if (c->table != table)
            continue;
        uint32_t c_end = (uint32_t)c->address + cell_width(c->type);
        first = c->address < first ? c->address : first;
        end = c_end > end ? c_end : end;
    }
    *ret_first = first;
    *ret_end = end;
    return end > 0;
}

static bool has_table(void *ctx, uint8_t unit, enum table table)
{
    const struct hall *hall = ctx;
    uint32_t first, end, slave = find(hall, unit);
    return slave != FAULT_NOWHERE && extent(&hall->scenario->slaves[slave], table, &first, &end);
}

/* Copies what of one cell lies in the read; returns how many words that are. */
static uint32_t copy_cell(const struct hall *hall, uint32_t slave, uint32_t cell,
                          const struct pdu_read *read, uint16_t *ret_words)
{
    uint16_t words[2];
    const struct cell *c = &hall->scenario->slaves[slave].cells[cell];
    uint32_t n = 0, width = cell_width(c->type), end = (uint32_t)read->address + read->count;
    if (c->table != read->table || c->address >= end || c->address + width <= read->address)
        return 0;
    world_registers(hall->world, slave, cell, words);
    for (uint32_t k = 0; k < width; k++) {
        uint32_t at = c->address + k;
        if (at < read->address || at >= end)
            continue;
        ret_words[at - read->address] = words[k];
        n++;
    }
    return n;
}

static int read_slave(void *ctx, const struct pdu_read *read, uint16_t *ret_words)
{
    const struct hall *hall = ctx;
    uint32_t first, end, n_used = 0, slave = find(hall, read->unit);
    const struct slave_config *s = &hall->scenario->slaves[slave];
    if (!extent(s, read->table, &first, &end) || read->address < first ||
        (uint32_t)read->address + read->count > end)
        return MW_ERR_NOT_FOUND;
    memset(ret_words, 0, read->count * sizeof *ret_words);
    for (uint32_t i = 0; i < s->n_cells; i++)
        n_used += copy_cell(hall, slave, i, read, ret_words);
    return s->refuse_holes && n_used < read->count ? MW_ERR_NOT_FOUND : MW_OK;
}

static void answered(void *ctx, const struct pdu_read *read, int token, int64_t now_us)
{
    struct hall *hall = ctx;
    (void)read;
    (void)token;
    (void)now_us;
    hall->n_served++;
}

struct pdu_bank hall_bank(struct hall *hall)
{
    for (uint32_t i = hall->scenario->n_slaves; i-- > 0;)
        if (hall->scenario->slaves[i].wire == hall->wire)
            hall->of_unit[hall->scenario->slaves[i].unit] = (uint16_t)(i + 1);
    return (struct pdu_bank){ .answers = answers,
                              .has_table = has_table,
                              .read = read_slave,
                              .answered = answered,
                              .ctx = hall };
}
