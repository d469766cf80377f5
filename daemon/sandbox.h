/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel calls that the running daemon needs, and no other: a seccomp filter, entered after
 * the start (files read, ports and sockets opened) by all threads and what they start later. At
 * most SANDBOX_MAX_CALLS calls on each processor; no new program, no listening, no change of user,
 * no socket but of local, IPv4 and IPv6 kind. systemd's SystemCallFilter= covers the start.
 *
 * A refused call fails with ENOSYS, as on an older kernel, so that a newer C library falls back to
 * what it did before. */
#ifndef MW_DAEMON_SANDBOX_H
#define MW_DAEMON_SANDBOX_H

#include <stdint.h>

#define SANDBOX_MAX_CALLS 50

enum sandbox_mode {
    SANDBOX_DENY, /* a refused call fails */
    SANDBOX_KILL, /* a refused call ends the process with SIGSYS: for tests */
    SANDBOX_OFF,
};

/* Of the environment's MILLWRIGHT_SANDBOX: deny (also where it is not set), kill or off.
 * Returns MW_ERR_INVALID for any other word. */
int sandbox_mode(const char *word, enum sandbox_mode *ret_mode);

/* Enters. Returns MW_OK, or MW_ERR_STATE and errno where the kernel has no seccomp filters (an
 * emulator) or gives no leave (a container): the process goes on without. */
int sandbox_enter(enum sandbox_mode mode);

/* The calls that the filter allows on a processor, SCMP_ARCH_X86_64 and the like of <seccomp.h>. */
unsigned sandbox_n_calls(uint32_t arch);

#endif
