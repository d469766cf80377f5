/* links: training */
/* SPDX-License-Identifier: Apache-2.0 */
/* Tables and jobs are files that people and other programs write. Whatever the bytes are: a table
 * within its limits, or words with a line. */
#include "training/csv.h"
#include "base/result.h"
#include "training/job.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static void must(int condition)
{
    if (!condition)
        abort();
}

static void walk(const struct csv *table)
{
    struct csv_frames frames = { .csv = table, .end = table->n_rows, .period_us = 1000000 };
    struct mw_frame_source source = csv_source(&frames);
    struct mw_frame frame;
    while (frames.n_channels < table->n_columns && frames.n_channels < MW_MAX_CHANNELS) {
        frames.columns[frames.n_channels] = frames.n_channels;
        frames.n_channels++;
    }
    uint32_t n_frames = 0;
    for (; source.next(source.ctx, &frame) == MW_OK; n_frames++)
        for (uint32_t c = 0; c < MW_MAX_CHANNELS; c++)
            must(isfinite(frame.values[c]));
    must(n_frames == table->n_rows);
}

static void read_job(const uint8_t *bytes, size_t n)
{
    struct train_fault why;
    struct job *job = malloc(sizeof *job);
    must(job != NULL);
    if (job_parse(job, (const char *)bytes, n, &why) == MW_OK) {
        must(job_is_name(job->csv, strlen(job->csv) - 4));
        must(job->options.end_row == 0 || job->options.first_row < job->options.end_row);
    } else
        must(memchr(why.text, 0, sizeof why.text) != NULL && why.text[0] != '\0');
    free(job);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct csv table;
    struct csv_fault why;
    if (csv_parse(&table, (const char *)bytes, n, &why) == MW_OK) {
        must(table.n_rows > 0 && table.n_columns > 0);
        walk(&table);
        csv_destroy(&table);
    } else
        must(memchr(why.text, 0, sizeof why.text) != NULL && why.text[0] >= '1');
    read_job(bytes, n);
    return 0;
}
