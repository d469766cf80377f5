/* SPDX-License-Identifier: Apache-2.0 */
/* Paho names a connection by its descriptor, with TLS by its SSL: what was read from anything else
 * is not the broker's word. Which of both was read last is known when the callback comes, since
 * Paho reads no further until it returns.
 *
 * The two states of this file cannot hang from a struct that someone owns: recv has no argument for
 * one. What is overheard is the thread's; the next definitions are found once, before main, since
 * later the sandbox and other threads are there. */
#define _GNU_SOURCE /* RTLD_NEXT */
#include "uplink/paho_tap.h"
#include "base/result.h"
#include "uplink/puback.h"

#include <dlfcn.h>
#include <errno.h>
#include <openssl/ssl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>

/* The libraries must find these two also where a build hides symbols or optimises at link time. */
#define FOR_LIBRARIES __attribute__((visibility("default"), used))

typedef ssize_t recv_function(int fd, void *buffer, size_t n, int flags);
typedef int ssl_read_function(SSL *ssl, void *buffer, int n);

static recv_function *_Atomic next_recv;
static ssl_read_function *_Atomic next_ssl_read; /* NULL where OpenSSL is not linked */

struct source {
    const void *ssl; /* NULL: without TLS */
    int fd;          /* with TLS 0 */
};

static _Thread_local struct {
    struct source last;
    struct source broker;
    struct puback_scanner scanner; /* rests unless it is listened to */
} overheard;

/* A pointer to an object becomes one to a function (dlsym's own way needs a cast that ISO C does
 * not have). */
static void find_next(const char *name, void *ret_function)
{
    void *symbol = dlsym(RTLD_NEXT, name);
    memcpy(ret_function, &symbol, sizeof symbol);
}

__attribute__((constructor)) static void find_both(void)
{
    recv_function *found_recv;
    ssl_read_function *found_ssl_read;
    find_next("recv", &found_recv);
    find_next("SSL_read", &found_ssl_read);
    atomic_store(&next_recv, found_recv);
    atomic_store(&next_ssl_read, found_ssl_read);
}

static void overhear(struct source source, const void *bytes, size_t n)
{
    overheard.last = source;
    if (overheard.scanner.state != PUBACK_REST && source.ssl == overheard.broker.ssl &&
        source.fd == overheard.broker.fd)
        puback_scan(&overheard.scanner, bytes, n);
}

/* Its parameters are named as the C library names them: one function, one set of names. */
FOR_LIBRARIES ssize_t recv(int __fd, void *__buf, size_t __n, int __flags)
{
    recv_function *next = atomic_load_explicit(&next_recv, memory_order_relaxed);
    if (!next) { /* a library's own constructor reads */
        find_both();
        next = atomic_load(&next_recv);
    }
    if (!next) {
        errno = ENOSYS;
        return -1;
    }
    ssize_t n_read = next(__fd, __buf, __n, __flags);
    /* What is only looked at comes again; out of band is not in the stream, discarded not here. */
    if (n_read > 0 && !(__flags & (MSG_PEEK | MSG_OOB | MSG_TRUNC)))
        overhear((struct source){ .fd = __fd }, __buf, (size_t)n_read);
    return n_read;
}

FOR_LIBRARIES int SSL_read(SSL *ssl, void *buffer, int n)
{
    ssl_read_function *next = atomic_load_explicit(&next_ssl_read, memory_order_relaxed);
    if (!next) {
        find_both();
        next = atomic_load(&next_ssl_read);
    }
    if (!next)
        return -1;
    int n_read = next(ssl, buffer, n);
    /* OpenSSL's own reading from the socket came before this: the last source is the SSL. */
    if (n_read > 0)
        overhear((struct source){ .ssl = ssl }, buffer, (size_t)n_read);
    return n_read;
}

void paho_tap_begin(void)
{
    overheard.broker = overheard.last;
    puback_begin(&overheard.scanner);
}

void paho_tap_end(void)
{
    overheard.scanner = (struct puback_scanner){ .state = PUBACK_REST };
}

int paho_tap_reason(int token)
{
    if (token <= 0 || token > UINT16_MAX)
        return MW_ERR_NOT_FOUND;
    return puback_reason(&overheard.scanner, (uint16_t)token);
}
