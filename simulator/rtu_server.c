/* SPDX-License-Identifier: Apache-2.0 */
#define _XOPEN_SOURCE 700 /* pseudo-terminals are an X/Open matter */
#include "simulator/rtu_server.h"

#include "base/result.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#define PTY_PREFIX "/dev/pts/"
#define MAX_ROUND  512   /* bytes taken in one step */
#define FIFO_BYTES 16    /* handed on together, as the usual adapter does */
#define LOOK_US    10000 /* while unplugged: whether it is plugged in again */

static bool make_raw(int fd)
{
    struct termios t;
    if (tcgetattr(fd, &t) != 0)
        return false;
    t.c_iflag &= (tcflag_t) ~(IGNBRK | BRKINT | PARMRK | ISTRIP | INLCR | IGNCR | ICRNL | IXON);
    t.c_oflag &= (tcflag_t)~OPOST;
    t.c_lflag &= (tcflag_t) ~(ECHO | ECHONL | ICANON | ISIG | IEXTEN);
    t.c_cflag = (t.c_cflag & (tcflag_t) ~(CSIZE | PARENB)) | CS8;
    return tcsetattr(fd, TCSANOW, &t) == 0;
}

static bool make_line(struct rtu_server *server)
{
    server->master = posix_openpt(O_RDWR | O_NOCTTY);
    if (server->master < 0 || grantpt(server->master) != 0 || unlockpt(server->master) != 0)
        return false;
    const char *path = ptsname(server->master);
    if (!path)
        return false;
    snprintf(server->path, sizeof server->path, "%s", path);
    server->slave = open(server->path, O_RDWR | O_NOCTTY | O_CLOEXEC);
    return server->slave >= 0 && make_raw(server->slave) &&
           fcntl(server->master, F_SETFL, O_NONBLOCK) == 0 &&
           fcntl(server->master, F_SETFD, FD_CLOEXEC) == 0 &&
           watch_add(&server->watch, server->master, 0, WATCH_IN);
}

/* MW_OK where the path is free now. */
static int clear_link(const char *link)
{
    struct stat st;
    char target[64] = "";
    if (lstat(link, &st) != 0)
        return errno == ENOENT ? MW_OK : MW_ERR_IO;
    if (!S_ISLNK(st.st_mode))
        return MW_ERR_STATE;
    ssize_t n = readlink(link, target, sizeof target - 1);
    bool leads_nowhere = stat(link, &st) != 0;
    if (!leads_nowhere && (n < 0 || strncmp(target, PTY_PREFIX, strlen(PTY_PREFIX)) != 0))
        return MW_ERR_STATE;
    return unlink(link) == 0 ? MW_OK : MW_ERR_IO;
}

static void remove_line(struct rtu_server *server)
{
    char target[64] = "";
    if (server->link[0] && readlink(server->link, target, sizeof target - 1) > 0 &&
        strcmp(target, server->path) == 0)
        unlink(server->link);
    if (server->slave >= 0)
        close(server->slave);
    if (server->master >= 0)
        close(server->master);
    server->slave = server->master = -1;
}

/* A terminal, and the link that leads to it. */
static int plug_in(struct rtu_server *server, const char *link)
{
    int result = clear_link(link);
    if (result != MW_OK)
        return result;
    if (make_line(server) && symlink(server->path, link) == 0)
        return MW_OK;
    int why = errno;
    remove_line(server);
    errno = why;
    return MW_ERR_IO;
}

int rtu_server_open(struct rtu_server *server, const struct rs485_config *config,
                    const struct pdu_bank *bank, const char *link, const struct watch *watch)
{
    struct rtu_server s = { .watch = *watch, .master = -1, .slave = -1 };
    int result = rs485_create(&s.line, config, bank);
    if (result == MW_OK)
        result = plug_in(&s, link);
    if (result != MW_OK) {
        int why = errno;
        rs485_destroy(s.line);
        errno = why;
        return result;
    }
    snprintf(s.link, sizeof s.link, "%s", link);
    *server = s;
    return MW_OK;
}

void rtu_server_close(struct rtu_server *server)
{
    if (!server || !server->line)
        return;
    remove_line(server);
    rs485_destroy(server->line);
    server->line = NULL;
}

void rtu_server_event(struct rtu_server *server, const struct watch_event *event, int64_t now_us)
{
    uint8_t bytes[MAX_ROUND];
    if (server->master < 0 || !(event->what & WATCH_IN))
        return;
    ssize_t n = read(server->master, bytes, sizeof bytes);
    if (n > 0)
        rs485_write(server->line, bytes, (size_t)n, now_us);
}

static void hand_on(struct rtu_server *server, int64_t now_us)
{
    uint8_t bytes[MAX_ROUND];
    for (int n; (n = rs485_read(server->line, now_us, bytes, sizeof bytes)) > 0;) {
        ssize_t written = write(server->master, bytes, (size_t)n);
        server->n_dropped += (uint64_t)(n - (written > 0 ? written : 0));
    }
}

void rtu_server_step(struct rtu_server *server, int64_t now_us)
{
    bool plugged = rs485_plugged(server->line, now_us);
    rs485_unplugs(server->line, now_us); /* the line goes on, plugged in or not */
    if (!plugged && server->master >= 0)
        remove_line(server);
    if (plugged && server->master < 0)
        (void)plug_in(server, server->link); /* in vain: again in a while */
    server->look_us = now_us + LOOK_US;
    if (plugged && server->master >= 0)
        hand_on(server, now_us);
}

int64_t rtu_server_next_us(const struct rtu_server *server)
{
    int64_t frame_us = rs485_next_frame_us(server->line);
    int64_t byte_us = rs485_next_us(server->line);
    int64_t fifo_us = rs485_characters_us(server->line, FIFO_BYTES);
    int64_t due_us = byte_us < frame_us - fifo_us ? byte_us + fifo_us : frame_us;
    return server->master < 0 && server->look_us < due_us ? server->look_us : due_us;
}
