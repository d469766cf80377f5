/* SPDX-License-Identifier: Apache-2.0 */
/* Steps the alarms of machines, sensors and devices, and hands their alerts over. An alarm is
 * stepped only while there is room for its alert: the facts stay, the step comes later, nothing is
 * lost. */
#ifndef MW_DAEMON_ALARMS_H
#define MW_DAEMON_ALARMS_H

#include "daemon/pipeline.h"

/* The machine's own alarm and those of its sensors. False where there was no room for all: call
 * again. */
bool alarms_step_machine(struct pipeline *pipeline, struct machine *machine,
                         enum alarm_request request, const struct clock_time *now);

/* False where there was no room. */
bool alarms_step_device(struct pipeline *pipeline, uint32_t device, enum alarm_request request,
                        const struct clock_time *now);

/* A machine or device is no longer watched: its alarms end, and people hear of it. False: no room
 * for an alert now; what is left is done by the next call. */
bool alarms_retire_machine(struct pipeline *pipeline, struct machine *machine,
                           const struct clock_time *now);
bool alarms_retire_device(struct pipeline *pipeline, uint32_t device, const struct clock_time *now);

#endif
