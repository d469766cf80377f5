/* SPDX-License-Identifier: Apache-2.0 */
/* What a plant need not write again and again: the section defaults is laid under the entries of
 * the lists, and a machine that says bus and unit gets a device of its own. Works on the tree of
 * the file, before its shape is checked; whatever is wrong with it stays as it is and is found
 * there. What is added are copies that know where they are written. Private to config/. */
#ifndef MW_CONFIG_GRAFT_H
#define MW_CONFIG_GRAFT_H

#include "config/locate.h"
#include "config/report.h"

#include <stdbool.h>

struct graft_chunk;
struct graft {
    struct graft_chunk *chunks; /* of nodes; owned */
    bool changed;               /* the tree is not the file's any more */
    bool no_memory;
};

/* root: the mapping of the whole file, its fragments already in it. Reports what contradicts
 * itself. The tree borrows from graft until graft_finish. */
void graft_apply(struct graft *graft, struct node *root, struct report *report);
void graft_finish(struct graft *graft);

#endif
