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

/* Silence after which a frame is over. The standard's 3.5 characters are far below what a
 * pseudo-terminal and a busy computer keep; masters wait longer than this before they try again. */
#define GAP_US     20000
#define BROADCAST  0
#define PTY_PREFIX "/dev/pts/"
#define MAX_ROUND  512 /* bytes taken in one step */

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
           fcntl(server->master, F_SETFD, FD_CLOEXEC) == 0;
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

int rtu_server_open(struct rtu_server *server, const struct pdu_bank *bank, const char *link,
                    int64_t turnaround_us)
{
    struct rtu_server s = { .bank = bank,
                            .turnaround_us = turnaround_us,
                            .master = -1,
                            .slave = -1,
                            .receiver = { .gap_us = GAP_US } };
    int result = clear_link(link);
    if (result != MW_OK)
        return result;
    if (!make_line(&s) || symlink(s.path, link) != 0) {
        int why = errno;
        rtu_server_close(&s);
        errno = why;
        return MW_ERR_IO;
    }
    snprintf(s.link, sizeof s.link, "%s", link);
    *server = s;
    return MW_OK;
}

void rtu_server_close(struct rtu_server *server)
{
    char target[64] = "";
    if (!server)
        return;
    if (server->link[0] && readlink(server->link, target, sizeof target - 1) > 0 &&
        strcmp(target, server->path) == 0)
        unlink(server->link);
    if (server->slave > 0)
        close(server->slave);
    if (server->master > 0)
        close(server->master);
    server->link[0] = '\0';
    server->slave = server->master = -1;
}

size_t rtu_server_want(const struct rtu_server *server, int64_t now_us, struct pollfd *ret_fds,
                       int64_t *ret_wait_us)
{
    ret_fds[0] = (struct pollfd){ .fd = server->master, .events = POLLIN };
    *ret_wait_us = -1;
    if (server->due)
        *ret_wait_us = server->due_us > now_us ? server->due_us - now_us : 0;
    return 1;
}

static void take_request(struct rtu_server *server, const struct frame_request *request,
                         int64_t now_us)
{
    server->n_requests++;
    if (server->due)
        server->n_superseded++;
    server->due = false;
    if (request->unit == BROADCAST)
        return;
    pdu_answer(server->bank, request->unit, request->pdu, request->n_pdu, &server->reply);
    server->unit = request->unit;
    server->due = server->reply.n_bytes > 0;
    server->due_us = now_us + server->turnaround_us;
}

static void send_due(struct rtu_server *server, int64_t now_us)
{
    uint8_t bytes[FRAME_RTU_MAX];
    size_t n = rtu_frame(server->unit, &server->reply, bytes);
    server->due = false;
    if (write(server->master, bytes, n) != (ssize_t)n) {
        server->n_dropped++;
        return;
    }
    server->n_answers++;
    if (server->reply.token >= 0)
        server->bank->answered(server->bank->ctx, &server->reply.read, server->reply.token, now_us);
}

void rtu_server_step(struct rtu_server *server, const struct pollfd *fds, int64_t now_us)
{
    uint8_t bytes[MAX_ROUND];
    struct frame_request request;
    ssize_t n = fds[0].revents & POLLIN ? read(server->master, bytes, sizeof bytes) : 0;
    for (ssize_t i = 0; i < n; i++)
        if (rtu_receive(&server->receiver, bytes[i], now_us, &request))
            take_request(server, &request, now_us);
    if (server->due && now_us >= server->due_us)
        send_due(server, now_us);
}
