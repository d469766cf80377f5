/* SPDX-License-Identifier: Apache-2.0 */
/* The sections that refer to others: devices to buses and machines, faults to both. */
#include "simulator/scenario_parts.h"

#include <math.h>
#include <string.h>

#define YEAR_S (366 * 86400.0)

static const char *const MAPS[] = { "", "qm30vt2", "wtvb01", "list", NULL };
static const char *const HOLES[] = { "zero", "refuse", NULL };
static const char *const TABLES[] = { "", "coil", "discrete", "holding", "input", NULL };
static const char *const TYPES[] = { "int16", "uint16", "int32", "uint32", "float32", "bit", NULL };
static const char *const ORDERS[] = { "ABCD", "CDAB", "BADC", "DCBA", NULL };
static const char *const LAWS[] = { "step", "linear", "exponential", NULL };
static const char *const FAULTS[] = { "",
                                      "imbalance",
                                      "misalignment",
                                      "loose_mounting",
                                      "bearing_wear",
                                      "blocked_cooling",
                                      "stuck_sensor",
                                      "drifting_sensor",
                                      "dead_sensor",
                                      "dead_slave",
                                      NULL };

/* Texts refer to names; they are resolved after the fields are read. */
struct slave_draft {
    char name[MW_NAME_MAX + 1], bus[MW_NAME_MAX + 1], machine[MW_NAME_MAX + 1];
    uint64_t unit;
    int map, holes;
    double noise_pct;
};

struct cell_draft {
    char name[MW_NAME_MAX + 1], quantity[MW_NAME_MAX + 1], machine[MW_NAME_MAX + 1];
    uint64_t address;
    int kind, type, order;
    double scale, offset;
};

struct fault_draft {
    char machine[MW_NAME_MAX + 1], device[MW_NAME_MAX + 1], quantity[MW_NAME_MAX + 1];
    int kind, law;
    int64_t at_us, until_us, grow_us;
    uint64_t word;
};

#define AT(type, member) offsetof(struct type, member)
#define NAME(type, member, required)                                      \
    {                                                                     \
#member, FIELD_NAME, required, AT(type, member), NULL, 0, 0, NULL \
    }
#define WORD(type, member, required, words)                                \
    {                                                                      \
#member, FIELD_WORD, required, AT(type, member), NULL, 0, 0, words \
    }

static const struct field SLAVE[] = {
    NAME(slave_draft, name, true),
    NAME(slave_draft, bus, true),
    NAME(slave_draft, machine, true),
    { "unit", FIELD_INTEGER, true, AT(slave_draft, unit), NULL, 0, 255, NULL },
    WORD(slave_draft, map, true, MAPS),
    WORD(slave_draft, holes, false, HOLES),
    { "noise", FIELD_NUMBER, false, AT(slave_draft, noise_pct), "%", 0, 1000, NULL },
    { "registers", FIELD_NESTED, false, 0, NULL, 0, 0, NULL },
};

static const struct field CELL[] = {
    NAME(cell_draft, name, false),
    NAME(cell_draft, quantity, true),
    NAME(cell_draft, machine, false),
    { "address", FIELD_INTEGER, true, AT(cell_draft, address), NULL, 0, 65535, NULL },
    WORD(cell_draft, kind, false, TABLES),
    WORD(cell_draft, type, false, TYPES),
    WORD(cell_draft, order, false, ORDERS),
    { "scale", FIELD_NUMBER, false, AT(cell_draft, scale), NULL, -1e6, 1e6, NULL },
    { "offset", FIELD_NUMBER, false, AT(cell_draft, offset), NULL, -1e9, 1e9, NULL },
};

