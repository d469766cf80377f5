/* SPDX-License-Identifier: Apache-2.0 */
/* Overhears what Paho reads from the broker, for the reason of a PUBACK that it accepts: up to
 * 1.3.14 at least it reads the reason, and tells it only where the message was refused.
 *
 * A program that has this file has a recv and an SSL_read of its own, which its libraries find
 * ahead of the C library's and OpenSSL's. They call those, and change neither bytes, result nor
 * errno. Where Paho reads by other means, nothing is overheard and nothing else is different.
 *
 * For the callbacks of paho_broker.c, in the one thread in which Paho reads; what it tells is that
 * thread's. In all other threads nothing is listened to. */
#ifndef MW_UPLINK_PAHO_TAP_H
#define MW_UPLINK_PAHO_TAP_H

/* Listens from here on to the connection that this thread read from last; to no other any more. To
 * be called where a whole packet has just been read, the CONNACK. */
void paho_tap_begin(void);

/* Listens no more. */
void paho_tap_end(void);

/* The reason of the PUBACK just read, 0 .. 255, where it was for this token: Paho's number of a
 * message is its packet identifier. MW_ERR_NOT_FOUND: not overheard. */
int paho_tap_reason(int token);

#endif
