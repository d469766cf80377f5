/* SPDX-License-Identifier: Apache-2.0 */
/* Gathers what is wrong with a configuration, so that all of it is told in one run and in the
 * order of lines. */
#ifndef MW_CONFIG_REPORT_H
#define MW_CONFIG_REPORT_H

#include "base/complaint.h"
#include "config/config.h"
#include "config/locate.h"

#include <stdbool.h>
#include <stddef.h>

#define REPORT_MAX_ERRORS 1000 /* further ones are counted in a last line */

struct report_entry;
struct report {
    struct report_entry *entries;
    size_t n, cap, n_more;
    bool no_memory;
    bool warning; /* what is said from now on is a warning */
};

/* At a place given in numbers. path may be empty. The same words at the same path are kept once. */
void report_at(struct report *report, const char *file, int line, int column, const char *path,
               const char *format, ...) __attribute__((format(printf, 6, 7)));

/* About the setting key of the object node: at its value where it is written down, else at the
 * object itself. key NULL: the node itself. */
void report_node(struct report *report, const struct node *node, const char *key,
                 const char *format, ...) __attribute__((format(printf, 4, 5)));

#define REPORT_PLACE_BYTES 200
/* "line 12"; or "conf.d/fans.yaml:12" where the other is in another file than node. */
void report_place(char ret_place[REPORT_PLACE_BYTES], const struct node *node,
                  const struct node *other, int line);

/* Whether something was said about this path already. */
bool report_has(const struct report *report, const char *file, const char *path);

/* A settle function's complaints about an object that was put together from several nodes (a
 * machine's own settings before those of its type), the first one first. A setting is looked for
 * in each and one level below. Where the file said something wrong about it already, the
 * complaint would be its echo and is left out. */
struct report_settling {
    struct report *report;
    const struct node *nodes[2];
};
struct mw_complaints report_complaints(struct report_settling *settling);

/* Hands everything over in the order of files, lines and columns; returns how many were errors. */
size_t report_flush(struct report *report, const char *first_file, config_error_fn *tell,
                    void *ctx);
void report_finish(struct report *report);

#endif