static const struct field FAULT[] = {
    WORD(fault_draft, kind, true, FAULTS),
    NAME(fault_draft, machine, false),
    NAME(fault_draft, device, false),
    NAME(fault_draft, quantity, false),
    { "at", FIELD_TIME, true, AT(fault_draft, at_us), NULL, 0, YEAR_S, NULL },
    { "until", FIELD_TIME, false, AT(fault_draft, until_us), NULL, 0, YEAR_S, NULL },
    WORD(fault_draft, law, false, LAWS),
    { "grow", FIELD_TIME, false, AT(fault_draft, grow_us), NULL, 0.001, YEAR_S, NULL },
    { "size", FIELD_NESTED, false, 0, NULL, 0, 0, NULL },
    { "word", FIELD_INTEGER, false, AT(fault_draft, word), NULL, 0, 65535, NULL },
};

static uint32_t find_machine(const struct scenario *s, const char *name)
{
    for (uint32_t i = 0; i < s->n_machines; i++)
        if (strcmp(s->machines[i].name, name) == 0)
            return i;
    return FAULT_NOWHERE;
}

static uint32_t find_wire(const struct scenario *s, const char *name)
{
    for (uint32_t i = 0; i < s->n_wires; i++)
        if (strcmp(s->wires[i].name, name) == 0)
            return i;
    return FAULT_NOWHERE;
}

static uint32_t find_slave(const struct scenario *s, const char *name)
{
    for (uint32_t i = 0; i < s->n_slaves; i++)
        if (strcmp(s->slaves[i].name, name) == 0)
            return i;
    return FAULT_NOWHERE;
}

static bool overlaps(const struct cell *a, const struct cell *b)
{
    return a->table == b->table && a->address < b->address + cell_width(b->type) &&
           b->address < a->address + cell_width(a->type);
}

/* What the fields of one register cannot say of themselves. */
static void check_cell(struct field_reader *r, yaml_node node, const struct scenario *s,
                       const struct slave_config *slave, const struct cell *c)
{
    bool bit_table = c->table == TABLE_COILS || c->table == TABLE_DISCRETE;
    if (bit_table != (c->type == CELL_BIT))
        field_complain(r, node, "type: coils and discrete inputs hold bits, registers hold none");
    if (c->scale == 0)
        field_complain(r, node, "scale: is 0");
    if (c->address + cell_width(c->type) > 65536)
        field_complain(r, node, "address: the value ends beyond 65535");
    if (c->machine != FAULT_NOWHERE && !machine_has(&s->machines[c->machine], c->quantity))
        field_complain(r, node, "quantity: machine '%s' has no %s", s->machines[c->machine].name,
                       quantity_name(c->quantity));
    for (uint32_t i = 0; i < slave->n_cells; i++) {
        if (overlaps(&slave->cells[i], c))
            field_complain(r, node, "address: overlaps register '%s'", slave->cells[i].name);
        if (strcmp(slave->cells[i].name, c->name) == 0)
            field_complain(r, node, "name: there is another register '%s'", c->name);
    }
}

static void read_cell(struct field_reader *r, yaml_node node, const struct scenario *s,
                      struct slave_config *slave, uint32_t machine)
{
    struct cell_draft d = { .kind = TABLE_HOLDING, .type = CELL_FLOAT32, .scale = 1 };
    if (!fields_read(r, node, CELL, FIELDS(CELL), &d))
        return;
    struct cell c = { .quantity = quantity_find(d.quantity),
                      .machine = d.machine[0] ? find_machine(s, d.machine) : machine,
                      .table = (enum table)d.kind,
                      .address = (uint16_t)d.address,
                      .type = (enum cell_type)d.type,
                      .order = (enum cell_order)d.order,
                      .scale = d.scale,
                      .offset = d.offset };
    memcpy(c.name, d.name[0] ? d.name : d.quantity, sizeof c.name);
    if (c.quantity == QUANTITY_NONE)
        field_complain(r, node, "quantity: there is no '%s'", d.quantity);
    if (d.machine[0] && c.machine == FAULT_NOWHERE)
        field_complain(r, node, "machine: there is no '%s'", d.machine);
    check_cell(r, node, s, slave, &c);
    slave->cells[slave->n_cells++] = c;
}

