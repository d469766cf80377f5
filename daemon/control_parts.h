/* SPDX-License-Identifier: Apache-2.0 */
/* What control.c, control_bus.c and control_history.c share: the socket and its clients are the
 * first one's, what people want of the buses (read, record) and of the store (history) the others'.
 */
#ifndef MW_DAEMON_CONTROL_PARTS_H
#define MW_DAEMON_CONTROL_PARTS_H

#include "daemon/control.h"

#define CONTROL_DEAF_US 30000000 /* a recorder that takes nothing for so long is dropped */

/* rest: what stands behind the verb; written to. The client has a reply afterwards, or waits for
 * control_take_answers with its read_id. */
void control_begin_read(struct control *control, struct control_client *client, char *rest,
                        const struct clock_time *now);

/* The client has a reply with what is wrong, or records from now on. */
void control_begin_record(struct control *control, struct control_client *client, char *rest,
                          const struct clock_time *now);

/* control_history.c. The client has a reply with what is wrong, or waits with its history_id. */
void control_begin_history(struct control *control, struct control_client *client, char *rest,
                           const struct clock_time *now);

/* Gives the store's pieces to those who wait for them; tells the store of those who have gone. */
void control_take_history(struct control *control, const struct clock_time *now);

/* The piece in hand was sent: asks for the next. */
void control_next_history(struct control *control, struct control_client *client,
                          const struct clock_time *now);

/* Gives the buses' answers to those who wait for them; an answer whose client is gone is thrown
 * away. */
void control_take_answers(struct control *control);

/* Whoever waits for a read is told to ask again. */
void control_end_reads(struct control *control);

#endif
