/* SPDX-License-Identifier: Apache-2.0 */
/* A recorded CSV as a slave: every completed poll sees the next row. Column k is a float32, order
 * ABCD, in the holding registers 2k and 2k + 1 of unit 1.
 *
 * A poll is completed when the answer to a read that includes the block's last register has left
 * whole. Until then every read sees the same row, so that a broken connection loses none. After the
 * last row (without loop) every read is answered with exception 6, slave device busy.
 *
 * The file: a line of column names, then one line per row, separated by ';' or ',' (whichever the
 * first line holds); the first column is a date and time and is not served. */
#ifndef MW_SIMULATOR_CSV_REPLAY_H
#define MW_SIMULATOR_CSV_REPLAY_H

#include "simulator/pdu.h"

#define CSV_MAX_COLUMNS 64
#define CSV_MAX_ROWS    10000000
#define CSV_MAX_LINE    8192

struct csv_replay {
    float *values; /* [n_rows][n_columns] */
    uint32_t n_rows, n_columns;
    char names[CSV_MAX_COLUMNS][48];
    uint32_t row;       /* the next read sees this one; n_rows: at the end */
    uint32_t first_row; /* number of the first served row in the file, from 0 */
    bool loop;
    uint64_t n_served;
    /* Told of each row when it was served; row as numbered in the file. May be NULL. */
    void (*served)(void *ctx, uint32_t row, int64_t now_us);
    void *served_ctx;
};

struct csv_choice {
    const char *only;   /* names with commas between: these columns, in the file's order; or NULL */
    const char *ignore; /* all but these; or NULL */
    uint32_t from_row, to_row; /* from_row <= number < to_row, from 0; to_row 0: to the end */
};

struct csv_fault {
    uint32_t line; /* 1-based, 0: of the file or the choice */
    char text[160];
};

/* MW_OK and a replay to be given to csv_replay_finish; else MW_ERR_NOT_FOUND, MW_ERR_IO,
 * MW_ERR_FORMAT (the value that is none is named), MW_ERR_INVALID (a column or row that is not
 * there), MW_ERR_TOO_BIG, MW_ERR_NO_MEMORY, in words in *ret_why. */
int csv_replay_init(struct csv_replay *replay, const char *path, const struct csv_choice *choice,
                    struct csv_fault *ret_why);
void csv_replay_finish(struct csv_replay *replay);

/* The port that servers ask; *replay must stay where it is. */
struct pdu_bank csv_replay_bank(struct csv_replay *replay);

#endif
