/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/doctor.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static struct doctor_finding *more(struct doctor_report *report)
{
    if (report->n == report->cap) {
        size_t cap = report->cap ? 2 * report->cap : 32;
        struct doctor_finding *larger = realloc(report->findings, cap * sizeof *larger);
        report->no_memory |= !larger;
        if (!larger)
            return NULL;
        report->findings = larger;
        report->cap = cap;
    }
    return &report->findings[report->n++];
}

/* What is told stays one line, whatever a library or a peer put into it. */
static void one_line(char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            *text = ' ';
}

void doctor_say(struct doctor_report *report, enum doctor_verdict verdict, const char *check,
                const char *subject, const char *format, ...)
{
    va_list arguments;
    struct doctor_finding *finding = more(report);
    if (!finding)
        return;
    *finding = (struct doctor_finding){ .verdict = verdict, .check = check };
    (void)snprintf(finding->subject, sizeof finding->subject, "%s", subject);
    va_start(arguments, format);
    (void)vsnprintf(finding->text, sizeof finding->text, format, arguments);
    va_end(arguments);
    one_line(finding->subject);
    one_line(finding->text);
}

void doctor_remedy(struct doctor_report *report, const char *format, ...)
{
    va_list arguments;
    if (report->n == 0)
        return;
    struct doctor_finding *finding = &report->findings[report->n - 1];
    va_start(arguments, format);
    (void)vsnprintf(finding->remedy, sizeof finding->remedy, format, arguments);
    va_end(arguments);
    one_line(finding->remedy);
}

enum doctor_verdict doctor_worst(const struct doctor_report *report)
{
    enum doctor_verdict worst = DOCTOR_OK;
    for (size_t i = 0; i < report->n; i++)
        if (report->findings[i].verdict > worst)
            worst = report->findings[i].verdict;
    return worst;
}

size_t doctor_count(const struct doctor_report *report, enum doctor_verdict verdict)
{
    size_t n = 0;
    for (size_t i = 0; i < report->n; i++)
        n += report->findings[i].verdict == verdict;
    return n;
}

const char *doctor_word(enum doctor_verdict verdict)
{
    static const char *const words[] = { "skipped", "ok", "warning", "fault" };
    return words[verdict];
}

void doctor_finish(struct doctor_report *report)
{
    free(report->findings);
    *report = (struct doctor_report){ 0 };
}
