/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/simulate_stats.h"

#include "base/result.h"
#include "training/outfile.h"

#include <inttypes.h>

/* The counters as "key": value, without brackets. */
static void write_counters(FILE *to, const struct service_counts *n)
{
    const struct {
        const char *key;
        uint64_t value;
    } counters[] = {
        { "requests", n->n_requests },
        { "answers", n->n_answers },
        { "unanswered", n->n_unanswered },
        { "bad_frames", n->n_bad },
        { "silence_violations", n->n_silence },
        { "talked_over", n->n_talked_over },
        { "pauses", n->n_pauses },
        { "foreign_requests", n->n_foreign },
        { "garbled", n->n_garbled },
        { "dropped", n->n_dropped },
        { "connections", n->n_connections },
        { "refused", n->n_refused },
    };
    const char *comma = "";
    for (size_t i = 0; i < sizeof counters / sizeof counters[0]; i++)
        fprintf(to, "%s\"%s\":%" PRIu64, i ? "," : "", counters[i].key, counters[i].value);
    fputs(",\"disturbances\":{", to);
    for (int k = 1; k < DISTURBANCE_KIND_COUNT; k++) {
        if (n->disturbed[k] == 0)
            continue;
        fprintf(to, "%s\"%s\":%" PRIu64, comma, disturbance_name((enum disturbance_kind)k),
                n->disturbed[k]);
        comma = ",";
    }
    fputs("}", to);
}

void simulate_stats_say(const struct service *service, FILE *to)
{
    struct service_counts n = service_counts(service);
    fprintf(to, "wires silence_violations=%" PRIu64 " talked_over=%" PRIu64 " pauses=%" PRIu64,
            n.n_silence, n.n_talked_over, n.n_pauses);
    for (int k = 1; k < DISTURBANCE_KIND_COUNT; k++)
        if (n.disturbed[k] > 0)
            fprintf(to, " %s=%" PRIu64, disturbance_name((enum disturbance_kind)k), n.disturbed[k]);
    fputs("\n", to);
    fflush(to);
}

int simulate_stats_write(const struct service *service, const char *path)
{
    struct outfile file;
    struct service_counts sum = service_counts(service);
    const char *name;
    int result = outfile_begin(&file, path);
    if (result < 0)
        return result;
    fputs("{", file.stream);
    write_counters(file.stream, &sum);
    fputs(",\"buses\":{", file.stream);
    for (size_t i = 0; (name = service_name(service, i)); i++) {
        struct service_counts n = service_wire_counts(service, i);
        fprintf(file.stream, "%s\n\"%s\":{", i ? "," : "", name);
        write_counters(file.stream, &n);
        fputs("}", file.stream);
    }
    fputs("}}\n", file.stream);
    return outfile_commit(&file);
}
