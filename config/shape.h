/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a document has the form of a schema. Finds every fault where libcyaml stops at the first
 * and names the line before it. */
#ifndef MW_CONFIG_SHAPE_H
#define MW_CONFIG_SHAPE_H

#include "config/locate.h"
#include "config/report.h"
#include "config/schema.h"

/* Reports unknown and repeated keys, wrong kinds of values, empty values, missing keys, lists and
 * texts that are too long. Marks faulty
 * nodes, and sections without a value, which are no fault. Returns how many are marked or missing.
 */
size_t shape_check(struct node *node, const struct cyaml_schema_value *schema,
                   struct report *report);

#endif
