/* SPDX-License-Identifier: Apache-2.0 */
#define _XOPEN_SOURCE 700 /* realpath */
#include "training/outfile.h"

#include "base/result.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const int ENDING[] = { SIGHUP, SIGINT, SIGTERM };
#define N_ENDING (sizeof ENDING / sizeof ENDING[0])

/* The path that a rename may replace: the file's own, or where its link leads. */
static int resolve(const char *path, char ret_target[OUTFILE_PATH_MAX + 1])
{
    struct stat there;
    char *real = NULL;
    errno = path[0] ? ENAMETOOLONG : ENOENT;
    if (path[0] == '\0' || strlen(path) > OUTFILE_PATH_MAX)
        return path[0] ? MW_ERR_TOO_BIG : MW_ERR_IO;
    if (lstat(path, &there) == 0) {
        bool link = S_ISLNK(there.st_mode);
        if (link && stat(path, &there) != 0)
            return errno == ENOENT ? MW_ERR_STATE : MW_ERR_IO;
        if (!S_ISREG(there.st_mode))
            return MW_ERR_STATE;
        if (link && !(real = realpath(path, NULL)))
            return MW_ERR_IO;
    } else if (errno != ENOENT) {
        return MW_ERR_IO;
    }
    const char *target = real ? real : path;
    size_t n = strlen(target);
    if (n <= OUTFILE_PATH_MAX)
        memcpy(ret_target, target, n + 1);
    free(real);
    errno = ENAMETOOLONG;
    return n <= OUTFILE_PATH_MAX ? MW_OK : MW_ERR_TOO_BIG;
}

int outfile_check(const char *path)
{
    char folder[OUTFILE_PATH_MAX + 1];
    int result = resolve(path, folder);
    if (result < 0)
        return result;
    char *slash = strrchr(folder, '/');
    if (slash)
        slash[slash == folder ? 1 : 0] = '\0';
    return access(slash ? folder : ".", W_OK | X_OK) == 0 ? MW_OK : MW_ERR_IO;
}

/* Signals that are ignored stay so: whoever ignored them wants the work done. */
static void hold_signals(struct outfile *file)
{
    sigemptyset(&file->held);
    for (size_t i = 0; i < N_ENDING; i++) {
        struct sigaction action;
        if (sigaction(ENDING[i], NULL, &action) == 0 && action.sa_handler != SIG_IGN)
            sigaddset(&file->held, ENDING[i]);
    }
    sigprocmask(SIG_BLOCK, &file->held, &file->before);
}

static int begin(struct outfile *file, const char *path, const char *ending)
{
    int result = resolve(path, file->target);
    if (result < 0)
        return result;
    snprintf(file->part, sizeof file->part, "%s%s", file->target, ending);
    hold_signals(file);
    int fd = open(file->part, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
    file->stream = fd < 0 ? NULL : fdopen(fd, "wb");
    if (file->stream)
        return MW_OK;
    int reason = errno;
    if (fd >= 0) {
        close(fd);
        unlink(file->part);
    }
    sigprocmask(SIG_SETMASK, &file->before, NULL);
    errno = reason;
    return MW_ERR_IO;
}

bool outfile_is_input(const char *output, const char *input)
{
    struct stat a, b;
    return stat(output, &a) == 0 && stat(input, &b) == 0 && a.st_dev == b.st_dev &&
           a.st_ino == b.st_ino;
}

int outfile_begin(struct outfile *file, const char *path)
{
    char ending[32];
    snprintf(ending, sizeof ending, ".%ld.part", (long)getpid());
    return begin(file, path, ending);
}

bool outfile_interrupted(const struct outfile *file)
{
    sigset_t waiting;
    if (sigpending(&waiting) != 0)
        return false;
    for (size_t i = 0; i < N_ENDING; i++)
        if (sigismember(&file->held, ENDING[i]) == 1 && sigismember(&waiting, ENDING[i]) == 1)
            return true;
    return false;
}

int outfile_commit(struct outfile *file)
{
    bool failed = fflush(file->stream) != 0 || fsync(fileno(file->stream)) != 0;
    int reason = errno;
    if (fclose(file->stream) != 0 && !failed) {
        failed = true;
        reason = errno;
    }
    if (!failed && rename(file->part, file->target) != 0) {
        failed = true;
        reason = errno;
    }
    if (failed)
        unlink(file->part);
    sigprocmask(SIG_SETMASK, &file->before, NULL);
    errno = reason;
    return failed ? MW_ERR_IO : MW_OK;
}

void outfile_abandon(struct outfile *file)
{
    fclose(file->stream);
    unlink(file->part);
    sigprocmask(SIG_SETMASK, &file->before, NULL);
}

int outfile_write(const char *path, const void *bytes, size_t n_bytes)
{
    struct outfile file;
    int result = begin(&file, path, ".part");
    if (result < 0)
        return result;
    if (fwrite(bytes, 1, n_bytes, file.stream) == n_bytes)
        return outfile_commit(&file);
    int reason = errno;
    outfile_abandon(&file);
    errno = reason;
    return MW_ERR_IO;
}

const char *outfile_text(int result)
{
    if (result == MW_ERR_STATE)
        return "is there and is neither a regular file nor a link to one";
    return strerror(errno);
}
