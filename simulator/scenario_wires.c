/* SPDX-License-Identifier: Apache-2.0 */
/* The buses and what goes wrong on them. */
#include "simulator/scenario_parts.h"

#include <assert.h>
#include <string.h>

#define YEAR_S            (366 * 86400.0)
#define RTU_TURNAROUND_US 2000

static const char *const KINDS[] = { "",
                                     "silence",
                                     "late",
                                     "duplicate",
                                     "wrong_unit",
                                     "busy",
                                     "exception",
                                     "bit_flip",
                                     "lost_byte",
                                     "collision",
                                     "second_master",
                                     "babble",
                                     "stuck_line",
                                     "unplug",
                                     "reset",
                                     "black_hole",
                                     "half_open",
                                     "idle_close",
                                     "wrong_transaction",
                                     "wrong_protocol",
                                     "wrong_length",
                                     "trailing",
                                     "drip",
                                     "one_client",
                                     "refuse_first",
                                     "ignore_first",
                                     NULL };
static_assert(sizeof KINDS / sizeof KINDS[0] == DISTURBANCE_KIND_COUNT + 1, "one word per kind");

static const char *const PARITIES[] = { "", "none", "even", "odd", NULL };
static const char PARITY_LETTERS[] = { 'E', 'N', 'E', 'O' }; /* by the word; not given: even */
static const char *const FRAMINGS[] = { "tcp", "rtu", NULL };

struct wire_draft {
    struct wire_config wire;
    uint64_t port, baud, stop_bits, seed;
    int parity, framing;
};

#define AT(type, member) offsetof(struct type, member)

static const struct field WIRE[] = {
    { "name", FIELD_NAME, true, AT(wire_draft, wire.name), NULL, 0, 0, NULL },
    { "rtu", FIELD_TEXT, false, AT(wire_draft, wire.rtu), NULL, 0, 256, NULL },
    { "tcp", FIELD_INTEGER, false, AT(wire_draft, port), NULL, 0, 65535, NULL },
    { "host", FIELD_TEXT, false, AT(wire_draft, wire.host), NULL, 0, 64, NULL },
    { "framing", FIELD_WORD, false, AT(wire_draft, framing), NULL, 0, 0, FRAMINGS },
    { "baud", FIELD_INTEGER, false, AT(wire_draft, baud), NULL, 300, 4000000, NULL },
    { "parity", FIELD_WORD, false, AT(wire_draft, parity), NULL, 0, 0, PARITIES },
    { "stop_bits", FIELD_INTEGER, false, AT(wire_draft, stop_bits), NULL, 1, 2, NULL },
    { "turnaround", FIELD_TIME, false, AT(wire_draft, wire.turnaround_us), NULL, 0, 10, NULL },
    { "spread", FIELD_TIME, false, AT(wire_draft, wire.spread_us), NULL, 0, 10, NULL },
    { "seed", FIELD_INTEGER, false, AT(wire_draft, seed), NULL, 0, 1.8e19, NULL },
    { "disturbances", FIELD_NESTED, false, 0, NULL, 0, 0, NULL },
};

struct disturbance_draft {
    int kind;
    uint64_t unit, code, address, count;
    double rate_pct;
    int64_t at_us, for_us, every_us, delay_us, up_to_us;
};

