/* SPDX-License-Identifier: Apache-2.0 */
/* A TLS handshake with the broker as the daemon's library would make it, for the words that the
 * library keeps to itself: which certificate is wrong, and how. No byte of MQTT is sent. */
#include "base/result.h"
#include "cli/doctor.h"
#include "uplink/certificate.h"

#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* With TLS 1.3 a broker that wants a certificate says so only after the client's handshake. */
#define AFTER_US INT64_C(300000)

static SSL_CTX *make_context(const struct mqtt_config *m)
{
    char passphrase[] = ""; /* without one the library would ask on the terminal */
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    bool well = context && SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1 &&
                SSL_CTX_load_verify_locations(context, m->ca_file, NULL) == 1;
    if (context) {
        SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
        SSL_CTX_set_default_passwd_cb_userdata(context, passphrase);
    }
    if (well && m->cert_file[0])
        well = SSL_CTX_use_certificate_chain_file(context, m->cert_file) == 1 &&
               SSL_CTX_use_PrivateKey_file(context, m->key_file, SSL_FILETYPE_PEM) == 1;
    if (context)
        SSL_CTX_set_default_passwd_cb_userdata(context, NULL);
    if (!well) {
        SSL_CTX_free(context);
        context = NULL;
    }
    return context;
}

/* SSL_set_tlsext_host_name, whose macro casts a const away; the library copies the name. */
static bool name_host(SSL *ssl, const char *host)
{
    char name[256];
    (void)snprintf(name, sizeof name, "%s", host);
    return SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, name) == 1;
}

static SSL *make_session(SSL_CTX *context, int fd, const struct mqtt_config *m, const char *host)
{
    SSL *ssl = SSL_new(context);
    uint8_t alpn[sizeof m->alpn + 1];
    int n_alpn = mqtt_alpn_wire(m->alpn, alpn, sizeof alpn);
    bool well = ssl && SSL_set_fd(ssl, fd) == 1;
    if (well && X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) != 1)
        well = SSL_set1_host(ssl, host) == 1 && name_host(ssl, host);
    if (well && n_alpn > 0)
        SSL_set_alpn_protos(ssl, alpn, (unsigned)n_alpn);
    if (!well) {
        SSL_free(ssl);
        ssl = NULL;
    }
    return ssl;
}

/* Until the call has an outcome: > 0 well, 0 the time is up, < 0 wrong. */
static int finish(SSL *ssl, int (*call)(SSL *), int64_t until_us)
{
    for (;;) {
        int n = call(ssl), error = SSL_get_error(ssl, n);
        int64_t left_us = until_us - doctor_mono_us();
        if (n > 0)
            return n;
        if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE)
            return -1;
        if (left_us <= 0)
            return 0;
        struct pollfd wait = { .fd = SSL_get_fd(ssl),
                               .events = error == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT };
        poll(&wait, 1, (int)(left_us / 1000) + 1);
    }
}

static int peek(SSL *ssl)
{
    char byte;
    return SSL_peek(ssl, &byte, 1);
}

static enum doctor_tls_outcome outcome_of_verify(long code)
{
    switch (code) {
    case X509_V_ERR_CERT_HAS_EXPIRED: return TLS_EXPIRED;
    case X509_V_ERR_CERT_NOT_YET_VALID: return TLS_NOT_YET;
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH: return TLS_OTHER_NAME;
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN: return TLS_UNTRUSTED;
    default: return TLS_FAILED;
    }
}

static enum doctor_tls_outcome outcome_of_error(unsigned long error)
{
    switch (ERR_GET_REASON(error)) {
    case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED:
    case SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE: return TLS_WANTS_CERTIFICATE;
    case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
    case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN:
    case SSL_R_TLSV1_ALERT_DECRYPT_ERROR: return TLS_DISLIKES_CERTIFICATE;
    case SSL_R_WRONG_VERSION_NUMBER: return TLS_NO_TLS;
    default: return TLS_FAILED;
    }
}

static void tell_failure(SSL *ssl, bool late, struct doctor_tls *tls)
{
    long verify = ssl ? SSL_get_verify_result(ssl) : X509_V_OK;
    unsigned long error = ERR_peek_last_error();
    const char *words = ERR_reason_error_string(error);
    if (verify != X509_V_OK) {
        tls->outcome = outcome_of_verify(verify);
        words = X509_verify_cert_error_string(verify);
    } else if (error == 0) { /* the peer hung up without a word */
        tls->outcome = late ? TLS_WANTS_CERTIFICATE : TLS_NO_TLS;
        words = "it ends the connection";
    } else {
        tls->outcome = outcome_of_error(error);
    }
    (void)snprintf(tls->words, sizeof tls->words, "%s", words ? words : "");
}

/* The DNS names and addresses of subjectAltName, "a, b", as far as there is room. */
static void list_names(const X509 *certificate, char *ret_names, size_t cap)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    size_t n = 0;
    for (int i = 0; i < sk_GENERAL_NAME_num(names) && n < cap; i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        if (name->type != GEN_DNS)
            continue;
        const unsigned char *text = ASN1_STRING_get0_data(name->d.dNSName);
        int length = ASN1_STRING_length(name->d.dNSName);
        n += (size_t)snprintf(ret_names + n, cap - n, "%s%.*s", n ? ", " : "",
                              length < 100 ? length : 100, (const char *)text);
    }
    GENERAL_NAMES_free(names);
}

static int look_at_peer(int preverified, X509_STORE_CTX *store)
{
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct doctor_tls *tls = ssl ? SSL_get_app_data(ssl) : NULL;
    const X509 *leaf = X509_STORE_CTX_get0_cert(store);
    if (tls && leaf && tls->not_after_us == 0) {
        if (certificate_end(leaf, &tls->not_after_us) != MW_OK)
            tls->not_after_us = 0;
        list_names(leaf, tls->names, sizeof tls->names);
    }
    return preverified;
}

static void talk(SSL *ssl, int64_t patience_us, struct doctor_tls *tls)
{
    SSL_set_app_data(ssl, tls);
    SSL_set_verify(ssl, SSL_VERIFY_PEER, look_at_peer);
    int shaken = finish(ssl, SSL_connect, doctor_mono_us() + patience_us);
    if (shaken == 0)
        tls->outcome = TLS_SILENT;
    else if (shaken < 0)
        tell_failure(ssl, false, tls);
    else if (finish(ssl, peek, doctor_mono_us() + AFTER_US) < 0)
        tell_failure(ssl, true, tls);
    else
        tls->outcome = TLS_OK;
    (void)snprintf(tls->protocol, sizeof tls->protocol, "%s", SSL_get_version(ssl));
}

void doctor_shake_hands(int fd, const struct mqtt_config *mqtt, const char *host,
                        int64_t patience_us, struct doctor_tls *ret_tls)
{
    SSL_CTX *context = make_context(mqtt);
    SSL *ssl = context ? make_session(context, fd, mqtt, host) : NULL;
    *ret_tls = (struct doctor_tls){ .outcome = TLS_FILES };
    (void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    if (ssl)
        talk(ssl, patience_us, ret_tls);
    else
        (void)snprintf(ret_tls->words, sizeof ret_tls->words, "%s",
                       ERR_reason_error_string(ERR_peek_last_error())
                           ? ERR_reason_error_string(ERR_peek_last_error())
                           : "");
    SSL_free(ssl);
    SSL_CTX_free(context);
    ERR_clear_error();
}
