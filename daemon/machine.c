/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/machine.h"
#include "base/bytes.h"
#include "base/result.h"
#include "config/host_cpu.h"
#include "inference/accelerate.h"
#include "inference/dense_kernel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int machine_create(struct machine **ret_machine, const struct config *all, uint32_t index)
{
    const struct machine_config *config = &all->machines[index];
    struct machine *machine = calloc(1, sizeof *machine);
    if (!machine)
        return MW_ERR_NO_MEMORY;
    *machine = (struct machine){ .all = all, .config = config, .index = index };
    mw_framer_init(&machine->framer, config->detector.n_channels);
    machine->newest.channel = MW_CHANNEL_NONE;
    uint32_t n = config->detector.n_channels;
    machine->detector_memory = malloc(mw_detector_bytes(&config->detector));
    machine->sensor_alarms = calloc(n, sizeof machine->sensor_alarms[0]);
    machine->newest_of_sensor = calloc(n, sizeof machine->newest_of_sensor[0]);
    if (!machine->detector_memory || !machine->sensor_alarms || !machine->newest_of_sensor) {
        machine_destroy(machine);
        return MW_ERR_NO_MEMORY;
    }
    mw_detector_init(&machine->detector, &config->detector, machine->detector_memory);
    for (uint32_t c = 0; c < n; c++)
        machine->newest_of_sensor[c].channel = (uint8_t)c;
    *ret_machine = machine;
    return MW_OK;
}

static void drop_model(struct machine *machine)
{
    free(machine->model);
    free(machine->model_memory);
    free(machine->packed);
    machine->packed = NULL;
    machine->model = NULL;
    machine->model_memory = NULL;
}

void machine_destroy(struct machine *machine)
{
    if (!machine)
        return;
    drop_model(machine);
    free(machine->waiting_model);
    free(machine->detector_memory);
    free(machine->sensor_alarms);
    free(machine->newest_of_sensor);
    free(machine);
}

/* The fastest kernels that this processor has; without memory, the fastest that need none. */
static void accelerate(struct machine *machine)
{
    struct mw_model *model = &machine->detector.score->model;
    uint32_t cpu = host_cpu();
    size_t n = mw_model_packed_bytes(model, cpu);
    machine->packed = n ? aligned_alloc(MW_DENSE_PACKED_ALIGN, n) : NULL;
    mw_model_accelerate(model, cpu, machine->packed, n);
}

int machine_install(struct machine *machine, uint8_t *bytes, size_t n_bytes,
                    const uint8_t digest[MW_SHA256_BYTES], struct mw_model_fault *ret_why)
{
    size_t n_memory = 0;
    void *memory = NULL;
    int result = mw_detector_measure(bytes, n_bytes, &n_memory, ret_why);
    if (result == MW_OK) {
        memory = calloc(1, n_memory + 1);
        result = memory ? mw_detector_install(&machine->detector, bytes, n_bytes, memory, n_memory,
                                              ret_why)
                        : MW_ERR_NO_MEMORY;
    }
    if (result != MW_OK) {
        free(memory);
        free(bytes);
        return result;
    }
    drop_model(machine);
    machine->model = bytes;
    machine->n_model = n_bytes;
    machine->model_memory = memory;
    accelerate(machine);
    memcpy(machine->digest, digest, MW_SHA256_BYTES);
    machine->news = true;
    return MW_OK;
}

static size_t row_of(uint8_t channel)
{
    return channel < MW_MAX_CHANNELS ? channel : MW_MAX_CHANNELS;
}

static void note(struct machine *machine, const struct mw_finding *finding)
{
    /* The model blames a channel, but its condition is the machine's. */
    size_t row =
        finding->detector == MW_DETECTOR_MODEL ? MW_MAX_CHANNELS : row_of(finding->channel);
    machine->severities[row][finding->condition] =
        finding->active ? finding->severity : MW_SEVERITY_NONE;
    machine->changed = true;
    if (finding->detector == MW_DETECTOR_SENSOR) {
        if (finding->channel < machine->config->detector.n_channels && finding->active)
            machine->newest_of_sensor[finding->channel] = *finding;
    } else if (finding->active) {
        machine->newest = *finding;
    } else {
        machine->returned = *finding;
    }
}

void machine_judge(struct machine *machine, const struct mw_frame *frame)
{
    uint8_t before = machine->verdict.model_state;
    mw_detector_step(&machine->detector, frame, &machine->verdict);
    machine->n_frames++;
    if (machine->verdict.model_state != MW_MODEL_ABSENT &&
        machine->verdict.model_state != MW_MODEL_HOLD)
        machine->n_judged++;
    if (machine->verdict.model_state != before)
        machine->news = true;
    for (int i = 0; i < machine->verdict.n_findings; i++)
        note(machine, &machine->verdict.findings[i]);
}

