/* SPDX-License-Identifier: Apache-2.0 */
/* The file itself: whether it may be written, and that it is right before it has its name. */
#define _DEFAULT_SOURCE /* fchmod, fchown */
#include "cli/init.h"

#include "base/result.h"
#include "training/outfile.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#define HIGH_LOAD 0.7  /* of a serial line: retries need room too */
#define MODE      0644 /* no secret is in it, and the daemon is another user */
#define MAX_OLD   99

static void no_words(void *ctx, const struct config_error *error)
{
    (void)ctx;
    (void)error;
}

/* ---- may it be written ---- */

static bool polls_nothing(const char *file, const char *profiles)
{
    struct config *config = NULL;
    bool idle = config_load(&config, file, profiles, CONFIG_ANYWHERE, no_words, NULL) == MW_OK &&
                config->n_buses == 0 && config->n_machines == 0;
    config_free(config);
    return idle;
}

static int ask_to_replace(struct init *in)
{
    const struct init_options *o = &in->options;
    bool idle = polls_nothing(o->output, o->profiles), replace = false;
    fprintf(stderr, "%s is there%s.\n", o->output,
            idle ? ", as installed: it polls nothing" : ", and is not empty");
    if (o->yes) {
        fputs("millwright: --force replaces it and keeps it as FILE.old\n", stderr);
        return EX_CANTCREAT;
    }
    int status =
        ask_yes(&in->asker, "Replace it, and keep it as FILE.old", "--force", NULL, idle, &replace);
    if (status != EX_OK || replace)
        return status;
    fputs("Nothing was written; --output FILE writes elsewhere.\n", stderr);
    return EX_CANTCREAT;
}

/* A file of conf.d is a part beside a whole, and this writes wholes. */
static bool is_fragment(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash || slash - path < 6 || strncmp(slash - 6, "conf.d", 6) != 0)
        return false;
    return slash - path == 6 || slash[-7] == '/';
}

int init_may_write(struct init *in)
{
    const char *output = in->options.output;
    struct stat there;
    if (is_fragment(output)) {
        fputs("millwright: init writes a whole configuration; what goes into conf.d is printed by "
              "'millwright scan'\n",
              stderr);
        return EX_USAGE;
    }
    if (strcmp(output, "-") == 0)
        return EX_OK;
    int result = outfile_check(output);
    if (result != MW_OK) {
        bool rights = result == MW_ERR_IO && (errno == EACCES || errno == EPERM);
        fprintf(stderr, "millwright: %s: %s%s\n", output, outfile_text(result),
                rights ? "; run it with sudo, or give --output FILE" : "");
        return rights ? EX_NOPERM : EX_CANTCREAT;
    }
    return in->options.force || stat(output, &there) != 0 ? EX_OK : ask_to_replace(in);
}

/* ---- the text ---- */

static int render(const struct draft *draft, char **ret_text, size_t *ret_n)
{
    FILE *to = open_memstream(ret_text, ret_n);
    if (!to)
        return EX_OSERR;
    draft_write(draft, to);
    return fclose(to) == 0 ? EX_OK : EX_OSERR;
}

static bool has_room(const struct init *in, const char *text, size_t n)
{
    struct config *config = NULL;
    bool room = config_load_bytes(&config, "", (const uint8_t *)text, n, NULL, in->options.profiles,
                                  no_words, NULL) == MW_OK;
    for (size_t i = 0; room && i < config->n_buses; i++)
        room = config->buses[i].kind != BUS_RTU || config_bus_load(config, i) <= HIGH_LOAD;
    config_free(config);
    return room;
}

/* With the shortest period that leaves a serial line room; what is wrong otherwise is said later.
 */
static int render_with_period(struct init *in, char **ret_text, size_t *ret_n)
{
    static const int64_t PERIODS_S[] = { 1, 2, 5, 10, 30, 60 };
    for (size_t i = 0; i < sizeof PERIODS_S / sizeof PERIODS_S[0]; i++) {
        in->draft.period_us = PERIODS_S[i] * 1000000;
        int status = render(&in->draft, ret_text, ret_n);
        if (status != EX_OK || has_room(in, *ret_text, *ret_n))
            return status;
        if (i + 1 < sizeof PERIODS_S / sizeof PERIODS_S[0])
            free(*ret_text);
    }
    return EX_OK;
}

/* ---- the file ---- */

struct naming {
    const char *part, *output;
};

static void say_error(void *ctx, const struct config_error *error)
{
    const struct naming *n = ctx;
    fprintf(stderr, "%s:", strcmp(error->file, n->part) == 0 ? n->output : error->file);
    if (error->line > 0)
        fprintf(stderr, "%d:%d:", error->line, error->column);
    fprintf(stderr, " %s%s%s%s\n", error->path, error->path[0] ? ": " : "",
            error->warning ? "warning: " : "", error->message);
}

