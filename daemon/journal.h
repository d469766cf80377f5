/* SPDX-License-Identifier: Apache-2.0 */
/* The only words of the daemon. Under systemd they go to the journal with fields (MW_MACHINE,
 * MW_DEVICE, MW_BUS, MW_SEQ, ...), else to stderr. One line per change of state, not per attempt.
 * Called from the main thread. */
#ifndef MW_DAEMON_JOURNAL_H
#define MW_DAEMON_JOURNAL_H

#include "config/config.h"
#include "daemon/messages.h"
#include "daemon/reload_words.h"
#include "daemon/timebase.h"

void journal_started(const struct config *config, const char *config_file);
void journal_stopping(int signal_number);
void journal_alert(const struct config *config, const struct mw_alert *alert);
void journal_bus(const struct config *config, const struct bus_report *report);
/* result MW_OK: installed; else why not. */
/* The clock was set, has jumped, or is no longer vouched for. */
void journal_clock(const struct timebase *timebase, enum timebase_event event);
/* A bus began or ceased to leave polls out for lack of time. */
void journal_load(const struct config *config, uint32_t bus, uint64_t n_missed, uint64_t n_polls,
                  bool overloaded);
void journal_model(const char *machine, const uint8_t *digest, int result, const char *why);
/* text NULL: the store is well again. */
void journal_store(const char *text);
void journal_db(const struct db_report *report);
/* Of MW_ERR_UNSUPPORTED from db_open. */
void journal_db_refused(const char *path, const struct db_report *report);
/* The broker refused an alert for good: n so far. */
void journal_dead_letter(uint64_t n);
/* The broker took messages that nobody was subscribed to: n so far. */
void journal_unheard(uint64_t n);
void journal_link(const struct link_report *report);
/* A wish for another configuration was granted or refused. */
void journal_reload(const struct reload_words *words);
/* A certificate expires, or has. */
void journal_expiry(const struct mw_event *event);
/* The outbox gives up messages; n so far, ever. */
void journal_overflow(uint64_t n);
/* Anything that ends the start, with the place and the reason. */
void journal_failed(const char *what, const char *why);
/* A stage gave no sign of life; the watchdog is left to bite. */
void journal_hung(const char *stage);

#endif
