/* SPDX-License-Identifier: Apache-2.0 */
/* Models: bytes, digest, state, what the card says in short, and which machine they belong to. */
#ifndef MW_STORAGE_REGISTRY_H
#define MW_STORAGE_REGISTRY_H

#include "base/sha256.h"
#include "storage/db.h"

#define REGISTRY_MODEL_MAX (4 << 20) /* bytes of one model's file */
#define REGISTRY_KEPT      5         /* of each state but active, for each machine */

enum registry_state { MODEL_CANDIDATE = 1, MODEL_SHADOW, MODEL_ACTIVE, MODEL_RETIRED };

struct registry_entry {
    uint8_t digest[MW_SHA256_BYTES]; /* of the whole file */
    uint32_t machine;
    uint8_t state;    /* enum registry_state */
    int64_t added_us; /* UTC */
    uint32_t n_bytes;
    uint32_t n_rows; /* training frames, from the card */
    float r2;        /* from the card */
};

/* Inside a transaction. Adding the same digest for the same machine again is no error and changes
 * nothing. A new one is a candidate; the oldest candidate beyond REGISTRY_KEPT goes.
 * MW_ERR_TOO_BIG above REGISTRY_MODEL_MAX. A NaN r2 is kept as 0. */
int registry_add(struct db *db, uint32_t machine, const void *bytes, size_t n_bytes,
                 uint32_t n_rows, float r2, int64_t at_us, uint8_t ret_digest[MW_SHA256_BYTES]);

/* Inside a transaction. Making one active retires the active one of the same machine. The oldest
 * retired ones beyond REGISTRY_KEPT go. MW_ERR_NOT_FOUND; MW_ERR_TOO_BIG where REGISTRY_KEPT
 * shadows run already. */
int registry_set_state(struct db *db, uint32_t machine, const uint8_t digest[MW_SHA256_BYTES],
                       enum registry_state state);

/* The active model's bytes, checked against their digest: allocated, free() them.
 * MW_ERR_NOT_FOUND, MW_ERR_CORRUPT. */
int registry_active(struct db *db, uint32_t machine, uint8_t **ret_bytes, size_t *ret_n);

/* A machine's models, the one whose state changed last first; at most cap. */
int registry_list(struct db *db, uint32_t machine, struct registry_entry *ret, size_t cap,
                  size_t *ret_n);

#endif