static void read_cells(struct field_reader *r, yaml_node node, const struct scenario *s,
                       struct slave_config *slave, uint32_t machine)
{
    size_t n;
    yaml_node list;
    const struct cell *cells = map_cells(slave->map, &n);
    for (size_t i = 0; i < n; i++) {
        slave->cells[i] = cells[i];
        slave->cells[i].machine = machine;
    }
    slave->n_cells = (uint32_t)n;
    if (!parts_list(r, node, "registers", SLAVE_MAX_CELLS, &list, &n))
        return;
    if ((slave->map == MAP_LIST) != (list != 0))
        field_complain(r, node, "registers: belong to map: list, and only there");
    else
        for (size_t i = 0; i < n; i++)
            read_cell(r, yaml_child(r->tree, list, i), s, slave, machine);
}

static void check_slave(struct field_reader *r, yaml_node node, const struct scenario *s,
                        const struct slave_config *slave)
{
    bool rtu = slave->wire != FAULT_NOWHERE && s->wires[slave->wire].rtu[0];
    if (rtu && (slave->unit < 1 || slave->unit > 247))
        field_complain(r, node, "unit: %u is not in 1 to 247 of an rtu bus", slave->unit);
    if (!rtu && slave->unit > 247 && slave->unit < 255)
        field_complain(r, node, "unit: %u is not in 0 to 247 or 255", slave->unit);
    for (const struct slave_config *other = s->slaves; other < slave; other++) {
        if (strcmp(other->name, slave->name) == 0)
            field_complain(r, node, "name: there is another device '%s'", slave->name);
        if (other->wire == slave->wire && other->unit == slave->unit)
            field_complain(r, node, "unit: %u is already that of '%s'", slave->unit, other->name);
    }
}

void parts_read_slave(struct field_reader *r, yaml_node node, struct scenario *s)
{
    struct slave_draft d = { .noise_pct = 100 };
    bool whole = fields_read(r, node, SLAVE, FIELDS(SLAVE), &d);
    uint32_t machine = find_machine(s, d.machine);
    struct slave_config *slave = &s->slaves[s->n_slaves++];
    *slave = (struct slave_config){ .wire = find_wire(s, d.bus),
                                    .unit = (uint8_t)d.unit,
                                    .map = (enum register_map)d.map,
                                    .refuse_holes = d.holes == 1,
                                    .noise = d.noise_pct / 100 };
    memcpy(slave->name, d.name, sizeof slave->name);
    if (!whole)
        return; /* its name stays known, so that one error does not cause others */
    if (slave->wire == FAULT_NOWHERE)
        field_complain(r, node, "bus: there is no '%s'", d.bus);
    if (machine == FAULT_NOWHERE)
        field_complain(r, node, "machine: there is no '%s'", d.machine);
    check_slave(r, node, s, slave);
    read_cells(r, node, s, slave, machine);
}

static bool measures(const struct slave_config *slave, enum quantity q)
{
    for (uint32_t i = 0; i < slave->n_cells; i++)
        if (slave->cells[i].quantity == q)
            return true;
    return false;
}

static void check_place(struct field_reader *r, yaml_node node, const struct scenario *s,
                        const struct fault *f, const struct fault_draft *d)
{
    bool of_sensor = f->kind >= FAULT_STUCK_SENSOR;
    if (of_sensor != (d->device[0] != '\0') || of_sensor == (d->machine[0] != '\0'))
        field_complain(r, node, "%s needs %s:, and only that", fault_name(f->kind),
                       of_sensor ? "device" : "machine");
    if (d->machine[0] && f->machine == FAULT_NOWHERE)
        field_complain(r, node, "machine: there is no '%s'", d->machine);
    if (d->device[0] && f->slave == FAULT_NOWHERE)
        field_complain(r, node, "device: there is no '%s'", d->device);
    if (d->quantity[0] && (!of_sensor || f->kind == FAULT_DEAD_SLAVE))
        field_complain(r, node, "quantity: %s acts on all it can", fault_name(f->kind));
    if (d->quantity[0] && f->quantity == QUANTITY_NONE)
        field_complain(r, node, "quantity: there is no '%s'", d->quantity);
    if (f->quantity && f->slave != FAULT_NOWHERE && s->slaves[f->slave].n_cells > 0 &&
        !measures(&s->slaves[f->slave], f->quantity))
        field_complain(r, node, "quantity: '%s' does not measure %s", d->device, d->quantity);
    if (f->kind == FAULT_DRIFTING_SENSOR && !d->quantity[0])
        field_complain(r, node, "quantity: is missing");
}

