/* SPDX-License-Identifier: Apache-2.0 */
/* One machine in the pipeline: frames from its channels' samples, the detector, and the alarms
 * that people hear of: one for the machine, one for each of its sensors. Decides nothing of its
 * own: sums the detector's findings up for the alarms, and words the alert as a value. */
#ifndef MW_DAEMON_MACHINE_H
#define MW_DAEMON_MACHINE_H

#include "alarm/alarm.h"
#include "config/config.h"
#include "daemon/clock.h"
#include "daemon/messages.h"
#include "inference/detector.h"
#include "inference/framer.h"

#define MACHINE_ALARM UINT32_MAX /* the machine's own alarm, beside those of its channels */

struct machine {
    const struct config *all; /* borrowed */
    const struct machine_config *config;
    uint32_t index;
    struct mw_framer framer;
    struct mw_detector detector;
    void *detector_memory; /* owned */
    uint8_t *model;        /* the installed .tflite, owned */
    void *model_memory;    /* owned */
    void *packed;          /* the kernels' form of its weights, owned */
    size_t n_model;
    uint8_t digest[MW_SHA256_BYTES];
    struct mw_verdict verdict; /* newest */
    struct alarm alarm;
    struct alarm *sensor_alarms;                                 /* [n_channels], owned */
    uint8_t severities[MW_MAX_CHANNELS + 1][MW_CONDITION_COUNT]; /* of what is active */
    struct mw_finding returned;          /* the machine's finding that ended last */
    struct mw_finding newest;            /* of the machine's findings */
    struct mw_finding *newest_of_sensor; /* [n_channels], owned */
    uint64_t n_frames, n_judged;
    uint64_t last_alert_seq;
    int64_t saved_us;       /* monotonic: detector state handed to the store */
    bool changed;           /* findings changed since the alarms were stepped */
    int64_t state_since_us; /* UTC: since when the alarm is in its state */
    uint8_t *waiting_model; /* learned, but there was no room yet to tell the store; owned */
    size_t n_waiting_model;
    uint8_t waiting_digest[MW_SHA256_BYTES];
    bool news; /* the retained state at the broker is out of date */
    struct learn_progress learn;
};

/* index: of the machine in all->machines. Borrows all. MW_ERR_NO_MEMORY. */
int machine_create(struct machine **ret_machine, const struct config *all, uint32_t index);
void machine_destroy(struct machine *machine);

/* Another configuration (machine_reload.c). machine_rebind: it has the same settings there, maybe
 * another number. machine_inherit_model, machine_inherit: it is new and goes on where old, its
 * namesake with other settings, stands: its model (a copy; refused where the channels do not fit
 * any more, as at a start), what detectors and alarms know of channels of the same name, its
 * counters. */
void machine_rebind(struct machine *machine, const struct config *all, uint32_t index);
int machine_inherit_model(struct machine *machine, const struct machine *old);
void machine_inherit(struct machine *machine, struct machine *old, uint8_t *scratch,
                     size_t n_scratch);

/* Takes over bytes (also on failure: they are freed) and makes them the model. */
int machine_install(struct machine *machine, uint8_t *bytes, size_t n_bytes,
                    const uint8_t digest[MW_SHA256_BYTES], struct mw_model_fault *ret_why);

/* Judges one frame; machine->verdict is the outcome. */
void machine_judge(struct machine *machine, const struct mw_frame *frame);

/* What is wrong with the machine, or with one channel's sensor. device_offline: the channel's
 * device does not answer, which is that device's alarm and not the sensor's. */
struct alarm_facts machine_facts(const struct machine *machine);
struct alarm_facts machine_sensor_facts(const struct machine *machine, uint32_t channel,
                                        bool device_offline);

/* Everything of an alert but its seq. alarm: MACHINE_ALARM or a channel. at_us: UTC now, used
 * where no finding gives the time. */
struct mw_alert machine_alert(const struct machine *machine, uint32_t alarm,
                              enum mw_alert_event event, bool clock_synced, int64_t at_us);

/* "device.point" behind a channel, or "" for MW_CHANNEL_NONE. */
void machine_point(const struct machine *machine, uint8_t channel, char *ret_point, size_t cap);

/* The active model's digest in short, 16 hexadecimal digits, or "" without a model. */
void machine_model(const struct machine *machine, char ret_hex[17]);

/* An alarm's state and the finding it speaks of, as bytes: what a restart brings back. Number of
 * bytes, at most ALARM_SAVED_MAX, or MW_ERR_NO_SPACE. */
int machine_save_alarm(const struct alarm *alarm, const struct mw_finding *finding,
                       uint8_t *ret_bytes, size_t cap);
/* MW_ERR_FORMAT: nothing is changed. */
int machine_restore_alarm(struct alarm *alarm, struct mw_finding *finding, const uint8_t *bytes,
                          size_t n_bytes);

/* The key under which an alarm is saved: "m:pump-1", "s:pump-1/vel_rms_z", "d:vib-3". */
void alarm_name(char ret_name[ALARM_NAME_MAX + 1], char class, const char *subject,
                const char *point);

#endif