static int load_there(const struct init *in, const char *part)
{
    struct config *config = NULL;
    struct naming naming = { part, in->options.output };
    int result =
        config_load(&config, part, in->options.profiles, CONFIG_HERE_WARNS, say_error, &naming);
    config_free(config);
    return result == MW_OK ? EX_OK : EX_CONFIG;
}

/* A second name for what is there: FILE.old, or FILE.old-2 where that is taken, and so on. */
static bool keep_old(const char *target, char *ret_old, size_t cap)
{
    for (int i = 1; i <= MAX_OLD; i++) {
        char number[8] = "";
        if (i > 1)
            snprintf(number, sizeof number, "-%d", i);
        snprintf(ret_old, cap, "%s.old%s", target, number);
        if (link(target, ret_old) == 0)
            return true;
        if (errno != EEXIST)
            break;
    }
    return false;
}

/* As the file before, or as the daemon needs it, whatever the umask. */
static bool set_rights(const struct outfile *file)
{
    struct stat before;
    int fd = fileno(file->stream);
    bool there = stat(file->target, &before) == 0;
    if (there && fchown(fd, before.st_uid, before.st_gid) != 0 && errno != EPERM)
        return false;
    return fchmod(fd, there ? before.st_mode & 07777 : MODE) == 0;
}

static int say_failure(const char *file, const char *reason)
{
    fprintf(stderr, "millwright: %s: %s\n", file, reason);
    return EX_CANTCREAT;
}

static int commit(struct init *in, struct outfile *file, char *ret_old, size_t cap)
{
    ret_old[0] = 0;
    bool there = access(file->target, F_OK) == 0;
    if (there && !keep_old(file->target, ret_old, cap)) {
        int reason = errno;
        outfile_abandon(file);
        return say_failure(ret_old, strerror(reason));
    }
    if (outfile_commit(file) == MW_OK)
        return EX_OK;
    int reason = errno;
    if (ret_old[0])
        unlink(ret_old);
    return say_failure(in->options.output, strerror(reason));
}

static int write_file(struct init *in, const char *text, size_t n, char *ret_old, size_t cap)
{
    struct outfile file;
    int result = outfile_begin(&file, in->options.output);
    if (result != MW_OK)
        return say_failure(in->options.output, outfile_text(result));
    bool whole =
        fwrite(text, 1, n, file.stream) == n && fflush(file.stream) == 0 && set_rights(&file);
    int reason = errno;
    int status = whole ? load_there(in, file.part) : EX_CANTCREAT;
    if (status == EX_OK)
        return commit(in, &file, ret_old, cap);
    outfile_abandon(&file);
    return whole ? status : say_failure(in->options.output, strerror(reason));
}

static void say_next(const struct init *in, const char *old)
{
    const char *output = in->options.output;
    const struct mqtt_config *mqtt = &in->draft.mqtt;
    bool usual = strcmp(output, MW_CONFIG_FILE) == 0;
    fprintf(stderr, "\nWritten: %s\n", output);
    if (old[0])
        fprintf(stderr, "Kept:    %s\n", old);
    fputs("\nNext:\n", stderr);
    if (mqtt->username[0])
        fprintf(stderr,
                "  sudo install -m 600 -o millwright /dev/stdin %s\n"
                "      and type the password of %s, Enter, Ctrl-D\n",
                mqtt->password_file, mqtt->username);
    fprintf(stderr, "  sudo millwright check --here %s\n", output);
    if (usual)
        fputs("  sudo systemctl enable millwrightd millwright-train.path\n"
              "  sudo systemctl restart millwrightd\n"
              "  sudo millwright status\n",
              stderr);
    else
        fprintf(stderr, "  millwrightd --config %s\n", output);
}

int init_write(struct init *in)
{
    char *text = NULL, old[OUTFILE_PATH_MAX + 32] = "";
    size_t n = 0;
    int status = render_with_period(in, &text, &n);
    if (status != EX_OK)
        return status;
    if (strcmp(in->options.output, "-") == 0) {
        struct config *config = NULL;
        struct naming naming = { "", "-" };
        int result = config_load_bytes(&config, "", (const uint8_t *)text, n, NULL,
                                       in->options.profiles, say_error, &naming);
        config_free(config);
        fputs(text, stdout);
        status = result == MW_OK ? EX_OK : EX_CONFIG;
    } else {
        status = write_file(in, text, n, old, sizeof old);
        if (status == EX_OK)
            say_next(in, old);
    }
    free(text);
    return status;
}
