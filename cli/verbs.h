/* SPDX-License-Identifier: Apache-2.0 */
/* The verbs of millwright(1), one file each: cli/<verb>.c. A verb gets its own arguments, argv[0]
 * being its name, and returns an exit status of <sysexits.h>: 0 done, 64 usage, 65 bad data,
 * 66 no such file, 69 service not available, 73 cannot create, 74 I/O, 78 bad configuration.
 * Results go to stdout, progress and errors to stderr. */
#ifndef MW_CLI_VERBS_H
#define MW_CLI_VERBS_H

int verb_ack(int argc, char **argv);
int verb_check(int argc, char **argv);
int verb_config(int argc, char **argv);
int verb_doctor(int argc, char **argv);
int verb_history(int argc, char **argv);
int verb_infer(int argc, char **argv);
int verb_init(int argc, char **argv);
int verb_learn(int argc, char **argv);
int verb_model(int argc, char **argv);
int verb_plan(int argc, char **argv);
int verb_probe(int argc, char **argv);
int verb_profile(int argc, char **argv);
int verb_record(int argc, char **argv);
int verb_reload(int argc, char **argv);
int verb_repaired(int argc, char **argv);
int verb_replay(int argc, char **argv);
int verb_scan(int argc, char **argv);
int verb_simulate(int argc, char **argv);
int verb_status(int argc, char **argv);
int verb_train(int argc, char **argv);

#endif
