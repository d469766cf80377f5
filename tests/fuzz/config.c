/* links: config */
/* SPDX-License-Identifier: Apache-2.0 */
/* A configuration is foreign bytes. Whatever they are: it loads, settled and within its own bounds,
 * or at least one error is reported, each within the file. */
#include "config/config.h"

#include "base/result.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

struct heard {
    size_t n_errors, n_lines;
    int last_line;
};

static void hear(void *ctx, const struct config_error *error)
{
    struct heard *heard = ctx;
    heard->n_errors++;
    if (!error->message[0] || error->line < 0 || (size_t)error->line > heard->n_lines + 1)
        abort();
    if (error->line > 0 && (error->column < 1 || error->line < heard->last_line))
        abort();
    heard->last_line = error->line;
}

static void check_bounds(const struct config *c)
{
    for (size_t i = 0; i < c->n_devices; i++) {
        const struct device_config *d = &c->devices[i];
        if (d->bus >= c->n_buses || d->first_point + d->n_points > c->n_points)
            abort();
    }
    for (size_t i = 0; i < c->n_machines; i++) {
        const struct mw_detector_config *d = &c->machines[i].detector;
        if (d->n_channels < 1 || d->n_channels > MW_MAX_CHANNELS || d->period_us <= 0)
            abort();
        for (uint16_t k = 0; k < d->n_channels; k++)
            if (c->machines[i].points[k] >= c->n_points || !d->channels[k].name[0])
                abort();
    }
    for (size_t i = 0; i < c->n_buses; i++)
        if (!(config_bus_load(c, i) <= 1))
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct config *config = NULL;
    struct heard heard = { 0 };
    for (size_t i = 0; i < n; i++)
        heard.n_lines += bytes[i] == '\n' || bytes[i] == '\r' || bytes[i] >= 0x80;
    int result = config_load_bytes(&config, "fuzz", bytes, n, NULL, NULL, hear, &heard);
    if ((result == MW_OK) != (heard.n_errors == 0) || (result == MW_OK) != (config != NULL))
        abort();
    if (config)
        check_bounds(config);
    config_free(config);
    return 0;
}
