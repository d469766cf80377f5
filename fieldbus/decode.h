/* SPDX-License-Identifier: Apache-2.0 */
/* Registers to a value: type, byte order, scale, offset, sentinels and plausible range. Pure; the
 * poller calls it for every point of a reply. It never makes a value up: what cannot be decoded
 * has a quality and no value. */
#ifndef MW_FIELDBUS_DECODE_H
#define MW_FIELDBUS_DECODE_H

#include "fieldbus/device.h"

/* The value of a settled point.
 *
 *   registers  uint16 [value_registers(point->type)]; for coils and discrete inputs 0 or 1
 *
 * Returns MW_QUALITY_GOOD and the value, raw * scale + offset, in the point's unit; or
 * MW_QUALITY_INVALID, with *ret_value untouched, for a sentinel, a value outside the plausible
 * range, or one that is not a finite float (NaN and infinity included). */
enum mw_quality decode_point(const struct point_config *point, const uint16_t *registers,
                             float *ret_value);

/* The value's bits, most significant first, whatever the order on the wire. */
uint64_t decode_bits(const struct point_config *point, const uint16_t *registers);

#endif
