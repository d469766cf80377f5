/* SPDX-License-Identifier: Apache-2.0 */
/* A recorded table in, a model file out: the whole way of "How a card is made" in
 * docs/SPEC-model.md. Same table, options and seed give the same bytes on every processor. */
#ifndef TRAINING_TRAIN_H
#define TRAINING_TRAIN_H

#include "inference/card.h"
#include "training/csv.h"
#include "training/fit.h"

/* Below this on every scored channel the network rebuilds nothing. */
#define TRAIN_R2_LEAST 0.3f

struct train_options {
    uint32_t first_row, end_row; /* half-open; end_row 0: to the table's end */
    const char *const *context;  /* names of columns that are network input only */
    uint32_t n_context;
    const char *const *ignored; /* names of columns that are no sensors of the machine */
    uint32_t n_ignored;
    uint16_t window; /* 0: 16 */
    uint64_t seed;
    bool no_network;
    bool no_level_guard; /* for machines whose load varies */
    bool fine;           /* the network computes in int16, for smooth signals; needs a network */
    int64_t period_us;   /* of the rows; 0: unknown, rows follow each other */
};

struct train_report {
    uint32_t n_rows, n_windows;
    uint32_t n_scored;
    float r2[MW_MAX_CHANNELS]; /* of window means, scored channels in the card's order */
    float r2_best;             /* of them; 0 without a network */
    double train_mse;          /* of the float network, against its target; 0 without a network */
    uint8_t digest[32];        /* SHA-256 of the file */
    struct mw_card card;       /* as written */
};

struct train_fault {
    char text[240];
};

/* Trains. progress may be NULL. The caller frees *ret_tflite. MW_ERR_INVALID for options that do
 * not fit the table, MW_ERR_NO_MEMORY; with words, and nothing written. */
int train_run(const struct train_options *options, const struct csv *table,
              const struct progress *progress, uint8_t **ret_tflite, size_t *ret_n_bytes,
              struct train_report *ret_report, struct train_fault *ret_why);

/* Whether the report calls for the warning that the autoencoder carries no information. */
bool train_is_hollow(const struct train_report *report);

#endif
