/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/sandbox.h"

#include "base/result.h"

#include <errno.h>
#include <linux/sched.h>
#include <seccomp.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

#define N_NAMES 3

/* One call a row. Where a processor has several of a row, the first is what its C library uses. On
 * 32-bit Arm it takes the calls with 32-bit time as long as a time fits, which those of ppoll and
 * clock_nanosleep, being relative, always do. */
static const char *const allowed[][N_NAMES] = {
    /* files: the database, models, the spool, serial ports */
    { "read" },
    { "write" },
    { "writev" },
    { "pread64" },
    { "pwrite64" },
    { "openat" },
    { "close" },
    { "_llseek", "lseek" }, /* the resolver, which reads /etc/hosts anew; OpenSSL */
    { "newfstatat", "statx" },
    { "fcntl64", "fcntl" },
    { "ioctl" },
    { "flock" },
    { "fdatasync" },
    { "ftruncate64", "ftruncate" },
    { "access", "faccessat" },
    { "unlink", "unlinkat" },
    { "rename", "renameat", "renameat2" },
    { "getdents64" },
    { "statfs64", "statfs" },
    /* memory and threads: libraries start some when they need them */
    { "mmap2", "mmap" },
    { "munmap" },
    { "mprotect" },
    { "brk" },
    { "futex" },
    { "futex_time64" },
    { "rseq" },
    { "prctl" },
    { "rt_sigprocmask" },
    { "exit" },
    { "exit_group" },
    { "restart_syscall" },
    /* time and waiting */
    { "clock_gettime64", "clock_gettime" },
    { "clock_adjtime64", "clock_adjtime" },
    { "clock_nanosleep" },
    { "poll" },
    { "ppoll" },
    { "eventfd2" },
    /* sockets: the broker, Modbus TCP, name servers, the control socket, systemd */
    { "connect" },
    { "accept4" },
    { "getsockopt" },
    { "setsockopt" },
    { "send", "sendto" },
    { "sendmsg" },
    { "sendmmsg" },
    { "recv" },
    { "recvfrom" },
    { "shutdown" },
    /* the random numbers of TLS */
    { "getrandom" },
};

/* Asked for by libraries which go on without; refused in every mode. */
static const char *const refused[] = {
    "clone3",          /* its flags are in memory, where no filter sees them: clone is tried next */
    "mremap",          /* realloc copies */
    "madvise",         /* malloc and pthread_create, to give pages back that may be kept */
    "uname",           /* the resolver, for a default domain where resolv.conf names none */
    "rt_sigaction",    /* pthread_create, for a change of user */
    "set_robust_list", /* pthread_create, for locks between processes */
    "geteuid",         /* SQLite, whether to give its files away */
    "getuid",          /* libsystemd, which says who sends; the kernel does where it does not */
    "getgid",          "getegid", "getpid", /* SQLite and OpenSSL, as one of several seeds */
    "gettid",          "sysinfo",           /* qsort, how much memory it may take */
    "getsockname",                          /* getaddrinfo, in which order to name addresses */
    "faccessat2",
};

static const int families[] = { AF_UNIX, AF_INET, AF_INET6 };

#define N_ELEMENTS(a) (sizeof(a) / sizeof *(a))

int sandbox_mode(const char *word, enum sandbox_mode *ret_mode)
{
    static const char *const words[] = { "deny", "kill", "off" };
    if (!word)
        word = words[SANDBOX_DENY];
    for (size_t i = 0; i < N_ELEMENTS(words); i++)
        if (strcmp(word, words[i]) == 0) {
            *ret_mode = (enum sandbox_mode)i;
            return MW_OK;
        }
    return MW_ERR_INVALID;
}

/* Negative: the processor has none of them. */
static int number_of(uint32_t arch, const char *const names[N_NAMES])
{
    int number = -1;
    for (size_t i = 0; i < N_NAMES && names[i] && number < 0; i++)
        number = seccomp_syscall_resolve_name_arch(arch, names[i]);
    return number;
}

unsigned sandbox_n_calls(uint32_t arch)
{
    unsigned n = 2; /* socket and clone */
    for (size_t i = 0; i < N_ELEMENTS(allowed); i++)
        n += number_of(arch, allowed[i]) >= 0;
    return n;
}

/* Sockets of few families, and threads, but no processes. */
static int allow_in_part(scmp_filter_ctx filter)
{
    int error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
                                 SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD));
    for (size_t i = 0; !error && i < N_ELEMENTS(families); i++)
        error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1,
                                 SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)families[i], 0));
    return error;
}

static int fill(scmp_filter_ctx filter, enum sandbox_mode mode)
{
    int error = allow_in_part(filter);
    for (size_t i = 0; !error && i < N_ELEMENTS(allowed); i++) {
        int number = number_of(seccomp_arch_native(), allowed[i]);
        if (number >= 0)
            error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, number, 0);
    }
    for (size_t i = 0; !error && mode == SANDBOX_KILL && i < N_ELEMENTS(refused); i++) {
        int number = seccomp_syscall_resolve_name(refused[i]);
        if (number >= 0)
            error = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), number, 0);
    }
    return error;
}

int sandbox_enter(enum sandbox_mode mode)
{
    if (mode == SANDBOX_OFF)
        return MW_OK;
    scmp_filter_ctx filter =
        seccomp_init(mode == SANDBOX_KILL ? SCMP_ACT_KILL_PROCESS : SCMP_ACT_ERRNO(ENOSYS));
    if (!filter)
        return MW_ERR_NO_MEMORY;
    int error = fill(filter, mode);
    if (!error)
        error = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
    if (!error)
        error = seccomp_load(filter);
    seccomp_release(filter);
    errno = -error;
    return error ? MW_ERR_STATE : MW_OK;
}
