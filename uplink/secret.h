/* SPDX-License-Identifier: Apache-2.0 */
/* A secret's way from its file into memory and out of it again, and who may read it. Shared by the
 * broker's adapter and the check of a configuration. */
#ifndef MW_UPLINK_SECRET_H
#define MW_UPLINK_SECRET_H

#include <stddef.h>

/* The file's one line without its end. Only the owner may read the file, or it is a credential of
 * systemd: below /run/credentials, of root, mode 0440. MW_ERR_IO, MW_ERR_REFUSED (others may read
 * it), MW_ERR_FORMAT (empty, cap bytes or more, a zero byte or a second line). */
int secret_read(char *ret_secret, size_t cap, const char *path);

/* The same rule for a file that others read, such as a private key: MW_OK, MW_ERR_IO,
 * MW_ERR_REFUSED.
 */
int secret_check(const char *path);

/* Overwrites n bytes in a way the compiler keeps. */
void secret_wipe(char *secret, size_t n);

#endif
