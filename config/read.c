/* SPDX-License-Identifier: Apache-2.0 */
#include "config/read.h"

#include "base/sample.h"

#include <float.h>
#include <stdio.h>
#include <string.h>

bool read_given(const struct reader *r, const char *key, const char *text)
{
    if (!text)
        return false;
    const struct node *value = node_get(r->node, key);
    if (value && value->faulty)
        return false;
    return text[0] != '\0' || value;
}

static void refuse(const struct reader *r, const char *key, const char *text, const char *rule)
{
    report_node(r->report, r->node, key, "'%s' %s", text, rule);
}

uint64_t read_whole(const struct reader *r, const char *key, const char *text, uint64_t min,
                    uint64_t max, uint64_t fallback)
{
    if (!read_given(r, key, text))
        return fallback;
    uint64_t value = 0;
    const char *rule = value_whole(text, &value);
    char range[80];
    if (!rule && (value < min || value > max)) {
        snprintf(range, sizeof range, "is not in %llu to %llu", (unsigned long long)min,
                 (unsigned long long)max);
        rule = range;
    }
    if (!rule)
        return value;
    refuse(r, key, text, rule);
    return fallback;
}

double read_number(const struct reader *r, const char *key, const char *text, double fallback)
{
    if (!read_given(r, key, text))
        return fallback;
    double value = 0;
    const char *rule = value_number(text, &value);
    if (!rule)
        return value;
    refuse(r, key, text, rule);
    return fallback;
}

static float to_float(const struct reader *r, const char *key, const char *text, double value,
                      float fallback)
{
    if (value >= -(double)FLT_MAX && value <= (double)FLT_MAX)
        return (float)value;
    refuse(r, key, text, "is too large for a number");
    return fallback;
}

float read_float(const struct reader *r, const char *key, const char *text, float fallback)
{
    return to_float(r, key, text, read_number(r, key, text, (double)fallback), fallback);
}

int64_t read_duration(const struct reader *r, const char *key, const char *text, enum zero zero,
                      int64_t fallback)
{
    if (!read_given(r, key, text))
        return fallback;
    int64_t value_us = 0;
    const char *rule = value_duration(text, &value_us);
    if (!rule && value_us == 0 && zero == ZERO_IS_REFUSED)
        rule = "must be longer than that";
    if (!rule)
        return value_us == 0 && zero == ZERO_IS_LEAST ? 1 : value_us;
    refuse(r, key, text, rule);
    return fallback;
}

int64_t read_size(const struct reader *r, const char *key, const char *text, int64_t fallback)
{
    if (!read_given(r, key, text))
        return fallback;
    int64_t value = 0;
    const char *rule = value_size(text, &value);
    if (!rule && value == 0)
        rule = "must be more than that";
    if (!rule)
        return value;
    refuse(r, key, text, rule);
    return fallback;
}

bool read_truth(const struct reader *r, const char *key, const char *text, bool fallback)
{
    if (!read_given(r, key, text))
        return fallback;
    bool value = false;
    const char *rule = value_truth(text, &value);
    if (!rule)
        return value;
    refuse(r, key, text, rule);
    return fallback;
}

int read_word(const struct reader *r, const char *key, const char *text,
              const struct value_word *words, size_t n_words, int fallback)
{
    if (!read_given(r, key, text))
        return fallback;
    int value = 0;
    if (value_choose(text, words, n_words, &value))
        return value;
    char list[120] = "";
    for (size_t i = 0, at = 0; i < n_words && at < sizeof list; i++)
        at += (size_t)snprintf(list + at, sizeof list - at, "%s%s", i ? ", " : "", words[i].word);
    const char *nearest = NULL;
    unsigned best = ~0u, distance;
    for (size_t i = 0; i < n_words; i++) {
        if (value_resembles(text, words[i].word, &distance) && distance < best) {
            best = distance;
            nearest = words[i].word;
        }
    }
    report_node(r->report, r->node, key, "'%s' is not one of %s%s%s%s", text, list,
                nearest ? "; did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
    return fallback;
}

void read_text(const struct reader *r, const char *key, const char *text, char *ret_text,
               size_t cap)
{
    if (!read_given(r, key, text))
        return;
    size_t n = strlen(text);
    if (n < cap)
        memcpy(ret_text, text, n + 1);
    else
        report_node(r->report, r->node, key, "is longer than %zu bytes", cap - 1);
}

bool read_name(const struct reader *r, const char *key, const char *text, char ret_name[])
{
    if (!read_given(r, key, text))
        return false;
    const char *rule = value_name(text);
    if (rule) {
        refuse(r, key, text, rule);
        return false;
    }
    memcpy(ret_name, text, strlen(text) + 1);
    return true;
}

static const char *name_at(const struct names *names, size_t i)
{
    return (const char *)names->first + i * names->stride;
}

int64_t find_name(const struct names *names, const char *name)
{
    for (size_t i = 0; i < names->n; i++)
        if (strcmp(name_at(names, i), name) == 0)
            return (int64_t)i;
    return -1;
}

const char *nearest_name(const struct names *names, const char *name)
{
    const char *nearest = NULL;
    unsigned best = ~0u, distance;
    for (size_t i = 0; i < names->n; i++) {
        const char *candidate = name_at(names, i);
        if (candidate[0] && value_resembles(name, candidate, &distance) && distance < best) {
            best = distance;
            nearest = candidate;
        }
    }
    return nearest;
}

int64_t read_reference(const struct reader *r, const char *key, const char *text, const char *what,
                       const struct names *names)
{
    if (!read_given(r, key, text))
        return -1;
    int64_t i = text[0] ? find_name(names, text) : -1;
    if (i >= 0)
        return i;
    const char *nearest = nearest_name(names, text);
    report_node(r->report, r->node, key, "there is no %s '%s'%s%s%s", what, text,
                nearest ? "; did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
    return -1;
}
