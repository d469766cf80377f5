/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE /* getaddrinfo_a */
#include "fieldbus/host_lookup.h"
#include "base/result.h"

#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

struct host_lookup {
    char host[256], port[8];
    struct addrinfo hints;
    struct gaicb request;
};

static void write_port(char ret_text[8], uint16_t port)
{
    snprintf(ret_text, 8, "%u", (unsigned)port);
}

int host_numeric(const char *host, uint16_t port, struct addrinfo **ret_addresses)
{
    char text[8];
    struct addrinfo *found = NULL;
    struct addrinfo hints = { .ai_family = AF_UNSPEC,
                              .ai_socktype = SOCK_STREAM,
                              .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV };
    write_port(text, port);
    if (getaddrinfo(host, text, &hints, &found) != 0 || !found)
        return MW_ERR_NOT_FOUND;
    *ret_addresses = found;
    return MW_OK;
}

int host_lookup_create(struct host_lookup **ret_lookup, const char *host, uint16_t port)
{
    struct host_lookup *lookup = calloc(1, sizeof *lookup);
    if (!lookup)
        return MW_ERR_NO_MEMORY;
    snprintf(lookup->host, sizeof lookup->host, "%s", host);
    write_port(lookup->port, port);
    lookup->hints = (struct addrinfo){ .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM };
    lookup->request = (struct gaicb){ .ar_name = lookup->host,
                                      .ar_service = lookup->port,
                                      .ar_request = &lookup->hints };
    struct gaicb *list[1] = { &lookup->request };
    if (getaddrinfo_a(GAI_NOWAIT, list, 1, NULL) != 0) {
        free(lookup);
        return MW_ERR_IO;
    }
    *ret_lookup = lookup;
    return MW_OK;
}

int host_lookup_result(struct host_lookup *lookup, struct addrinfo **ret_addresses)
{
    int error = gai_error(&lookup->request);
    if (error == EAI_INPROGRESS)
        return MW_ERR_AGAIN;
    if (error != 0 || !lookup->request.ar_result)
        return MW_ERR_NOT_FOUND;
    *ret_addresses = lookup->request.ar_result;
    lookup->request.ar_result = NULL;
    return MW_OK;
}

void host_lookup_destroy(struct host_lookup *lookup)
{
    if (!lookup)
        return;
    if (gai_error(&lookup->request) == EAI_INPROGRESS &&
        gai_cancel(&lookup->request) == EAI_NOTCANCELED)
        return;
    if (lookup->request.ar_result)
        freeaddrinfo(lookup->request.ar_result);
    free(lookup);
}
