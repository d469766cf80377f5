/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/loaded.h"
#include "base/result.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

static void print_error(void *ctx, const struct config_error *error)
{
    (void)ctx;
    fprintf(stderr, "%s:", error->file);
    if (error->line > 0)
        fprintf(stderr, "%d:%d:", error->line, error->column);
    fprintf(stderr, " %s%s%s%s\n", error->path, error->path[0] ? ": " : "",
            error->warning ? "warning: " : "", error->message);
}

int loaded_config(const char *file, const char *profiles, struct config **ret_config)
{
    int result = config_load(ret_config, file, profiles, CONFIG_ANYWHERE, print_error, NULL);
    switch (result) {
    case MW_ERR_NOT_FOUND: return EX_NOINPUT;
    case MW_ERR_IO: return EX_IOERR;
    case MW_ERR_NO_MEMORY: return EX_OSERR;
    default: return result < 0 ? EX_CONFIG : EX_OK;
    }
}

int loaded_bus(const struct config *config, const char *file, const char *name)
{
    for (size_t i = 0; i < config->n_buses; i++)
        if (strcmp(config->buses[i].name, name) == 0)
            return (int)i;
    fprintf(stderr, "millwright: %s: no bus '%s'; there %s", file, name,
            config->n_buses == 0 ? "is none" : "are");
    for (size_t i = 0; i < config->n_buses; i++)
        fprintf(stderr, "%s %s", i ? "," : "", config->buses[i].name);
    fputc('\n', stderr);
    return -1;
}

struct device_config *loaded_devices(const struct config *config, size_t bus, size_t *ret_n)
{
    struct device_config *devices = malloc((config->n_devices + 1) * sizeof *devices);
    size_t n = 0;
    for (size_t i = 0; devices && i < config->n_devices; i++)
        if (config->devices[i].bus == bus)
            devices[n++] = config->devices[i];
    *ret_n = n;
    return devices;
}
