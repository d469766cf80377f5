/* SPDX-License-Identifier: Apache-2.0 */
#include "training/infile.h"

#include "base/result.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Asked twice: before, since opening a device may already do something; and of what was opened. */
int infile_open(FILE **ret_file, const char *path, bool follow)
{
    struct stat there;
    if ((follow ? stat : lstat)(path, &there) != 0)
        return MW_ERR_NOT_FOUND;
    if (!S_ISREG(there.st_mode))
        return MW_ERR_STATE;
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC | (follow ? 0 : O_NOFOLLOW));
    if (fd < 0)
        return MW_ERR_NOT_FOUND;
    int result = fstat(fd, &there) != 0   ? MW_ERR_NOT_FOUND
                 : S_ISREG(there.st_mode) ? MW_OK
                                          : MW_ERR_STATE;
    FILE *file = result == MW_OK ? fdopen(fd, "rb") : NULL;
    if (file) {
        *ret_file = file;
        return MW_OK;
    }
    int reason = errno;
    close(fd);
    errno = reason;
    return result == MW_OK ? MW_ERR_NOT_FOUND : result;
}

const char *infile_text(int result)
{
    return result == MW_ERR_STATE ? "is not a regular file" : strerror(errno);
}
