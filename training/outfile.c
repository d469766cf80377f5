/* SPDX-License-Identifier: Apache-2.0 */
#include "training/outfile.h"

#include "base/result.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int write_all(int fd, const char *bytes, size_t n)
{
    while (n > 0) {
        ssize_t written = write(fd, bytes, n);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return -1;
        bytes += written;
        n -= (size_t)written;
    }
    return fsync(fd);
}

int outfile_write(const char *path, const void *bytes, size_t n_bytes)
{
    char part[OUTFILE_PATH_MAX + 8];
    if (strlen(path) > OUTFILE_PATH_MAX)
        return MW_ERR_TOO_BIG;
    snprintf(part, sizeof part, "%s.part", path);
    int fd = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (fd < 0)
        return MW_ERR_IO;
    int failed = write_all(fd, bytes, n_bytes), reason = errno;
    if (close(fd) != 0 && !failed) {
        failed = -1;
        reason = errno;
    }
    if (!failed && rename(part, path) != 0) {
        failed = -1;
        reason = errno;
    }
    if (!failed)
        return MW_OK;
    unlink(part);
    errno = reason;
    return MW_ERR_IO;
}
