/* SPDX-License-Identifier: Apache-2.0 */
#include "training/job.h"

#include "base/result.h"

#include <stdio.h>
#include <string.h>

bool job_is_name(const char *name, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (name[i] == '\0' ||
            !strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-", name[i]))
            return false;
    return n >= 1 && n <= JOB_NAME_MAX;
}

bool job_parse_number(const char *text, uint64_t most, uint64_t *ret)
{
    uint64_t value = 0;
    if (*text == '\0')
        return false;
    for (; *text; text++) {
        if (*text < '0' || *text > '9')
            return false;
        uint64_t digit = (uint64_t)(*text - '0');
        if (value > (most - digit) / 10 || digit > most)
            return false;
        value = 10 * value + digit;
    }
    *ret = value;
    return true;
}

bool job_parse_rows(const char *text, uint32_t *ret_first, uint32_t *ret_end)
{
    char first[12];
    uint64_t a, b;
    const char *colon = strchr(text, ':');
    if (!colon || (size_t)(colon - text) >= sizeof first)
        return false;
    memcpy(first, text, (size_t)(colon - text));
    first[colon - text] = '\0';
    if (!job_parse_number(first, CSV_MAX_ROWS, &a) ||
        !job_parse_number(colon + 1, CSV_MAX_ROWS, &b) || a >= b)
        return false;
    *ret_first = (uint32_t)a;
    *ret_end = (uint32_t)b;
    return true;
}

int job_split(char *text, const char **ret_names, uint32_t cap)
{
    uint32_t n = 0;
    if (*text == '\0')
        return 0;
    for (char *at = text; at;) {
        char *comma = strchr(at, ',');
        if (comma)
            *comma = '\0';
        if (*at == '\0')
            return MW_ERR_FORMAT;
        if (n == cap)
            return MW_ERR_TOO_BIG;
        ret_names[n++] = at;
        at = comma ? comma + 1 : NULL;
    }
    return (int)n;
}

static bool set_csv(struct job *job, char *value)
{
    size_t n = strlen(value);
    if (n < 5 || strcmp(value + n - 4, ".csv") != 0 || !job_is_name(value, n - 4))
        return false;
    memcpy(job->csv, value, n + 1);
    return true;
}

static bool set_rows(struct job *job, char *value)
{
    return job_parse_rows(value, &job->options.first_row, &job->options.end_row);
}

static bool set_context(struct job *job, char *value)
{
    int n = job_split(value, job->context, CSV_MAX_COLUMNS);
    job->options.n_context = n > 0 ? (uint32_t)n : 0;
    job->options.context = job->context;
    return n >= 0;
}

static bool set_off(struct job *job, char *value)
{
    int n = job_split(value, job->off, CSV_MAX_COLUMNS);
    job->options.n_ignored = n > 0 ? (uint32_t)n : 0;
    job->options.ignored = job->off;
    return n >= 0;
}

static bool set_window(struct job *job, char *value)
{
    uint64_t n;
    if (!job_parse_number(value, MW_CARD_MAX_WINDOW, &n) || n < 2)
        return false;
    job->options.window = (uint16_t)n;
    return true;
}

static bool set_seed(struct job *job, char *value)
{
    return job_parse_number(value, UINT64_MAX, &job->options.seed);
}

static bool set_level_guard(struct job *job, char *value)
{
    job->options.no_level_guard = strcmp(value, "off") == 0;
    return job->options.no_level_guard || strcmp(value, "on") == 0;
}

static bool set_fine(struct job *job, char *value)
{
    job->options.fine = strcmp(value, "on") == 0;
    return job->options.fine || strcmp(value, "off") == 0;
}

static bool set_period(struct job *job, char *value)
{
    uint64_t us;
    if (!job_parse_number(value, (uint64_t)86400 * 1000000, &us))
        return false;
    job->options.period_us = (int64_t)us;
    return true;
}

struct key {
    const char *name;
    bool (*set)(struct job *job, char *value);
    const char *rule;
};

static const struct key KEYS[] = {
    { "csv", set_csv, "is not NAME.csv of 1 to 32 letters, digits, _ and -" },
    { "rows", set_rows, "is not FIRST:END, rising" },
    { "context", set_context, "is not a list of names with commas between them" },
    { "off", set_off, "is not a list of names with commas between them" },
    { "window", set_window, "is not in 2 to 64" },
    { "seed", set_seed, "is not a number from 0 to 18446744073709551615" },
    { "level_guard", set_level_guard, "is neither on nor off" },
    { "fine", set_fine, "is neither on nor off" },
    { "period_us", set_period, "is not in 0 to 86400000000" },
};
#define N_KEYS (sizeof KEYS / sizeof KEYS[0])

static int parse_line(struct job *job, char *line, unsigned number, unsigned *seen,
                      struct train_fault *why)
{
    char *value = strchr(line, '=');
    if (!value) {
        snprintf(why->text, sizeof why->text, "line %u: not key=value", number);
        return MW_ERR_FORMAT;
    }
    *value++ = '\0';
    for (unsigned k = 0; k < N_KEYS; k++) {
        if (strcmp(KEYS[k].name, line) != 0)
            continue;
        if (*seen & 1u << k) {
            snprintf(why->text, sizeof why->text, "line %u: %s a second time", number,
                     KEYS[k].name);
            return MW_ERR_FORMAT;
        }
        *seen |= 1u << k;
        char shown[64];
        snprintf(shown, sizeof shown, "%.63s", value);
        if (KEYS[k].set(job, value))
            return MW_OK;
        snprintf(why->text, sizeof why->text, "line %u: %s=%s %s", number, KEYS[k].name, shown,
                 KEYS[k].rule);
        return MW_ERR_FORMAT;
    }
    snprintf(why->text, sizeof why->text, "line %u: there is no key '%.32s'", number, line);
    return MW_ERR_FORMAT;
}

int job_parse(struct job *job, const char *text, size_t n_bytes, struct train_fault *ret_why)
{
    *job = (struct job){ .options = { .seed = 1 } };
    unsigned seen = 0, number = 0;
    if (n_bytes > JOB_MAX_BYTES) {
        snprintf(ret_why->text, sizeof ret_why->text, "the job is longer than %d bytes",
                 JOB_MAX_BYTES);
        return MW_ERR_TOO_BIG;
    }
    memcpy(job->text, text, n_bytes);
    for (size_t i = 0; i < n_bytes; i++)
        if (((unsigned char)text[i] < 0x20 && text[i] != '\n') || text[i] == 0x7f) {
            snprintf(ret_why->text, sizeof ret_why->text, "byte %zu is a control character", i);
            return MW_ERR_FORMAT;
        }
    for (char *line = job->text; line;) {
        char *stop = strchr(line, '\n');
        if (stop)
            *stop = '\0';
        number++;
        int result =
            *line == '\0' || *line == '#' ? MW_OK : parse_line(job, line, number, &seen, ret_why);
        if (result < 0)
            return result;
        line = stop ? stop + 1 : NULL;
    }
    if (job->csv[0] == '\0') {
        snprintf(ret_why->text, sizeof ret_why->text, "csv=NAME.csv is missing");
        return MW_ERR_FORMAT;
    }
    return MW_OK;
}
