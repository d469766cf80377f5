/* SPDX-License-Identifier: Apache-2.0 */
#include "base/result.h"
#include "config/build.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static int read_all(int fd, uint8_t *bytes, size_t cap, size_t *ret_n)
{
    size_t n = 0;
    while (n < cap) {
        ssize_t got = read(fd, bytes + n, cap - n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return MW_ERR_IO;
        if (got == 0)
            break;
        n += (size_t)got;
    }
    *ret_n = n;
    return MW_OK;
}

int file_read(const char *path, size_t max_bytes, uint8_t **ret_bytes, size_t *ret_n_bytes)
{
    /* Non-blocking, so that a FIFO without a writer is refused instead of waited for. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return errno == ENOENT || errno == ENOTDIR ? MW_ERR_NOT_FOUND : MW_ERR_IO;
    struct stat status;
    size_t n_bytes = 0;
    uint8_t *bytes = NULL;
    int result = MW_OK;
    if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode))
        result = MW_ERR_IO;
    else if (status.st_size > (off_t)max_bytes)
        result = MW_ERR_TOO_BIG;
    else if (!(bytes = malloc(max_bytes + 1)))
        result = MW_ERR_NO_MEMORY;
    else
        result = read_all(fd, bytes, max_bytes + 1, &n_bytes);
    close(fd);
    if (result == MW_OK && n_bytes > max_bytes)
        result = MW_ERR_TOO_BIG; /* it grew meanwhile */
    if (result < 0) {
        free(bytes);
        return result;
    }
    *ret_bytes = bytes;
    *ret_n_bytes = n_bytes;
    return MW_OK;
}
