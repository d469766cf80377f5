/* SPDX-License-Identifier: Apache-2.0 */
#include "simulator/quantity.h"

#include <math.h>
#include <string.h>

/* noise = relative * |value| + absolute: the repeatability that data sheets of such sensors give.
 */
struct property {
    const char *name, *unit;
    double relative, absolute;
};

#define AXES(name, unit, relative, absolute)                                          \
    { name "_x", unit, relative, absolute }, { name "_y", unit, relative, absolute }, \
    {                                                                                 \
        name "_z", unit, relative, absolute                                           \
    }

static const struct property PROPERTIES[QUANTITY_COUNT] = {
    { "", "", 0, 0 },
    { "running", "", 0, 0 },
    { "load", "%", 0.005, 0.05 },
    { "speed", "rpm", 0.0005, 0.3 },
    { "current", "A", 0.01, 0.02 },
    { "power", "kW", 0.01, 0.01 },
    { "temp", "degC", 0, 0.1 },
    { "winding_temp", "degC", 0, 0.15 },
    { "ambient", "degC", 0, 0.1 },
    { "pressure", "bar", 0.005, 0.002 },
    { "flow", "m3/h", 0.01, 0.02 },
    AXES("vel_rms", "mm/s", 0.02, 0.01),
    AXES("vel_peak", "mm/s", 0.03, 0.02),
    AXES("acc_rms", "g", 0.02, 0.001),
    AXES("acc_peak", "g", 0.04, 0.003),
    AXES("acc_hf_rms", "g", 0.03, 0.001),
    AXES("kurtosis", "", 0.03, 0),
    AXES("crest", "", 0.03, 0),
    AXES("disp", "um", 0.02, 0.5),
    AXES("freq", "Hz", 0, 0.1),
    AXES("acc", "g", 0, 0),
};

static const struct property *property(enum quantity q)
{
    return &PROPERTIES[q > QUANTITY_NONE && q < QUANTITY_COUNT ? q : QUANTITY_NONE];
}

const char *quantity_name(enum quantity q)
{
    return property(q)->name;
}

const char *quantity_unit(enum quantity q)
{
    return property(q)->unit;
}

enum quantity quantity_find(const char *name)
{
    for (int q = QUANTITY_NONE + 1; q < QUANTITY_COUNT; q++)
        if (strcmp(PROPERTIES[q].name, name) == 0)
            return (enum quantity)q;
    return QUANTITY_NONE;
}

double quantity_noise(enum quantity q, double truth)
{
    return property(q)->relative * fabs(truth) + property(q)->absolute;
}