static const struct field DISTURBANCE[] = {
    { "kind", FIELD_WORD, true, AT(disturbance_draft, kind), NULL, 0, 0, KINDS },
    { "unit", FIELD_INTEGER, false, AT(disturbance_draft, unit), NULL, 1, 255, NULL },
    { "rate", FIELD_NUMBER, false, AT(disturbance_draft, rate_pct), "%", 0, 100, NULL },
    { "at", FIELD_TIME, false, AT(disturbance_draft, at_us), NULL, 0, YEAR_S, NULL },
    { "for", FIELD_TIME, false, AT(disturbance_draft, for_us), NULL, 0.001, YEAR_S, NULL },
    { "every", FIELD_TIME, false, AT(disturbance_draft, every_us), NULL, 0.01, YEAR_S, NULL },
    { "delay", FIELD_TIME, false, AT(disturbance_draft, delay_us), NULL, 0, 3600, NULL },
    { "up_to", FIELD_TIME, false, AT(disturbance_draft, up_to_us), NULL, 0, 3600, NULL },
    { "code", FIELD_INTEGER, false, AT(disturbance_draft, code), NULL, 1, 255, NULL },
    { "address", FIELD_INTEGER, false, AT(disturbance_draft, address), NULL, 0, 65535, NULL },
    { "count", FIELD_INTEGER, false, AT(disturbance_draft, count), NULL, 1, 125, NULL },
};

static bool given(struct field_reader *r, yaml_node node, const char *key)
{
    return yaml_find(r->tree, node, key) != 0;
}

/* Does a bus of this sort have such a disturbance? */
static bool belongs(enum disturbance_kind kind, const struct wire_config *wire)
{
    if (kind < DISTURBANCE_BIT_FLIP)
        return true;
    if (wire->rtu[0])
        return kind < DISTURBANCE_RESET;
    if (kind == DISTURBANCE_BIT_FLIP || kind == DISTURBANCE_LOST_BYTE)
        return wire->rtu_over_tcp;
    bool of_header = kind >= DISTURBANCE_WRONG_TRANSACTION && kind <= DISTURBANCE_WRONG_LENGTH;
    return kind >= DISTURBANCE_RESET && !(of_header && wire->rtu_over_tcp);
}

static bool lasts(enum disturbance_kind kind)
{
    return kind == DISTURBANCE_BABBLE || kind == DISTURBANCE_STUCK_LINE ||
           kind == DISTURBANCE_UNPLUG;
}

static bool of_connection(enum disturbance_kind kind)
{
    return kind == DISTURBANCE_IDLE_CLOSE || kind == DISTURBANCE_ONE_CLIENT;
}

/* When it acts, and on whom. */
static void check_times(struct field_reader *r, yaml_node node, const struct disturbance *d)
{
    const char *name = disturbance_name(d->kind);
    bool begins = d->kind == DISTURBANCE_SECOND_MASTER;
    if (d->every_us > 0 && d->for_us >= d->every_us)
        field_complain(r, node, "for: is not shorter than every");
    if (d->every_us > 0 && d->for_us == 0 && !begins)
        field_complain(r, node, "every: needs for");
    if (lasts(d->kind) && d->for_us == 0)
        field_complain(r, node, "for: is missing: how long %s lasts", name);
    if ((lasts(d->kind) || begins) && given(r, node, "rate"))
        field_complain(r, node, "rate: %s goes by at, for and every", name);
    if (begins && given(r, node, "for"))
        field_complain(r, node, "for: %s has none", name);
    if ((lasts(d->kind) || of_connection(d->kind)) && given(r, node, "unit"))
        field_complain(r, node, "unit: %s is of the whole bus", name);
}

static void check_details(struct field_reader *r, yaml_node node, const struct disturbance *d)
{
    const char *name = disturbance_name(d->kind);
    bool needs_delay = d->kind == DISTURBANCE_LATE || d->kind == DISTURBANCE_DRIP ||
                       d->kind == DISTURBANCE_IDLE_CLOSE;
    bool has_delay = needs_delay || d->kind == DISTURBANCE_DUPLICATE;
    if (needs_delay && !given(r, node, "delay"))
        field_complain(r, node, "delay: is missing");
    if (!has_delay && (given(r, node, "delay") || given(r, node, "up_to")))
        field_complain(r, node, "delay: %s has none", name);
    if (given(r, node, "up_to") && d->max_us < d->min_us)
        field_complain(r, node, "up_to: is shorter than delay");
    if ((d->kind == DISTURBANCE_EXCEPTION) != given(r, node, "code"))
        field_complain(r, node, "code: belongs to exception, and must be there");
    if (d->kind != DISTURBANCE_SECOND_MASTER &&
        (given(r, node, "address") || given(r, node, "count")))
        field_complain(r, node, "address: and count: belong to second_master");
}

