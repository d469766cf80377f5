/* SPDX-License-Identifier: Apache-2.0 */
/* One question after the other, answered by an option, by a person or a pipe on stdin, or by its
 * default. Questions go to stderr. */
#ifndef MW_CLI_INIT_ASK_H
#define MW_CLI_INIT_ASK_H

#include <stdbool.h>

#define ASK_MAX 512 /* bytes of an answer with its end */

struct asker {
    bool yes;      /* what no option answers has its default; nothing is read */
    bool terminal; /* stdin is one: it shows what is typed */
};

/* Takes an answer, or says to stderr which rule it breaks and returns false. */
typedef bool ask_take_fn(void *ctx, const char *answer);

struct question {
    const char *text;     /* "Which bus" */
    const char *option;   /* that answers it, "--bus" */
    const char *given;    /* the option's value; NULL: it was not given */
    const char *fallback; /* what an empty line means; NULL: it means nothing */
    ask_take_fn *take;
    void *ctx;
    const char *shown; /* in the fallback's stead, where that says little; or NULL */
};

/* Asks until an answer is taken. EX_OK; EX_USAGE: the option's value or, with yes, the default was
 * refused, or there is none; EX_NOINPUT: stdin ended. All failures were said. */
int ask(const struct asker *asker, const struct question *question);

/* yes or no, y or n. */
int ask_yes(const struct asker *asker, const char *text, const char *option, const char *given,
            bool fallback, bool *ret_yes);

#endif
