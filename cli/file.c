/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

static int complain(const char *path, int status)
{
    perror(path);
    return status;
}

/* Reads to the end or to one byte more than max, so that too much is noticed. */
static int read_all(FILE *file, size_t max, uint8_t **ret_bytes, size_t *ret_n)
{
    size_t n = 0, cap = 0;
    uint8_t *bytes = NULL;
    for (;;) {
        if (n == cap) {
            cap = cap ? 2 * cap : 65536;
            uint8_t *bigger = realloc(bytes, cap);
            if (!bigger)
                break;
            bytes = bigger;
        }
        size_t got = fread(bytes + n, 1, cap - n, file);
        n += got;
        if (got == 0 || n > max)
            break;
    }
    *ret_bytes = bytes;
    *ret_n = n;
    return ferror(file) || !bytes ? EX_IOERR : EX_OK;
}

int file_load(const char *path, size_t max_bytes, uint8_t **ret_bytes, size_t *ret_n_bytes)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        return complain(path, EX_NOINPUT);
    uint8_t *bytes;
    size_t n;
    int status = read_all(file, max_bytes, &bytes, &n);
    if (status != EX_OK)
        complain(path, status);
    fclose(file);
    if (status == EX_OK && n > max_bytes) {
        fprintf(stderr, "%s: larger than %zu bytes\n", path, max_bytes);
        status = EX_DATAERR;
    }
    if (status != EX_OK) {
        free(bytes);
        return status;
    }
    *ret_bytes = bytes;
    *ret_n_bytes = n;
    return EX_OK;
}

int file_begin(struct file_new *file, const char *path)
{
    int n = snprintf(file->part, sizeof file->part, "%s.%ld.part", path, (long)getpid());
    if (n < 0 || (size_t)n >= sizeof file->part) {
        errno = ENAMETOOLONG;
        return complain(path, EX_CANTCREAT);
    }
    int fd = open(file->part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    file->stream = fd < 0 ? NULL : fdopen(fd, "wb");
    if (file->stream)
        return EX_OK;
    int status = complain(path, EX_CANTCREAT);
    if (fd >= 0) {
        close(fd);
        unlink(file->part);
    }
    return status;
}

int file_commit(struct file_new *file, const char *path)
{
    int failed = fflush(file->stream) != 0 || fsync(fileno(file->stream)) != 0;
    failed |= fclose(file->stream) != 0;
    int status = failed ? complain(path, EX_IOERR) : EX_OK;
    if (!failed && rename(file->part, path) != 0)
        status = complain(path, EX_CANTCREAT);
    if (status != EX_OK)
        unlink(file->part);
    return status;
}

void file_abandon(struct file_new *file)
{
    fclose(file->stream);
    unlink(file->part);
}