static enum mw_detector_kind detector_of(enum mw_condition condition)
{
    switch (condition) {
    case MW_CONDITION_HIGH:
    case MW_CONDITION_HIGH_HIGH:
    case MW_CONDITION_LOW:
    case MW_CONDITION_RATE: return MW_DETECTOR_LIMIT;
    case MW_CONDITION_TREND: return MW_DETECTOR_TREND;
    case MW_CONDITION_ANOMALY: return MW_DETECTOR_MODEL;
    case MW_CONDITION_NONE:
    case MW_CONDITION_NO_DATA:
    case MW_CONDITION_STUCK:
    case MW_CONDITION_COUNT: break;
    }
    return MW_DETECTOR_SENSOR;
}

static void add_fact(const struct machine *machine, size_t row, enum mw_condition condition,
                     struct alarm_facts *facts)
{
    if (!mw_detector_is_active(&machine->detector, row, condition))
        return;
    uint8_t severity = machine->severities[row][condition];
    /* After a restart, before the condition speaks again, what was announced still holds. */
    if (severity == MW_SEVERITY_NONE && machine->alarm.state != MW_ALARM_NORMAL)
        severity = machine->alarm.severity;
    if (severity == MW_SEVERITY_NONE)
        severity = condition == MW_CONDITION_HIGH_HIGH ? MW_SEVERITY_CRITICAL : MW_SEVERITY_WARNING;
    facts->active = true;
    facts->detectors |= 1u << detector_of(condition);
    if (severity > facts->severity)
        facts->severity = severity;
}

struct alarm_facts machine_facts(const struct machine *machine)
{
    struct alarm_facts facts = { 0 };
    for (size_t row = 0; row <= MW_MAX_CHANNELS; row++)
        for (int c = MW_CONDITION_HIGH; c <= MW_CONDITION_ANOMALY; c++)
            add_fact(machine, row, (enum mw_condition)c, &facts);
    return facts;
}

struct alarm_facts machine_sensor_facts(const struct machine *machine, uint32_t channel,
                                        bool device_offline)
{
    struct alarm_facts facts = { 0 };
    add_fact(machine, channel, MW_CONDITION_STUCK, &facts);
    if (!device_offline)
        add_fact(machine, channel, MW_CONDITION_NO_DATA, &facts);
    return facts;
}

void alarm_name(char ret_name[ALARM_NAME_MAX + 1], char class, const char *subject,
                const char *point)
{
    snprintf(ret_name, ALARM_NAME_MAX + 1, "%c:%.32s%s%.32s", class, subject, point ? "/" : "",
             point ? point : "");
}

/* A model learned from a recording does not know the units; the configuration does. */
static void add_units(const struct machine *machine, struct mw_alert *alert)
{
    const struct mw_detector_config *d = &machine->config->detector;
    for (int i = 0; i < alert->n_contributors; i++)
        for (uint16_t c = 0; c < d->n_channels; c++)
            if (strcmp(d->channels[c].name, alert->contributors[i].name) == 0)
                memcpy(alert->contributors[i].unit, d->channels[c].unit,
                       sizeof alert->contributors[i].unit);
}

static void blame(const struct machine *machine, const struct mw_finding *finding,
                  struct mw_alert *alert)
{
    if (finding->detector == MW_DETECTOR_MODEL) {
        alert->n_contributors =
            (uint8_t)mw_detector_contributors(&machine->detector, alert->contributors);
        add_units(machine, alert);
        if (alert->n_contributors > 0)
            return;
    }
    if (finding->channel >= machine->config->detector.n_channels)
        return;
    const struct mw_channel_config *channel = &machine->config->detector.channels[finding->channel];
    struct mw_contributor *c = &alert->contributors[0];
    *c = (struct mw_contributor){ .channel = finding->channel,
                                  .value = finding->value,
                                  .expected = finding->expected,
                                  .share = 1.0f };
    memcpy(c->name, channel->name, sizeof c->name);
    memcpy(c->unit, channel->unit, sizeof c->unit);
    alert->n_contributors = 1;
}

void machine_point(const struct machine *machine, uint8_t channel, char *ret_point, size_t cap)
{
    ret_point[0] = 0;
    if (channel >= machine->config->detector.n_channels)
        return;
    uint32_t point = machine->config->points[channel];
    const struct device_config *device = &machine->all->devices[machine->all->point_devices[point]];
    snprintf(ret_point, cap, "%.32s.%.32s", device->name, machine->all->points[point].name);
}

