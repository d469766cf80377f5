/* SPDX-License-Identifier: Apache-2.0 */
/* Until when certificates are good. OpenSSL is seen by the .c only. */
#ifndef MW_UPLINK_CERTIFICATE_H
#define MW_UPLINK_CERTIFICATE_H

#include <stdint.h>

#define CERTIFICATE_FAR (-1)

struct x509_st;

/* Until when one is good, UTC. MW_ERR_FORMAT: its date is none, or memory is short. */
int certificate_end(const struct x509_st *certificate, int64_t *ret_not_after_us);

/* The earliest end of validity, UTC, of the certificates in a PEM file. MW_ERR_IO (it cannot be
 * read), MW_ERR_FORMAT (no certificate in it, or a date that is none). */
int certificate_not_after(const char *path, int64_t *ret_not_after_us);

/* The threshold that has been passed: 30, 7 or 1 days before, 0 after the end; CERTIFICATE_FAR
 * before all of them. */
int certificate_days(int64_t not_after_us, int64_t at_us);

/* Whether the private key is that of the first certificate in the PEM file: MW_OK;
 * MW_ERR_MISMATCH; MW_ERR_IO (one cannot be read); MW_ERR_FORMAT (no certificate, or no key that
 * opens without a passphrase). */
int certificate_fits_key(const char *cert_file, const char *key_file);

/* OpenSSL's version, as linked. */
const char *certificate_library_version(void);

#endif
