/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/sandbox.h"

#include "base/result.h"
#include "support/suite.h"

#include <errno.h>
#include <seccomp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOT_HERE 77

START_TEST(few_calls_on_each_processor)
{
    static const uint32_t archs[] = { SCMP_ARCH_X86_64, SCMP_ARCH_AARCH64, SCMP_ARCH_ARM,
                                      SCMP_ARCH_RISCV64 };
    for (size_t i = 0; i < sizeof archs / sizeof *archs; i++) {
        ck_assert_uint_ge(sandbox_n_calls(archs[i]), 40);
        ck_assert_uint_le(sandbox_n_calls(archs[i]), SANDBOX_MAX_CALLS);
    }
}
END_TEST

START_TEST(the_word_is_one_of_three)
{
    enum sandbox_mode mode = SANDBOX_OFF;
    ck_assert_int_eq(sandbox_mode(NULL, &mode), MW_OK);
    ck_assert_int_eq(mode, SANDBOX_DENY);
    ck_assert_int_eq(sandbox_mode("kill", &mode), MW_OK);
    ck_assert_int_eq(mode, SANDBOX_KILL);
    ck_assert_int_eq(sandbox_mode("", &mode), MW_ERR_INVALID);
    ck_assert_int_eq(sandbox_mode("none", &mode), MW_ERR_INVALID);
}
END_TEST

/* In a child, since there is no way back. Exit status 1: the sandbox let it. */
static int status_of(void (*act)(void), enum sandbox_mode mode)
{
    pid_t child = fork();
    if (child == 0) {
        if (sandbox_enter(mode) < 0)
            _exit(NOT_HERE);
        act();
        _exit(1);
    }
    int status = 0;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    return status;
}

static void run_a_shell(void)
{
    char *const argv[] = { (char[]){ "sh" }, NULL };
    execv("/bin/sh", argv);
    _exit(errno == ENOSYS ? 0 : 2);
}

static void open_netlink(void)
{
    _exit(socket(AF_NETLINK, SOCK_RAW, 0) < 0 && errno == ENOSYS ? 0 : 1);
}

static void open_inet(void)
{
    _exit(socket(AF_INET, SOCK_STREAM, 0) >= 0 ? 0 : 1);
}

static void listen_to_all(void)
{
    _exit(listen(0, 1) < 0 && errno == ENOSYS ? 0 : 1);
}

START_TEST(what_a_daemon_never_does_is_refused)
{
    void (*const acts[])(void) = { run_a_shell, open_netlink, open_inet, listen_to_all };
    for (size_t i = 0; i < sizeof acts / sizeof *acts; i++) {
        int status = status_of(acts[i], SANDBOX_DENY);
        ck_assert(WIFEXITED(status));
        if (WEXITSTATUS(status) != NOT_HERE)
            ck_assert_int_eq(WEXITSTATUS(status), 0);
    }
}
END_TEST

START_TEST(or_ends_the_process)
{
    int status = status_of(run_a_shell, SANDBOX_KILL);
    if (WIFEXITED(status) && WEXITSTATUS(status) == NOT_HERE)
        return;
    ck_assert(WIFSIGNALED(status));
    ck_assert_int_eq(WTERMSIG(status), SIGSYS);
}
END_TEST

MW_SUITE("daemon/sandbox", few_calls_on_each_processor, the_word_is_one_of_three,
         what_a_daemon_never_does_is_refused, or_ends_the_process)
