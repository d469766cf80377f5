/* SPDX-License-Identifier: Apache-2.0 */
/* A recorded table: one line of names, then rows of a date and numbers, separated by ';' or ','
 * (the first line decides). The whole file is held in memory, within stated limits. Foreign bytes:
 * everything is checked here once.
 *
 * The first column is the time, "2020-03-09 10:14:33", with T for the space, a fraction of up to 9
 * digits and a final Z if wanted; Z says that it is UTC. Other cells are numbers with a decimal
 * point; an empty cell or "nan" is a missing value. */
#ifndef TRAINING_CSV_H
#define TRAINING_CSV_H

#include "base/sample.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CSV_MAX_COLUMNS 64 /* without the time */
#define CSV_MAX_ROWS    1000000
#define CSV_MAX_BYTES   ((size_t)256 << 20)
#define CSV_NAME_MAX    63 /* characters of a column's name */
#define CSV_STAMP_MAX   35 /* characters of a time */

/* What is wrong and where: "12:Pressure: 'abc' is not a number", to be read after "FILE:". */
struct csv_fault {
    char text[240];
};

struct csv_stamp {
    int64_t at_us; /* since 1970-01-01 00:00, in the file's own zone */
    bool utc;      /* it said Z */
    char text[CSV_STAMP_MAX + 1];
};

struct csv {
    uint32_t n_columns, n_rows;
    char separator;
    char names[CSV_MAX_COLUMNS][CSV_NAME_MAX + 1];
    float *values; /* [n_rows][n_columns]; NaN: missing */
    struct csv_stamp *stamps;
};

/* MW_ERR_FORMAT, MW_ERR_TOO_BIG or MW_ERR_NO_MEMORY with words; *ret_csv is untouched then. */
int csv_parse(struct csv *ret_csv, const char *text, size_t n_bytes, struct csv_fault *ret_why);

/* csv_parse of a file; also MW_ERR_NOT_FOUND for what cannot be opened or is no regular file, and
 * MW_ERR_IO. */
int csv_load(struct csv *ret_csv, const char *path, struct csv_fault *ret_why);

void csv_destroy(struct csv *csv);

/* The column's index, or MW_ERR_NOT_FOUND. */
int csv_column(const struct csv *csv, const char *name);

/* Rows of a table as frames, channel by channel. */
struct csv_frames {
    const struct csv *csv; /* borrowed */
    uint32_t columns[MW_MAX_CHANNELS];
    uint32_t n_channels;
    uint32_t row, end; /* next row; first row after the last */
    int64_t period_us; /* 0: rows follow each other; else the times say how many slots passed */
    int64_t slot;      /* of the next frame, minus its holes */
};

/* The frame source over csv_frames, which is borrowed. */
struct mw_frame_source csv_source(struct csv_frames *frames);

#endif
