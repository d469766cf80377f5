/* SPDX-License-Identifier: Apache-2.0 */
#include "inference/fault.h"

#include <stdbool.h>
#include <stddef.h>

#ifndef MW_ENGINE_NO_WORDS

struct text {
    char *at, *end; /* end: the last place, kept for the terminator */
};

static void add_char(struct text *t, char c)
{
    if (t->at < t->end)
        *t->at++ = c;
}

static void add_word(struct text *t, const char *word)
{
    for (; *word; word++)
        add_char(t, *word);
}

static void add_number(struct text *t, int64_t number)
{
    char digits[20]; /* of 2^63 */
    int n = 0;
    uint64_t rest = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
    do
        digits[n++] = (char)('0' + rest % 10);
    while ((rest /= 10) > 0);
    if (number < 0)
        add_char(t, '-');
    while (n > 0)
        add_char(t, digits[--n]);
}

int mw_fault_named(struct mw_model_fault *ret_why, int result, const char *words, const char *name,
                   int64_t a, int64_t b)
{
    if (!ret_why)
        return result;
    struct text t = { ret_why->text, ret_why->text + sizeof ret_why->text - 1 };
    bool first = true;
    for (; *words; words++) {
        if (*words == '$')
            add_word(&t, name);
        else if (*words == '#') {
            add_number(&t, first ? a : b);
            first = false;
        } else
            add_char(&t, *words);
    }
    *t.at = 0;
    return result;
}

int mw_fault(struct mw_model_fault *ret_why, int result, const char *words, int64_t a, int64_t b)
{
    return mw_fault_named(ret_why, result, words, "", a, b);
}

int mw_fault_append(struct mw_model_fault *ret_why, int result, const char *words)
{
    if (!ret_why)
        return result;
    struct text t = { ret_why->text, ret_why->text + sizeof ret_why->text - 1 };
    while (*t.at)
        t.at++;
    add_word(&t, words);
    *t.at = 0;
    return result;
}

#endif
