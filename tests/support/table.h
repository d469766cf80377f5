/* SPDX-License-Identifier: Apache-2.0 */
/* A recorded table made of frames, as training reads it. */
#ifndef MW_TESTS_SUPPORT_TABLE_H
#define MW_TESTS_SUPPORT_TABLE_H

#include "base/sample.h"
#include "training/csv.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Columns channels 0 .. n_channels - 1 of the frames. The caller destroys it with csv_destroy. */
static inline struct csv table_of(const struct mw_frame *frames, uint32_t n_rows,
                                  const char *const *names, uint32_t n_channels)
{
    struct csv table = { .n_columns = n_channels, .n_rows = n_rows, .separator = ',' };
    table.values = malloc((size_t)n_rows * n_channels * sizeof table.values[0]);
    table.stamps = calloc(n_rows, sizeof table.stamps[0]);
    if (!table.values || !table.stamps)
        abort();
    for (uint32_t c = 0; c < n_channels; c++)
        strncpy(table.names[c], names[c], CSV_NAME_MAX);
    for (uint32_t i = 0; i < n_rows; i++) {
        for (uint32_t c = 0; c < n_channels; c++)
            table.values[i * n_channels + c] = frames[i].valid >> c & 1 ? frames[i].values[c] : NAN;
        table.stamps[i] = (struct csv_stamp){ .at_us = frames[i].at_us, .utc = true };
    }
    return table;
}

#endif
