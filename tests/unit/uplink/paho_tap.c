/* SPDX-License-Identifier: Apache-2.0 */
/* recv here is that of uplink/paho_tap.c, as it is for Paho. SSL_read needs a handshake:
 * tests/system/uplink_tls.py. */
#include "uplink/paho_tap.h"
#include "base/result.h"
#include "support/suite.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* A connection whose CONNACK this thread has read: [0] reads, [1] is the broker. */
static void connect_pair(int pair[2])
{
    uint8_t connack[5];
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    ck_assert_int_eq(send(pair[1], "\x20\x03\x00\x00\x00", 5, 0), 5);
    ck_assert_int_eq(recv(pair[0], connack, sizeof connack, 0), 5);
    ck_assert_mem_eq(connack, "\x20\x03\x00\x00\x00", 5);
}

static void close_pair(int pair[2])
{
    paho_tap_end();
    close(pair[0]);
    close(pair[1]);
}

/* Of packet 7, with 0x10; read as flags say. */
static void hear_puback(const int pair[2], int flags)
{
    uint8_t bytes[16] = { 0 };
    ck_assert_int_eq(send(pair[1], "\x40\x03\x00\x07\x10", 5, 0), 5);
    ck_assert_int_eq(recv(pair[0], bytes, sizeof bytes, flags), 5);
    ck_assert_mem_eq(bytes, "\x40\x03\x00\x07\x10", 6); /* and nothing behind them */
}

START_TEST(what_is_read_from_the_broker_is_overheard)
{
    int pair[2];
    connect_pair(pair);
    paho_tap_begin();
    ck_assert_int_eq(paho_tap_reason(7), MW_ERR_NOT_FOUND);
    hear_puback(pair, 0);
    ck_assert_int_eq(paho_tap_reason(7), 0x10);
    ck_assert_int_eq(paho_tap_reason(8), MW_ERR_NOT_FOUND);
    ck_assert_int_eq(paho_tap_reason(7 + 65536), MW_ERR_NOT_FOUND);
    ck_assert_int_eq(paho_tap_reason(0), MW_ERR_NOT_FOUND);
    ck_assert_int_eq(paho_tap_reason(-1), MW_ERR_NOT_FOUND);
    close_pair(pair);
}
END_TEST

START_TEST(before_it_begins_and_after_its_end_nothing_is_overheard)
{
    int pair[2];
    connect_pair(pair);
    hear_puback(pair, 0);
    ck_assert_int_eq(paho_tap_reason(7), MW_ERR_NOT_FOUND);
    paho_tap_begin();
    hear_puback(pair, 0);
    ck_assert_int_eq(paho_tap_reason(7), 0x10);
    paho_tap_begin();
    ck_assert_int_eq(paho_tap_reason(7), MW_ERR_NOT_FOUND);
    paho_tap_end();
    hear_puback(pair, 0);
    ck_assert_int_eq(paho_tap_reason(7), MW_ERR_NOT_FOUND);
    close_pair(pair);
}
END_TEST

START_TEST(other_connections_are_not_listened_to)
{
    int broker[2], other[2];
    connect_pair(other);
    connect_pair(broker);
    paho_tap_begin();
    hear_puback(other, 0);
    ck_assert_int_eq(paho_tap_reason(7), MW_ERR_NOT_FOUND);
    hear_puback(broker, 0);
    ck_assert_int_eq(paho_tap_reason(7), 0x10);
    close_pair(other);
    close_pair(broker);
}
END_TEST

START_TEST(what_is_only_looked_at_is_overheard_when_it_is_read)
{
    int pair[2];
    uint8_t bytes[16];
    connect_pair(pair);
    paho_tap_begin();
    hear_puback(pair, MSG_PEEK);
    ck_assert_int_eq(paho_tap_reason(7), MW_ERR_NOT_FOUND);
    ck_assert_int_eq(recv(pair[0], bytes, sizeof bytes, MSG_DONTWAIT), 5);
    ck_assert_int_eq(paho_tap_reason(7), 0x10);
    close_pair(pair);
}
END_TEST

START_TEST(errors_and_the_end_of_the_stream_come_through_as_they_are)
{
    int pair[2];
    uint8_t bytes[16];
    connect_pair(pair);
    paho_tap_begin();
    errno = 0;
    ck_assert_int_eq(recv(pair[0], bytes, sizeof bytes, MSG_DONTWAIT), -1);
    ck_assert(errno == EAGAIN || errno == EWOULDBLOCK);
    ck_assert_int_eq(recv(-1, bytes, sizeof bytes, 0), -1);
    ck_assert_int_eq(errno, EBADF);
    errno = ENOENT;
    hear_puback(pair, 0);
    ck_assert_int_eq(errno, ENOENT);
    ck_assert_int_eq(shutdown(pair[1], SHUT_WR), 0);
    ck_assert_int_eq(recv(pair[0], bytes, sizeof bytes, 0), 0);
    ck_assert_int_eq(paho_tap_reason(7), 0x10);
    close_pair(pair);
}
END_TEST

static void *read_elsewhere(void *pair)
{
    hear_puback(pair, 0);
    return paho_tap_reason(7) == MW_ERR_NOT_FOUND ? pair : NULL;
}

START_TEST(other_threads_are_not_listened_to)
{
    int pair[2];
    pthread_t thread;
    void *not_found;
    connect_pair(pair);
    paho_tap_begin();
    ck_assert_int_eq(pthread_create(&thread, NULL, read_elsewhere, pair), 0);
    ck_assert_int_eq(pthread_join(thread, &not_found), 0);
    ck_assert_ptr_eq(not_found, pair);
    ck_assert_int_eq(paho_tap_reason(7), MW_ERR_NOT_FOUND);
    close_pair(pair);
}
END_TEST

MW_SUITE("uplink/paho_tap", what_is_read_from_the_broker_is_overheard,
         before_it_begins_and_after_its_end_nothing_is_overheard,
         other_connections_are_not_listened_to, what_is_only_looked_at_is_overheard_when_it_is_read,
         errors_and_the_end_of_the_stream_come_through_as_they_are,
         other_threads_are_not_listened_to)
