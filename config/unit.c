/* SPDX-License-Identifier: Apache-2.0 */
#include "config/unit.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

/* Inch: 25.4 mm exactly (International yard and pound agreement, 1959). Standard acceleration of
 * gravity: 9.80665 m/s2 exactly (3rd CGPM, 1901). 0 degC: 273.15 K exactly. */
#define MM_PER_INCH 25.4
#define M_S2_PER_G  9.80665
#define ZERO_DEGC_K 273.15

static const struct unit UNITS[] = {
    { "mm/s", "mm/s", 1, 0 },
    { "in/s", "mm/s", MM_PER_INCH, 0 },
    { "ips", "mm/s", MM_PER_INCH, 0 },
    { "cm/s", "mm/s", 10, 0 },
    { "m/s", "mm/s", 1000, 0 },
    { "um/s", "mm/s", 0.001, 0 },
    { "g", "g", 1, 0 },
    { "mg", "g", 0.001, 0 },
    { "m/s2", "g", 1 / M_S2_PER_G, 0 },
    { "m/s^2", "g", 1 / M_S2_PER_G, 0 },
    { "mm/s2", "g", 0.001 / M_S2_PER_G, 0 },
    { "degC", "degC", 1, 0 },
    { "degF", "degC", 1 / 1.8, -32 / 1.8 },
    { "K", "degC", 1, -ZERO_DEGC_K },
    { "A", "A", 1, 0 },
    { "mA", "A", 0.001, 0 },
    { "kA", "A", 1000, 0 },
    { "um", "um", 1, 0 },
    { "mil", "um", MM_PER_INCH, 0 },
    { "Hz", "Hz", 1, 0 },
    { "kHz", "Hz", 1000, 0 },
    { "W", "W", 1, 0 },
    { "mW", "W", 0.001, 0 },
    { "kW", "W", 1000, 0 },
    { "MW", "W", 1000000, 0 },
    { "V", "V", 1, 0 },
    { "mV", "V", 0.001, 0 },
    { "kV", "V", 1000, 0 },
};
#define N_UNITS (sizeof UNITS / sizeof UNITS[0])

const struct unit *unit_find(const char *text)
{
    for (size_t i = 0; i < N_UNITS; i++)
        if (strcmp(UNITS[i].wire, text) == 0)
            return strcmp(UNITS[i].inside, text) == 0 ? NULL : &UNITS[i];
    return NULL;
}

static char small(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool same_letters(const char *a, const char *b)
{
    for (; *a && small(*a) == small(*b); a++)
        b++;
    return small(*a) == small(*b);
}

const char *unit_meant(const char *text)
{
    const char *meant = NULL;
    for (size_t i = 0; i < N_UNITS; i++) {
        if (strcmp(UNITS[i].wire, text) == 0)
            return NULL;
        if (same_letters(UNITS[i].wire, text))
            meant = UNITS[i].wire;
    }
    return meant;
}

void unit_settle(struct point_config *point)
{
    const struct unit *unit = unit_find(point->unit);
    if (!unit)
        return;
    point->scale *= unit->factor;
    point->offset = point->offset * unit->factor + unit->offset;
    if (point->has_range) {
        point->range_min = point->range_min * unit->factor + unit->offset;
        point->range_max = point->range_max * unit->factor + unit->offset;
    }
    static_assert(sizeof point->unit >= sizeof "mm/s", "every unit inside fits");
    memcpy(point->unit, unit->inside, strlen(unit->inside) + 1);
}
