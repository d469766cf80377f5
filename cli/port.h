/* SPDX-License-Identifier: Apache-2.0 */
/* May this tty be used? Says in words who has it, or what is wrong with it. */
#ifndef MW_CLI_PORT_H
#define MW_CLI_PORT_H

/* EX_OK; or after it was said why not: EX_NOINPUT: there is none; EX_NOPERM; EX_DATAERR: no tty;
 * EX_TEMPFAIL: another program has locked it, which is named. */
int port_check(const char *device);

#endif
