/* SPDX-License-Identifier: Apache-2.0 */
/* The next message's number, once more beside the database. What a damaged log takes back was
 * promised with a sync and may have been published: its numbers must not be given again, and only
 * something outside the database and its log can tell that they were given.
 *
 * Written behind each commit that gave numbers and before these can be published, so it is never
 * ahead of a whole database. Not synced: after a power cut the synced log is whole, and a mark that
 * is behind says nothing. */
#include "storage/db_internal.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define NAME_BYTES 320 /* of a settings path and the suffix */
#define TEXT_BYTES 42  /* the number, a space, the number, a newline */

static void format(char ret_text[TEXT_BYTES + 1], uint64_t next_seq)
{
    snprintf(ret_text, TEXT_BYTES + 1, "%020" PRIu64 " %020" PRIu64 "\n", next_seq, next_seq);
}

static int open_mark(const char *path, int flags)
{
    char name[NAME_BYTES];
    snprintf(name, sizeof name, "%s-seq", path);
    return open(name, flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
}

uint64_t mark_read(const char *path)
{
    char text[TEXT_BYTES + 1] = "", again[TEXT_BYTES + 1];
    uint64_t next_seq = 0;
    int fd = open_mark(path, O_RDONLY);
    if (fd < 0)
        return 0;
    ssize_t n = read(fd, text, TEXT_BYTES);
    close(fd);
    if (n != TEXT_BYTES || sscanf(text, "%20" SCNu64, &next_seq) != 1 || next_seq > INT64_MAX)
        return 0;
    format(again, next_seq);
    return strcmp(text, again) == 0 ? next_seq : 0;
}

void mark_write(const char *path, uint64_t next_seq)
{
    char text[TEXT_BYTES + 1];
    int fd = open_mark(path, O_WRONLY | O_CREAT);
    if (fd < 0)
        return;
    format(text, next_seq);
    ssize_t n = pwrite(fd, text, TEXT_BYTES, 0);
    (void)n; /* one that is behind protects less, and is written anew with the next number */
    close(fd);
}
