/* SPDX-License-Identifier: Apache-2.0 */
#include "uplink/certificate.h"
#include "base/result.h"

#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdbool.h>
#include <sys/stat.h>

#define SECOND_US INT64_C(1000000)
#define DAY_US    (INT64_C(86400) * SECOND_US)

/* In seconds since 1970, without time_t: on 32-bit Arm ours has 64 bits and the library's 32, so
 * that not even a zero gets across as an argument. */
int certificate_end(const X509 *certificate, int64_t *ret_not_after_us)
{
    int days = 0, seconds = 0, result = MW_ERR_FORMAT;
    ASN1_TIME *epoch = ASN1_TIME_new();
    if (epoch && ASN1_TIME_set_string(epoch, "19700101000000Z") == 1 &&
        ASN1_TIME_diff(&days, &seconds, epoch, X509_get0_notAfter(certificate)) == 1) {
        *ret_not_after_us = days * DAY_US + seconds * SECOND_US;
        result = MW_OK;
    }
    ASN1_TIME_free(epoch);
    return result;
}

/* NULL where it is no regular file, too: a FIFO would be waited for without end. */
static BIO *open_regular(const char *path)
{
    struct stat there;
    bool regular = stat(path, &there) == 0 && S_ISREG(there.st_mode);
    return regular ? BIO_new_file(path, "r") : NULL;
}

static int earliest(BIO *file, int64_t *ret_not_after_us)
{
    int result = MW_ERR_FORMAT; /* none found yet */
    int64_t least_us = INT64_MAX, end_us;
    for (X509 *c; (c = PEM_read_bio_X509(file, NULL, NULL, NULL));) {
        result = certificate_end(c, &end_us);
        X509_free(c);
        if (result != MW_OK)
            break;
        least_us = end_us < least_us ? end_us : least_us;
    }
    ERR_clear_error(); /* the end of the file is one */
    if (result == MW_OK)
        *ret_not_after_us = least_us;
    return result;
}

int certificate_not_after(const char *path, int64_t *ret_not_after_us)
{
    BIO *file = open_regular(path);
    if (!file) {
        ERR_clear_error();
        return MW_ERR_IO;
    }
    int result = earliest(file, ret_not_after_us);
    BIO_free(file);
    return result;
}

int certificate_days(int64_t not_after_us, int64_t at_us)
{
    static const int days[] = { 0, 1, 7, 30 };
    for (int i = 0; i < 4; i++)
        if (at_us >= not_after_us - days[i] * DAY_US)
            return days[i];
    return CERTIFICATE_FAR;
}

static int compare(BIO *cert_file, BIO *key_file)
{
    char passphrase[] = ""; /* without one the library would ask on the terminal */
    X509 *certificate = PEM_read_bio_X509(cert_file, NULL, NULL, NULL);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(key_file, NULL, NULL, passphrase);
    int result = MW_ERR_FORMAT;
    if (certificate && key)
        result = X509_check_private_key(certificate, key) == 1 ? MW_OK : MW_ERR_MISMATCH;
    EVP_PKEY_free(key);
    X509_free(certificate);
    return result;
}

int certificate_fits_key(const char *cert_file, const char *key_file)
{
    BIO *certificate = open_regular(cert_file), *key = open_regular(key_file);
    int result = certificate && key ? compare(certificate, key) : MW_ERR_IO;
    BIO_free(key);
    BIO_free(certificate);
    ERR_clear_error();
    return result;
}

const char *certificate_library_version(void)
{
    return OpenSSL_version(OPENSSL_VERSION_STRING);
}
