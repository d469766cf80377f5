/* SPDX-License-Identifier: Apache-2.0 */
#define _DEFAULT_SOURCE /* strsep */
#include "base/result.h"
#include "daemon/control_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define READ_PATIENCE_US 90000000 /* the longest timeout of a bus is a minute */

static void say(struct control_client *client, const char *text)
{
    client->reply = strdup(text);
}

static uint32_t bus_of(const struct config *config, const char *name)
{
    uint32_t b = 0;
    while (b < config->n_buses && strcmp(config->buses[b].name, name) != 0)
        b++;
    return b;
}

static enum register_kind kind_of(const char *word)
{
    static const char *const WORDS[] = { "", "holding", "input", "coil", "discrete" };
    for (int kind = REGISTER_HOLDING; word && kind <= REGISTER_DISCRETE; kind++)
        if (strcmp(word, WORDS[kind]) == 0)
            return (enum register_kind)kind;
    return REGISTER_NONE;
}

static bool whole(const char *text, unsigned long max, unsigned long *ret_value)
{
    char *end = NULL;
    if (!text || *text < '0' || *text > '9' || strlen(text) > 6)
        return false;
    *ret_value = strtoul(text, &end, 10);
    return *end == 0 && *ret_value <= max;
}

/* What stands behind the bus: UNIT KIND ADDRESS COUNT. */
static bool parse_read(char *rest, struct line_request *ret_request)
{
    unsigned long unit, address, count;
    if (!whole(strsep(&rest, " "), 255, &unit))
        return false;
    enum register_kind kind = kind_of(strsep(&rest, " "));
    if (kind == REGISTER_NONE || !whole(strsep(&rest, " "), UINT16_MAX, &address) ||
        !whole(strsep(&rest, " "), GUEST_MAX_COUNT, &count) || rest)
        return false;
    *ret_request = (struct line_request){ (uint8_t)unit, kind, (uint16_t)address, (uint16_t)count };
    return true;
}

/* Who serves the bus; NULL: nobody, yet. */
static struct bus_stage *stage_of(const struct pipeline *p, uint32_t bus)
{
    for (size_t i = 0; i < p->n_buses; i++)
        if (bus_stage_entry(p->buses[i], bus))
            return p->buses[i];
    return NULL;
}

/* The stage knows its buses by their slots. */
static bool offer_read(struct bus_stage *stage, struct bus_order order)
{
    order.bus = bus_stage_entry(stage, order.bus)->slot;
    return mw_ring_offer(&stage->orders, &order);
}

static const char NO_BUS[] = "{\"error\":\"no such bus\",\"code\":66}\n";
static const char BUSY[] = "{\"error\":\"busy; ask again\",\"code\":75}\n";

void control_begin_read(struct control *control, struct control_client *client, char *rest,
                        const struct clock_time *now)
{
    struct bus_order order = { .kind = BUS_READ, .id = ++control->next_read_id };
    const char *name = strsep(&rest, " ");
    order.bus = bus_of(control->pipeline->config, name ? name : "");
    struct bus_stage *stage = stage_of(control->pipeline, order.bus);
    if (!stage) {
        say(client, NO_BUS);
    } else if (!parse_read(rest, &order.request)) {
        say(client, "{\"error\":\"read BUS UNIT KIND ADDRESS COUNT\",\"code\":64}\n");
    } else if (bus_speaks_rtu(&control->pipeline->config->buses[order.bus]) &&
               (order.request.unit < 1 || order.request.unit > 247)) {
        say(client, "{\"error\":\"a serial line's units are 1 to 247\",\"code\":64}\n");
    } else if (!offer_read(stage, order)) {
        say(client, BUSY);
    } else {
        client->read_id = order.id;
        client->until_us = now->mono_us + READ_PATIENCE_US;
        if (stage->worker)
            worker_wake(stage->worker);
    }
}

/* As JSON: result is a word of docs/SPEC-trace.md, or "busy". */
static void end_read(struct control_client *client, const struct guest_answer *answer)
{
    char text[1280];
    if (answer->result == MW_ERR_STATE || answer->result == MW_ERR_INVALID) {
        say(client, answer->result == MW_ERR_STATE
                        ? BUSY
                        : "{\"error\":\"not a range of registers\",\"code\":64}\n");
        return;
    }
    int n = snprintf(
        text, sizeof text, "{\"result\":\"%s\",\"exception\":%u,\"took_us\":%lld,\"registers\":[",
        trace_result_word(answer->result), answer->exception, (long long)answer->took_us);
    for (uint16_t i = 0; i < answer->count; i++)
        n +=
            snprintf(text + n, sizeof text - (size_t)n, "%s%u", i ? "," : "", answer->registers[i]);
    snprintf(text + n, sizeof text - (size_t)n, "]}\n");
    say(client, text);
}

void control_begin_record(struct control *control, struct control_client *client, char *rest,
                          const struct clock_time *now)
{
    struct pipeline *p = control->pipeline;
    const char *name = strsep(&rest, " ");
    bool all = name && strcmp(name, "*") == 0;
    uint32_t bus = all ? RECORDER_ALL : bus_of(p->config, name ? name : "");
    if (!all && !stage_of(p, bus)) {
        say(client, NO_BUS);
        return;
    }
    int result = recorder_begin(&control->recorder, p->config, p->buses, p->n_buses, bus,
                                rest && strcmp(rest, "names") == 0);
    client->records = result == MW_OK;
    client->until_us = now->mono_us + CONTROL_DEAF_US;
    if (result == MW_ERR_STATE)
        say(client, "{\"error\":\"somebody records already\",\"code\":75}\n");
    else if (result < 0)
        say(client, BUSY);
}

void control_take_answers(struct control *control)
{
    struct pipeline *p = control->pipeline;
    struct bus_answer answer;
    for (size_t s = 0; s < p->n_buses; s++)
        while (mw_ring_pop(&p->buses[s]->answers, &answer))
            for (int i = 0; i < CONTROL_CLIENTS; i++) {
                struct control_client *client = &control->clients[i];
                if (client->fd < 0 || client->read_id != answer.id)
                    continue;
                client->read_id = 0;
                end_read(client, &answer.answer);
                client->n_reply = client->reply ? strlen(client->reply) : 0;
            }
}

void control_end_reads(struct control *control)
{
    for (int i = 0; i < CONTROL_CLIENTS; i++) {
        struct control_client *client = &control->clients[i];
        if (client->fd < 0 || client->read_id == 0)
            continue;
        client->read_id = 0;
        say(client, BUSY);
        client->n_reply = client->reply ? strlen(client->reply) : 0;
    }
}
