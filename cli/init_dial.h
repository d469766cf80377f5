/* SPDX-License-Identifier: Apache-2.0 */
/* Whether anybody listens at a host's port: a TCP connection that is opened and closed. */
#ifndef MW_CLI_INIT_DIAL_H
#define MW_CLI_INIT_DIAL_H

#include <stdint.h>

/* NULL: somebody does, at one of the host's addresses. Else why not, in words that stay valid; each
 * address is waited for at most 3 s, a name as long as the resolver takes. host: a name, IPv4, or
 * IPv6 with or without brackets. */
const char *init_dial(const char *host, uint16_t port);

#endif
