/* SPDX-License-Identifier: Apache-2.0 */
/* The files of conf.d beside the configuration, read in the order of their names' bytes and laid
 * into one tree with it. Private to config/. */
#ifndef MW_CONFIG_FRAGMENTS_H
#define MW_CONFIG_FRAGMENTS_H

#include "config/locate.h"
#include "config/report.h"

#define FRAGMENTS_MAX 256 /* files of conf.d; more are an error */

struct fragment {
    char *file;
    uint8_t *bytes;
    struct document document;
};

struct fragments {
    struct fragment *items;
    size_t n;
};

/* Reads folder/conf.d/NAME.yaml; folder NULL: conf.d in the current one. Names that begin with a
 * dot or do not end in .yaml are passed over. A folder that is not there holds none. MW_OK; or
 * MW_ERR_NO_MEMORY, or another error after it was reported, those that could be read being there.
 */
int fragments_read(struct fragments *fragments, const char *folder, struct report *report);

/* Appends their lists to those of root and their settings to its sections. What two files give is
 * there twice then, for the shape check to find. root borrows from them until fragments_finish. */
void fragments_merge(struct fragments *fragments, struct node *root, struct report *report);
void fragments_finish(struct fragments *fragments);

#endif