static void read_disturbance(struct field_reader *r, yaml_node node, struct wire_config *wire)
{
    struct disturbance_draft draft = { .rate_pct = 100, .up_to_us = -1, .count = 1 };
    if (!fields_read(r, node, DISTURBANCE, FIELDS(DISTURBANCE), &draft))
        return;
    struct disturbance d = { .kind = (enum disturbance_kind)draft.kind,
                             .unit = (uint8_t)draft.unit,
                             .rate = draft.rate_pct / 100,
                             .at_us = draft.at_us,
                             .for_us = draft.for_us,
                             .every_us = draft.every_us,
                             .min_us = draft.delay_us,
                             .max_us = draft.up_to_us < 0 ? draft.delay_us : draft.up_to_us,
                             .exception = (uint8_t)draft.code,
                             .address = (uint16_t)draft.address,
                             .count = (uint16_t)draft.count };
    if (!belongs(d.kind, wire))
        field_complain(r, node, "kind: %s does not happen on this sort of bus",
                       disturbance_name(d.kind));
    check_times(r, node, &d);
    check_details(r, node, &d);
    wire->disturbances[wire->n_disturbances++] = d;
}

static void check_kind(struct field_reader *r, yaml_node node)
{
    static const char *const of_rtu[] = { "baud", "parity", "stop_bits" };
    static const char *const of_tcp[] = { "host", "framing" };
    bool tcp = given(r, node, "tcp");
    if (tcp == given(r, node, "rtu")) {
        field_complain(r, node, "a bus is either rtu: PATH or tcp: PORT");
        return;
    }
    for (size_t i = 0; tcp && i < sizeof of_rtu / sizeof of_rtu[0]; i++)
        if (given(r, node, of_rtu[i]))
            field_complain(r, node, "%s: belongs to an rtu bus", of_rtu[i]);
    for (size_t i = 0; !tcp && i < sizeof of_tcp / sizeof of_tcp[0]; i++)
        if (given(r, node, of_tcp[i]))
            field_complain(r, node, "%s: belongs to a tcp bus", of_tcp[i]);
    if (!given(r, node, "baud") && (given(r, node, "parity") || given(r, node, "stop_bits")))
        field_complain(r, node, "parity: and stop_bits: need baud");
}

void parts_read_wire(struct field_reader *r, yaml_node node, struct scenario *s)
{
    struct wire_draft draft = { .wire = { .host = "127.0.0.1" } };
    yaml_node list;
    size_t n;
    if (!given(r, node, "tcp"))
        draft.wire.turnaround_us = RTU_TURNAROUND_US;
    fields_read(r, node, WIRE, FIELDS(WIRE), &draft);
    check_kind(r, node);
    for (uint32_t i = 0; i < s->n_wires; i++)
        if (strcmp(s->wires[i].name, draft.wire.name) == 0)
            field_complain(r, node, "name: there is another bus '%s'", draft.wire.name);
    draft.wire.port = (uint16_t)draft.port;
    draft.wire.baud = (uint32_t)draft.baud;
    draft.wire.parity = PARITY_LETTERS[draft.parity];
    draft.wire.stop_bits = (uint8_t)draft.stop_bits;
    draft.wire.rtu_over_tcp = draft.framing == 1;
    draft.wire.has_seed = given(r, node, "seed");
    draft.wire.seed = draft.seed;
    if (parts_list(r, node, "disturbances", DISTURBANCE_MAX, &list, &n))
        for (size_t i = 0; i < n; i++)
            read_disturbance(r, yaml_child(r->tree, list, i), &draft.wire);
    s->wires[s->n_wires++] = draft.wire;
}
