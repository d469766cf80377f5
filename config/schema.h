/* SPDX-License-Identifier: Apache-2.0 */
/* The form of the two kinds of file, as data that libcyaml and the shape check read. */
#ifndef MW_CONFIG_SCHEMA_H
#define MW_CONFIG_SCHEMA_H

#include <cyaml/cyaml.h>

extern const struct cyaml_schema_value CONFIG_SCHEMA;  /* struct raw_config */
extern const struct cyaml_schema_value PROFILE_SCHEMA; /* struct raw_profile */

#endif
