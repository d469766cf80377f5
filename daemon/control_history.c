/* SPDX-License-Identifier: Apache-2.0 */
#define _DEFAULT_SOURCE /* strsep */
#include "base/result.h"
#include "daemon/control_parts.h"
#include "storage/rollup.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PATIENCE_US 30000000 /* for a piece, and for the client to take it */

static void say(struct control_client *client, const char *text)
{
    client->reply = strdup(text);
    client->n_reply = client->reply ? strlen(client->reply) : 0;
}

static bool time_of(const char *text, int64_t *ret_us)
{
    char *end = NULL;
    errno = 0;
    if (!text || *text < '0' || *text > '9')
        return false;
    *ret_us = strtoll(text, &end, 10);
    return *end == 0 && errno == 0;
}

static bool span_of(const char *word, int64_t *ret_us)
{
    static const struct {
        const char *word;
        int64_t us;
    } spans[] = { { "raw", 0 }, { "10min", ROLLUP_SPAN_US }, { "1h", ROLLUP_HOUR_US } };
    for (size_t i = 0; word && i < sizeof spans / sizeof spans[0]; i++)
        if (strcmp(word, spans[i].word) == 0) {
            *ret_us = spans[i].us;
            return true;
        }
    return false;
}

/* An index into the machine's channels; n_channels where there is none of that name. */
static uint32_t channel_of(const struct machine_config *machine, const char *name)
{
    uint32_t c = 0;
    while (c < machine->detector.n_channels &&
           strcmp(machine->detector.channels[c].name, name) != 0)
        c++;
    return c;
}

static bool ask(struct control *control, const struct history_query *query)
{
    struct pipeline *p = control->pipeline;
    bool asked = mw_ring_offer(&p->queries, query);
    worker_wake(p->store);
    return asked;
}

void control_begin_history(struct control *control, struct control_client *client, char *rest,
                           const struct clock_time *now)
{
    struct pipeline *p = control->pipeline;
    struct history_query query = { .kind = HISTORY_OPEN, .id = ++control->next_history_id };
    const char *name = strsep(&rest, " "), *span = strsep(&rest, " ");
    const char *from = strsep(&rest, " "), *to = strsep(&rest, " ");
    const struct machine *machine = pipeline_machine(p, name ? name : "");
    if (!machine) {
        say(client, "{\"error\":\"no such machine\",\"code\":66}\n");
        return;
    }
    query.machine = machine->index;
    if (!span_of(span, &query.span_us) || !time_of(from, &query.from_us) ||
        !time_of(to, &query.to_us)) {
        say(client, "{\"error\":\"history MACHINE raw|10min|1h FROM TO [POINT]\",\"code\":64}\n");
        return;
    }
    if (rest && channel_of(machine->config, rest) == machine->config->detector.n_channels &&
        strcmp(rest, "score") != 0) {
        say(client, "{\"error\":\"the machine has no such point\",\"code\":66}\n");
        return;
    }
    strncpy(query.point, rest ? rest : "", sizeof query.point - 1);
    if (!ask(control, &query)) {
        say(client, "{\"error\":\"busy; ask again\",\"code\":75}\n");
        return;
    }
    client->history_id = query.id;
    client->until_us = now->mono_us + PATIENCE_US;
}

static void give(struct control_client *client, struct history_answer *answer, int64_t now_us)
{
    client->until_us = now_us + PATIENCE_US;
    if (answer->result < 0) {
        client->history_id = 0;
        say(client, answer->result == MW_ERR_STATE
                        ? "{\"error\":\"somebody reads history already; ask again\",\"code\":75}\n"
                        : "{\"error\":\"the history cannot be read\",\"code\":74}\n");
        return;
    }
    client->reply = answer->text;
    client->n_reply = answer->n_text;
    client->sent = 0;
    client->history_goes_on = !answer->last;
    answer->text = NULL;
}

static struct control_client *client_of(struct control *control, uint64_t id)
{
    for (int i = 0; i < CONTROL_CLIENTS; i++)
        if (control->clients[i].fd >= 0 && control->clients[i].history_id == id)
            return &control->clients[i];
    return NULL;
}

void control_take_history(struct control *control, const struct clock_time *now)
{
    struct mw_ring *answers = control->pipeline->query_answers;
    struct history_answer answer;
    while (answers && mw_ring_pop(answers, &answer)) {
        struct control_client *client = client_of(control, answer.id);
        if (client)
            give(client, &answer, now->mono_us);
        else if (!answer.last)
            ask(control, &(struct history_query){ .kind = HISTORY_END, .id = answer.id });
        free(answer.text);
    }
}

void control_next_history(struct control *control, struct control_client *client,
                          const struct clock_time *now)
{
    free(client->reply);
    client->reply = NULL;
    client->n_reply = client->sent = 0;
    client->history_goes_on = false;
    client->until_us = now->mono_us + PATIENCE_US;
    if (!ask(control, &(struct history_query){ .kind = HISTORY_MORE, .id = client->history_id }))
        client->until_us = 0; /* sixteen clients at once: this one is dropped */
}
