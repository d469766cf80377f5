/* SPDX-License-Identifier: Apache-2.0 */
#include "base/result.h"
#include "daemon/journal.h"
#include "daemon/machine.h"

#include <stdlib.h>
#include <string.h>

void machine_rebind(struct machine *machine, const struct config *all, uint32_t index)
{
    machine->all = all;
    machine->config = &all->machines[index];
    machine->index = index;
    machine->detector.config = &machine->config->detector;
}

int machine_inherit_model(struct machine *machine, const struct machine *old)
{
    if (!old->model)
        return MW_OK;
    struct mw_model_fault why = { "" };
    uint8_t *bytes = malloc(old->n_model);
    if (!bytes)
        return MW_ERR_NO_MEMORY;
    memcpy(bytes, old->model, old->n_model);
    int result = machine_install(machine, bytes, old->n_model, old->digest, &why);
    if (result == MW_ERR_NO_MEMORY)
        return result;
    if (result < 0)
        journal_model(machine->config->name, old->digest, result, why.text);
    return MW_OK;
}

static uint8_t channel_of(const struct machine *machine, const struct machine *old, uint8_t channel)
{
    const struct mw_detector_config *to = &machine->config->detector,
                                    *from = &old->config->detector;
    if (channel >= from->n_channels)
        return MW_CHANNEL_NONE;
    for (uint16_t c = 0; c < to->n_channels; c++)
        if (strcmp(to->channels[c].name, from->channels[channel].name) == 0)
            return (uint8_t)c;
    return MW_CHANNEL_NONE;
}

static struct mw_finding translate(const struct machine *machine, const struct machine *old,
                                   const struct mw_finding *finding)
{
    struct mw_finding f = *finding;
    f.channel = channel_of(machine, old, finding->channel);
    return f;
}

static void inherit_alarms(struct machine *machine, const struct machine *old)
{
    machine->alarm = old->alarm;
    machine->newest = translate(machine, old, &old->newest);
    machine->returned = translate(machine, old, &old->returned);
    memcpy(machine->severities[MW_MAX_CHANNELS], old->severities[MW_MAX_CHANNELS],
           sizeof old->severities[MW_MAX_CHANNELS]);
    for (uint16_t c = 0; c < old->config->detector.n_channels; c++) {
        uint8_t to = channel_of(machine, old, (uint8_t)c);
        if (to == MW_CHANNEL_NONE)
            continue;
        machine->sensor_alarms[to] = old->sensor_alarms[c];
        machine->newest_of_sensor[to] = translate(machine, old, &old->newest_of_sensor[c]);
        memcpy(machine->severities[to], old->severities[c], sizeof old->severities[c]);
    }
}

void machine_inherit(struct machine *machine, struct machine *old, uint8_t *scratch,
                     size_t n_scratch)
{
    int n = mw_detector_save(&old->detector, scratch, n_scratch);
    int result = n < 0 ? n : mw_detector_restore(&machine->detector, scratch, (size_t)n);
    if (result < 0 && result != MW_ERR_MISMATCH)
        journal_failed(machine->config->name, "what its detectors knew cannot be carried over");
    inherit_alarms(machine, old);
    machine->verdict = old->verdict;
    machine->verdict.n_findings = 0;
    machine->n_frames = old->n_frames;
    machine->n_judged = old->n_judged;
    machine->last_alert_seq = old->last_alert_seq;
    machine->saved_us = INT64_MIN / 2; /* what it knows now is saved soon */
    machine->state_since_us = old->state_since_us;
    machine->learn = old->learn;
    machine->waiting_model = old->waiting_model;
    machine->n_waiting_model = old->n_waiting_model;
    memcpy(machine->waiting_digest, old->waiting_digest, sizeof machine->waiting_digest);
    old->waiting_model = NULL;
    machine->changed = true;
    machine->news = true;
}
