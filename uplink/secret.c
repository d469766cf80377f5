/* SPDX-License-Identifier: Apache-2.0 */
#include "uplink/secret.h"
#include "base/result.h"

#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAX 1024

void secret_wipe(char *secret, size_t n)
{
    for (volatile char *p = secret; n > 0; n--)
        *p++ = '\0';
}

/* systemd hands a credential over as a file of root with mode 0440, or 0400 and an access list,
 * below a folder that only the service may enter. */
static bool is_private(const char *path, const struct stat *st)
{
    static const char credentials[] = "/run/credentials/";
    if ((st->st_mode & 077) == 0)
        return true;
    bool of_systemd = strncmp(path, credentials, sizeof credentials - 1) == 0 && st->st_uid == 0;
    return of_systemd && (st->st_mode & 0777) == 0440;
}

static int take_line(char *ret_secret, size_t cap, const char *text, size_t n)
{
    if (n > 0 && text[n - 1] == '\n')
        n--;
    if (n == 0 || n >= cap || memchr(text, '\0', n) || memchr(text, '\n', n) ||
        memchr(text, '\r', n))
        return MW_ERR_FORMAT;
    memcpy(ret_secret, text, n);
    ret_secret[n] = '\0';
    return MW_OK;
}

static int check_open(int fd, const char *path)
{
    struct stat st;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        return MW_ERR_IO;
    return is_private(path, &st) ? MW_OK : MW_ERR_REFUSED;
}

static int read_open(char *ret_secret, size_t cap, int fd, const char *path)
{
    char text[FILE_MAX];
    int checked = check_open(fd, path);
    if (checked != MW_OK)
        return checked;
    ssize_t n = read(fd, text, sizeof text);
    int result = n < 0 ? MW_ERR_IO : take_line(ret_secret, cap, text, (size_t)n);
    secret_wipe(text, sizeof text);
    return result;
}

/* What is no regular file may be opened, but not waited for: a FIFO has no end. */
static int open_secret(const char *path)
{
    return open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
}

int secret_read(char *ret_secret, size_t cap, const char *path)
{
    int fd = open_secret(path);
    if (fd < 0)
        return MW_ERR_IO;
    int result = read_open(ret_secret, cap, fd, path);
    close(fd);
    return result;
}

int secret_check(const char *path)
{
    int fd = open_secret(path);
    if (fd < 0)
        return MW_ERR_IO;
    int result = check_open(fd, path);
    close(fd);
    return result;
}
