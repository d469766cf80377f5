/* SPDX-License-Identifier: Apache-2.0 */
/* What is different between the configuration in force and a new one, and whether the difference
 * can be put into force while the daemon runs. Objects are the same where their names are; a wire
 * is untouched where nothing that is sent over it or read from it is different, whatever its
 * devices and points are called. Pure. */
#ifndef MW_CONFIG_DIFF_H
#define MW_CONFIG_DIFF_H

#include "config/config.h"

enum config_change_kind { CHANGE_ADDED = 1, CHANGE_REMOVED, CHANGE_CHANGED, CHANGE_NEEDS_RESTART };

struct config_change {
    enum config_change_kind kind;
    /* "machine pump-3: limits.high of vel_rms_z 4.5 -> 7.1"; "bus hall-2"; "store.path: ..." */
    char text[200];
};

#define DIFF_NONE UINT32_MAX

struct config_diff {
    struct config_change *changes; /* in the order of the file's sections */
    size_t n_changes, n_restart;   /* of them CHANGE_NEEDS_RESTART */
    /* of the new configuration's objects, the index in the old one, or DIFF_NONE */
    uint32_t *machines; /* [new n_machines] of that name */
    uint32_t *devices;  /* [new n_devices] of that name */
    uint32_t *buses;    /* [new n_buses] of that name */
    bool *same_machine; /* [new n_machines] all of its settings are the same */
    bool *same_bus; /* [new n_buses] the wire is untouched: its devices and their points are in the
                     * same order and have the same settings and periods */
    bool mqtt;      /* the broker's settings, or a file that they name */
    bool no_memory;
};

/* Filled in whole, or no_memory is set. To be given to config_diff_finish. */
void config_diff(struct config_diff *ret_diff, const struct config *old, const struct config *new);
void config_diff_finish(struct config_diff *diff);

#endif
