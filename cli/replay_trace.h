/* SPDX-License-Identifier: Apache-2.0 */
/* replay --trace: the frames of a recording through poller and decoder, on virtual time. */
#ifndef MW_CLI_REPLAY_TRACE_H
#define MW_CLI_REPLAY_TRACE_H

/* The verb with --trace among its arguments; an exit status. */
int replay_trace(int argc, char **argv);

#endif
