/* SPDX-License-Identifier: Apache-2.0 */
/* May this tty be used? Says in words who has it, or what is wrong with it. */
#ifndef MW_CLI_PORT_H
#define MW_CLI_PORT_H

/* EX_OK; or after it was said why not: EX_NOINPUT: there is none; EX_NOPERM; EX_DATAERR: no tty;
 * EX_TEMPFAIL: another program has locked it, which is named. */
int port_check(const char *device);

/* Who has the tty locked, as far as this user may see. */
struct port_owner {
    long pid;       /* 0: nobody, or not to be seen */
    char name[64];  /* of the program */
    char unit[128]; /* of systemd; empty: none */
};
void port_owner(const char *device, struct port_owner *ret_owner);

#endif
