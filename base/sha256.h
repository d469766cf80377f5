/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-256 (FIPS 180-4, section 6.2): the name of a model. Not for secrets. */
#ifndef MW_BASE_SHA256_H
#define MW_BASE_SHA256_H

#include <stddef.h>
#include <stdint.h>

#define MW_SHA256_BYTES 32

struct mw_sha256 {
    uint32_t state[8];
    uint64_t n_bytes;
    uint8_t block[64];
};

void mw_sha256_init(struct mw_sha256 *s);
void mw_sha256_feed(struct mw_sha256 *s, const void *bytes, size_t n);
void mw_sha256_finish(struct mw_sha256 *s, uint8_t ret_digest[MW_SHA256_BYTES]);

/* All three at once. */
void mw_sha256(const void *bytes, size_t n, uint8_t ret_digest[MW_SHA256_BYTES]);

#endif
