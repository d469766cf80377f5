/* SPDX-License-Identifier: Apache-2.0 */
/* Units of the wire and of the program: each quantity has one unit inside, so that a limit, a
 * model and a chart of two makes of sensor speak of the same thing. Pure.
 *
 *   vibration velocity  mm/s      acceleration  g        temperature  degC     current  A
 *   displacement        um        frequency     Hz       power        W        voltage  V
 *
 * Other units (rpm, %, bar, kWh, ...) pass through as they are written. */
#ifndef MW_CONFIG_UNIT_H
#define MW_CONFIG_UNIT_H

#include "fieldbus/device.h"

/* What turns a value in the wire's unit into one of the unit inside: value * factor + offset. */
struct unit {
    const char *wire, *inside;
    double factor, offset;
};

/* The conversion of this unit, spelt just so; NULL where it passes through. */
const struct unit *unit_find(const char *text);

/* The known unit that differs from this one only in capitals ("IN/S"), where the text itself is
 * none; NULL otherwise. Capitals count: mW and MW are nine decimal places apart. */
const char *unit_meant(const char *text);

/* Folds the conversion of point->unit into scale and offset, takes the plausible range along, and
 * names the unit inside. The point's scale is set (not 0). Where nothing is to be converted the
 * point stays as it is. */
void unit_settle(struct point_config *point);

#endif
