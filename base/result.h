/* SPDX-License-Identifier: Apache-2.0 */
/* What a call says of itself: >= 0 is fine, < 0 is one of these.
 *
 * Expected trouble (silence, a bad frame, no broker, a full disk) is a result; a caller's
 * broken promise is an assert. */
#ifndef MW_BASE_RESULT_H
#define MW_BASE_RESULT_H

enum mw_result {
    MW_OK = 0,
    MW_ERR_INVALID = -1,     /* a setting or argument breaks a rule */
    MW_ERR_FORMAT = -2,      /* foreign bytes are not what they claim to be */
    MW_ERR_UNSUPPORTED = -3, /* well-formed, but not something we do */
    MW_ERR_TOO_BIG = -4,     /* a stated limit is exceeded */
    MW_ERR_NO_SPACE = -5,    /* the disk, quota or buffer is full */
    MW_ERR_IO = -6,          /* the operating system said no */
    MW_ERR_TIMEOUT = -7,     /* no answer within the time given */
    MW_ERR_GONE = -8,        /* adapter unplugged, connection closed */
    MW_ERR_NOT_FOUND = -9,
    MW_ERR_AGAIN = -10,   /* not yet; ask again later */
    MW_ERR_REFUSED = -11, /* the peer understood and refused (exception, reason code) */
    MW_ERR_CORRUPT = -12, /* stored bytes fail their own check */
    MW_ERR_NO_MEMORY = -13,
    MW_ERR_CHECKSUM = -14, /* CRC or digest differs */
    MW_ERR_MISMATCH = -15, /* an answer to another question */
    MW_ERR_STATE = -16,    /* not allowed now */
};

/* A short lower-case phrase in English, "no answer in time"; never NULL. */
const char *mw_result_text(int result);

#endif