/* The alarm ends with the frame that ends its last finding, not at a time of its own. */
static bool returns_at_once(const struct machine *machine)
{
    return machine->config->alarm.off_delay_us == 0 && !machine->config->alarm.latch;
}

struct mw_alert machine_alert(const struct machine *machine, uint32_t alarm,
                              enum mw_alert_event event, bool clock_synced, int64_t at_us)
{
    bool own = alarm == MACHINE_ALARM;
    const struct alarm *a = own ? &machine->alarm : &machine->sensor_alarms[alarm];
    const struct mw_finding *finding = own ? &machine->newest : &machine->newest_of_sensor[alarm];
    struct mw_alert alert = { .number = a->number,
                              .event = (uint8_t)event,
                              .state = a->state,
                              .class = own ? MW_ALARM_MACHINE : MW_ALARM_SENSOR,
                              .severity = a->severity,
                              .detector = finding->detector,
                              .condition = finding->condition,
                              .model_state = machine->verdict.model_state,
                              .clock_synced = clock_synced,
                              .since_us = a->since_us,
                              .score = finding->score,
                              .clear_below = 1.0f };
    /* The measurement's time, also where it is one that returned; else, for what people do, now. */
    bool speaks = event == MW_ALERT_RAISED || event == MW_ALERT_ESCALATED;
    bool returned = event == MW_ALERT_CLEARED;
    int64_t measured_us = speaks ? finding->at_us : returned ? machine->verdict.at_us : 0;
    if (returned && own && returns_at_once(machine) && machine->returned.at_us)
        measured_us = machine->returned.at_us;
    alert.at_us = measured_us ? measured_us : at_us;
    if (finding->detector == MW_DETECTOR_MODEL) {
        if (machine->detector.score)
            alert.clear_below = machine->detector.score->card.off_ratio;
        if (!speaks)
            alert.score = machine->verdict.score;
    } else if (event == MW_ALERT_CLEARED) {
        alert.score = machine->returned.score;
    }
    memcpy(alert.model_digest, machine->digest, sizeof alert.model_digest);
    memcpy(alert.subject, machine->config->name, sizeof alert.subject);
    blame(machine, finding, &alert);
    machine_point(machine, own ? finding->channel : (uint8_t)alarm, alert.point,
                  sizeof alert.point);
    return alert;
}

void machine_model(const struct machine *machine, char ret_hex[17])
{
    ret_hex[0] = 0;
    for (size_t i = 0; i < 8 && machine->model; i++)
        snprintf(ret_hex + 2 * i, 3, "%02x", machine->digest[i]);
}

int machine_save_alarm(const struct alarm *alarm, const struct mw_finding *finding,
                       uint8_t *ret_bytes, size_t cap)
{
    struct mw_writer w = { .bytes = ret_bytes, .n_bytes = cap };
    uint8_t state[ALARM_STATE_MAX];
    int n = alarm_save(alarm, state, sizeof state);
    if (n < 0)
        return n;
    mw_put_u8(&w, (uint8_t)n);
    mw_put_bytes(&w, state, (size_t)n);
    mw_put_u8(&w, finding->detector);
    mw_put_u8(&w, finding->condition);
    mw_put_u8(&w, finding->channel);
    mw_put_u8(&w, finding->severity);
    mw_put_u64le(&w, (uint64_t)finding->at_us);
    mw_put_f32le(&w, finding->value);
    mw_put_f32le(&w, finding->expected);
    mw_put_f32le(&w, finding->score);
    mw_put_f32le(&w, finding->share);
    return w.failed ? MW_ERR_NO_SPACE : (int)w.at;
}

int machine_restore_alarm(struct alarm *alarm, struct mw_finding *finding, const uint8_t *bytes,
                          size_t n_bytes)
{
    struct mw_reader r = { .bytes = bytes, .n_bytes = n_bytes };
    size_t n = mw_get_u8(&r);
    const uint8_t *state = mw_get_bytes(&r, n);
    struct mw_finding f = { .active = true };
    f.detector = mw_get_u8(&r);
    f.condition = mw_get_u8(&r);
    f.channel = mw_get_u8(&r);
    f.severity = mw_get_u8(&r);
    f.at_us = (int64_t)mw_get_u64le(&r);
    f.value = mw_get_f32le(&r);
    f.expected = mw_get_f32le(&r);
    f.score = mw_get_f32le(&r);
    f.share = mw_get_f32le(&r);
    if (r.failed || r.at != n_bytes || f.condition >= MW_CONDITION_COUNT)
        return MW_ERR_FORMAT;
    int result = alarm_restore(alarm, state, n);
    if (result >= 0)
        *finding = f;
    return result;
}
