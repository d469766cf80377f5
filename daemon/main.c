/* SPDX-License-Identifier: Apache-2.0 */
/* millwrightd: reads the configuration, runs the gateway until it is told to stop. */
#include "base/result.h"
#include "config/config.h"
#include "daemon/gateway.h"
#include "daemon/journal.h"
#include "daemon/sandbox.h"

#include <errno.h>
#include <getopt.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

static void usage(FILE *to)
{
    fputs("usage: millwrightd [--config FILE] [--profiles DIR]\n"
          "       millwrightd --check FILE [--profiles DIR]\n"
          "\n"
          "  --config FILE   the configuration (default " MW_CONFIG_FILE ")\n"
          "  --check FILE    report every error in FILE and exit: also password, certificate and\n"
          "                  model files that are not there or not right; nothing is touched\n"
          "  --profiles DIR  where device profiles lie (default " MW_PROFILE_DIR ")\n"
          "  --version       name the release\n"
          "\n"
          "Environment: MILLWRIGHT_SANDBOX, what happens to kernel calls that it has no need of "
          "once\n"
          "started: deny (default), kill, off.\n"
          "\n"
          "Exit status: 0 stopped as asked, 64 usage, 65 the database is a newer release's or\n"
          "another program's, 66 no such file, 71 out of memory,\n"
          "74 the configuration cannot be read, or store or socket failed, 75 another millwrightd "
          "runs,\n"
          "78 the configuration is wrong, or needs more than this system allows.\n",
          to);
}

static void print_error(void *ctx, const struct config_error *error)
{
    (void)ctx;
    fprintf(stderr, "%s:", error->file);
    if (error->line > 0)
        fprintf(stderr, "%d:%d:", error->line, error->column);
    fprintf(stderr, " %s%s%s%s\n", error->path, error->path[0] ? ": " : "",
            error->warning ? "warning: " : "", error->message);
}

static int exit_status(int result)
{
    switch (result) {
    case MW_OK: return EX_OK;
    case MW_ERR_UNSUPPORTED: return EX_DATAERR; /* a database that is not for this release */
    case MW_ERR_NOT_FOUND: return EX_NOINPUT;
    case MW_ERR_STATE: return EX_TEMPFAIL;
    case MW_ERR_NO_MEMORY: return EX_OSERR;
    case MW_ERR_TOO_BIG: return EX_CONFIG; /* for this system's limits: trying again is no use */
    default: return EX_IOERR;
    }
}

/* Of a configuration that did not load, as millwright check has it. */
static int load_status(int result)
{
    switch (result) {
    case MW_ERR_NOT_FOUND: return EX_NOINPUT;
    case MW_ERR_IO: return EX_IOERR;
    case MW_ERR_NO_MEMORY: return EX_OSERR;
    default: return EX_CONFIG;
    }
}

/* One heap for all threads, which allocate little once they run: each would else get its own. What
 * reading the configuration took, several times its size, goes back to the system. */
static void keep_memory_small(void)
{
    mallopt(M_ARENA_MAX, 1);
    mallopt(M_MMAP_THRESHOLD, 128 * 1024); /* and stays there: what is large goes back when freed */
    malloc_trim(0);
}

static int run(struct config *config, const char *file, const char *profiles,
               enum sandbox_mode sandbox)
{
    struct gateway gateway;
    keep_memory_small();
    int result = gateway_open(&gateway, config, file, profiles);
    if (result >= 0) {
        journal_started(config, file);
        if (sandbox_enter(sandbox) < 0)
            journal_failed("running without the sandbox", strerror(errno));
        result = gateway_run(&gateway);
    }
    gateway_close(&gateway);
    return exit_status(result);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        { "config", required_argument, NULL, 'c' },   { "check", required_argument, NULL, 'k' },
        { "profiles", required_argument, NULL, 'p' }, { "version", no_argument, NULL, 'v' },
        { "help", no_argument, NULL, 'h' },           { 0 }
    };
    const char *file = MW_CONFIG_FILE, *profiles = MW_PROFILE_DIR;
    bool check_only = false;
    for (int o; (o = getopt_long(argc, argv, "c:h", options, NULL)) != -1;) {
        switch (o) {
        case 'k':
            check_only = true;
            file = optarg;
            break;
        case 'c': file = optarg; break;
        case 'p': profiles = optarg; break;
        case 'v': puts("millwrightd " MW_VERSION); return EX_OK;
        case 'h': usage(stdout); return EX_OK;
        default: usage(stderr); return EX_USAGE;
        }
    }
    if (optind < argc) {
        usage(stderr);
        return EX_USAGE;
    }
    enum sandbox_mode sandbox;
    if (sandbox_mode(getenv("MILLWRIGHT_SANDBOX"), &sandbox) < 0) {
        fputs("millwrightd: MILLWRIGHT_SANDBOX is none of deny, kill, off\n", stderr);
        return EX_USAGE;
    }
    struct config *config = NULL;
    int result = config_load(&config, file, profiles, check_only ? CONFIG_HERE : CONFIG_HERE_STARTS,
                             print_error, NULL);
    if (result < 0)
        return load_status(result);
    if (!check_only)
        return run(config, file, profiles, sandbox);
    config_free(config);
    return EX_OK;
}