static void check_course(struct field_reader *r, yaml_node node, const struct fault *f)
{
    bool has_size = f->kind <= FAULT_BLOCKED_COOLING || f->kind == FAULT_DRIFTING_SENSOR;
    bool given = yaml_find(r->tree, node, "size") != 0;
    bool grows = f->law != FAULT_STEP;
    if (f->until_us != 0 && f->until_us <= f->at_us)
        field_complain(r, node, "until: is not after at");
    if (has_size != given)
        field_complain(r, node, "size: %s", has_size ? "is missing" : "this fault has none");
    if (grows != (f->grow_us != 0))
        field_complain(r, node, "grow: goes with law linear or exponential, and only there");
    if (grows && !has_size)
        field_complain(r, node, "law: %s is there or not", fault_name(f->kind));
    if (yaml_find(r->tree, node, "word") && f->kind != FAULT_DEAD_SENSOR)
        field_complain(r, node, "word: belongs to dead_sensor");
}

static void read_size(struct field_reader *r, yaml_node node, struct fault *f)
{
    yaml_node size = yaml_find(r->tree, node, "size");
    bool drift = f->kind == FAULT_DRIFTING_SENSOR;
    const char *unit = drift ? quantity_unit(f->quantity) : fault_unit(f->kind);
    if (!size)
        return;
    if (!field_number(yaml_text(r->tree, size), unit, &f->size) || fabs(f->size) > 1e6 ||
        (!drift && f->size < 0))
        field_complain(r, size, "size: '%.40s' is not a number%s%s%s", yaml_text(r->tree, size),
                       drift ? "" : " from 0 up", unit[0] ? " followed by its unit, " : "", unit);
}

void parts_read_fault(struct field_reader *r, yaml_node node, struct scenario *s)
{
    struct fault_draft d = { .word = 0xffff };
    if (!fields_read(r, node, FAULT, FIELDS(FAULT), &d))
        return;
    struct fault f = { .kind = (enum fault_kind)d.kind,
                       .law = (enum fault_law)d.law,
                       .at_us = d.at_us,
                       .until_us = d.until_us,
                       .grow_us = d.grow_us,
                       .machine = find_machine(s, d.machine),
                       .slave = find_slave(s, d.device),
                       .quantity = quantity_find(d.quantity),
                       .word = (uint16_t)d.word };
    check_place(r, node, s, &f, &d);
    check_course(r, node, &f);
    read_size(r, node, &f);
    s->faults[s->n_faults++] = f;
}

uint32_t scenario_fault_machine(const struct scenario *s, const struct fault *fault)
{
    if (fault->slave == FAULT_NOWHERE)
        return fault->machine;
    const struct slave_config *slave = &s->slaves[fault->slave];
    for (uint32_t i = 1; i < slave->n_cells; i++)
        if (slave->cells[i].machine != slave->cells[0].machine)
            return FAULT_NOWHERE;
    return slave->cells[0].machine;
}

bool scenario_fault_touches(const struct scenario *s, const struct fault *fault, uint32_t slave,
                            uint32_t cell)
{
    const struct cell *c = &s->slaves[slave].cells[cell];
    if (fault->slave != FAULT_NOWHERE)
        return fault->slave == slave &&
               (fault->quantity == QUANTITY_NONE || fault->quantity == c->quantity);
    return fault->machine == c->machine && fault_moves(fault->kind, c->quantity);
}
