/* SPDX-License-Identifier: Apache-2.0 */
#include "simulator/story.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>

struct line {
    char *text;
    size_t n;
};

static void add(struct line *line, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* What does not fit is left out whole. */
static void add(struct line *line, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(line->text + line->n, STORY_LINE_MAX - line->n, format, args);
    va_end(args);
    if (n > 0 && (size_t)n < STORY_LINE_MAX - line->n)
        line->n += (size_t)n;
    line->text[line->n] = '\0';
}

/* Names are letters, digits, - and _: nothing in them needs JSON's escapes. */
static void add_points(struct line *line, const struct scenario *s, const struct fault *f)
{
    const char *comma = "";
    add(line, "\"points\":[");
    for (uint32_t i = 0; i < s->n_slaves; i++)
        for (uint32_t c = 0; c < s->slaves[i].n_cells; c++) {
            if (!scenario_fault_touches(s, f, i, c) || line->n > STORY_LINE_MAX - 512)
                continue;
            add(line, "%s\"%s.%s\"", comma, s->slaves[i].name, s->slaves[i].cells[c].name);
            comma = ",";
        }
    add(line, "],");
}

static void add_machine(struct line *line, const struct scenario *s, const struct fault *f)
{
    uint32_t machine = scenario_fault_machine(s, f);
    if (machine == FAULT_NOWHERE)
        add(line, "\"machine\":null,");
    else
        add(line, "\"machine\":\"%s\",", s->machines[machine].name);
    if (f->slave != FAULT_NOWHERE)
        add(line, "\"device\":\"%s\",", s->slaves[f->slave].name);
}

static void add_time(struct line *line, int64_t at_us)
{
    struct tm tm;
    char date[32];
    time_t at_s = (time_t)(at_us / 1000000);
    gmtime_r(&at_s, &tm);
    strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &tm);
    add(line, "\"at\":\"%s.%06dZ\",\"at_us\":%lld,", date, (int)(at_us % 1000000),
        (long long)at_us);
}

void story_init(struct story *story, const struct scenario *scenario)
{
    *story = (struct story){ .scenario = scenario };
}

bool story_next(struct story *story, const struct world *world, int64_t start_us, double speed,
                char *ret_line)
{
    const struct scenario *s = story->scenario;
    int64_t clock_us = world_fault_clock_us(world);
    if (clock_us == INT64_MIN)
        return false; /* held: there is no start to count from */
    int64_t zero_us = world_now_us(world) - clock_us;
    for (uint32_t i = 0; i < s->n_faults; i++) {
        const struct fault *f = &s->faults[i];
        if (fault_active(f, clock_us) == story->active[i])
            continue;
        story->active[i] = !story->active[i];
        int64_t simulated_us = zero_us + (story->active[i] ? f->at_us : f->until_us);
        const char *unit =
            f->kind == FAULT_DRIFTING_SENSOR ? quantity_unit(f->quantity) : fault_unit(f->kind);
        struct line line = { .text = ret_line };
        add(&line, "{\"event\":\"%s\",\"fault\":%u,\"kind\":\"%s\",",
            story->active[i] ? "begin" : "end", i, fault_name(f->kind));
        add_machine(&line, s, f);
        add_points(&line, s, f);
        add(&line, "\"size\":%g,\"unit\":\"%s\",", f->size, unit);
        add_time(&line, start_us + (int64_t)((double)simulated_us / speed));
        add(&line, "\"simulated_s\":%.3f}", (double)simulated_us / 1e6);
        return true;
    }
    return false;
}
