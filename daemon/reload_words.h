/* SPDX-License-Identifier: Apache-2.0 */
/* What is told of a reload: the errors of a refused file, or what changed; for the journal, the
 * status and whoever asked. No secret is in a configuration, only names of files. */
#ifndef MW_DAEMON_RELOAD_WORDS_H
#define MW_DAEMON_RELOAD_WORDS_H

#include "config/diff.h"

#define RELOAD_LINES_MAX    100 /* errors or changes told; the rest is counted */
#define RELOAD_CODE_CONFIG  78  /* exit status for who asked, of sysexits.h */
#define RELOAD_CODE_NO_FILE 66
#define RELOAD_CODE_IO      74
#define RELOAD_CODE_LATER   75

struct reload_words {
    int code; /* 0: it was done */
    char text[200];
    bool are_errors; /* the lines are errors, not changes */
    char (*lines)[400];
    size_t n_lines, n_more;
};

/* Warnings are left out: the file is right. */
void reload_words_error(struct reload_words *words, const struct config_error *error);
void reload_words_changes(struct reload_words *words, const struct config_diff *diff);
void reload_words_refuse(struct reload_words *words, int code, const char *why);
void reload_words_done(struct reload_words *words, const char *text);
/* One line: the outcome, and of a refused one the first error. */
const char *reload_words_first(const struct reload_words *words);
/* As reload_answer has it. */
char *reload_words_json(const struct reload_words *words);
void reload_words_clear(struct reload_words *words);

#endif
