/* SPDX-License-Identifier: Apache-2.0 */
/* A configuration as the verbs of a bus need it: loaded with its errors on stderr, and a bus found
 * in it. */
#ifndef MW_CLI_LOADED_H
#define MW_CLI_LOADED_H

#include "config/config.h"

/* Prints every error; *ret_config belongs to config_free. EX_OK; EX_NOINPUT, EX_IOERR, EX_OSERR or
 * EX_CONFIG. */
int loaded_config(const char *file, const char *profiles, struct config **ret_config);

/* Index of the bus; or -1 after its absence was said, with the names that there are. */
int loaded_bus(const struct config *config, const char *file, const char *name);

/* Devices of a bus, copied: [*ret_n], to be freed. NULL: out of memory. */
struct device_config *loaded_devices(const struct config *config, size_t bus, size_t *ret_n);

#endif
