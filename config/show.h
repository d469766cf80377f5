/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration in force with, for each setting, who says so. */
#ifndef MW_CONFIG_SHOW_H
#define MW_CONFIG_SHOW_H

#include "config/config.h"

enum setting_origin {
    ORIGIN_BUILT_IN = 0, /* nobody: the program's default, or worked out from other settings */
    ORIGIN_FILE,         /* the object's own section */
    ORIGIN_DEFAULTS,     /* the section defaults */
    ORIGIN_TYPE,         /* the machine's type, or that of the machine whose device it is */
    ORIGIN_PROFILE,      /* the device's profile */
    ORIGIN_BUS,          /* the device's bus */
};

struct shown_setting {
    const char *section;      /* "machines" */
    const char *list, *entry; /* "channels" and the channel's name; NULL */
    const char *object;       /* name of the machine, device or bus; NULL: there is one of it */
    const char *key, *value;  /* as settings.h has them */
    bool first;               /* of its object, or of the entry of its list */
    bool polled;              /* of a point: somebody uses it */
    enum setting_origin origin;
    const char *name; /* of the type, profile or bus */
    const char *file; /* where it is written; NULL: nowhere */
    int line, column;
};
typedef void config_show_fn(void *ctx, const struct shown_setting *setting);

/* Loads as config_load does, without looking at what the file names; where it is right, every
 * setting is shown, in the order of a file. The texts are valid during the call only. */
int config_show(const char *path, const char *profile_dir, config_error_fn *report,
                config_show_fn *show, void *ctx);

#endif
