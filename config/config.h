/* SPDX-License-Identifier: Apache-2.0 */
/* millwright.yaml as structs: every module's own settings, settled and checked. The order of
 * buses, devices, points and machines is the file's; indexes run through all of them. */
#ifndef MW_CONFIG_CONFIG_H
#define MW_CONFIG_CONFIG_H

#include "alarm/alarm.h"
#include "base/sha256.h"
#include "fieldbus/device.h"
#include "inference/detector.h"
#include "storage/db.h"
#include "uplink/broker.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONFIG_MAX_FILE_BYTES (256 * 1024)
#define CONFIG_MAX_MACHINES   500
#define CONFIG_MAX_DEVICES    1000
#define CONFIG_MAX_POINTS     20000 /* 500 machines with a sensor of 40 registers each */

struct machine_config {
    char name[MW_NAME_MAX + 1];
    char model_file[256];               /* a .tflite to start with, or empty: learned on the spot */
    uint32_t points[MW_MAX_CHANNELS];   /* of channel c, index into the points */
    struct mw_detector_config detector; /* n_channels, period, limits, roles */
    struct alarm_config alarm;
    bool no_level_guard; /* levels are not judged beside the residuals: the load varies freely */
    bool fine;           /* learned networks compute in int16, for smooth signals; default false */
    uint32_t learn_rows; /* frames that 'learn' trains on; default 1000, at least 400 */
};

struct config {
    char site[MW_NAME_MAX + 1];    /* default site */
    char gateway[MW_NAME_MAX + 1]; /* default gateway */
    char spool[256];               /* of training jobs; default /var/lib/millwright/spool */
    char socket[108];              /* control socket; default /run/millwright/control */
    struct bus_config *buses;
    size_t n_buses;
    struct device_config *devices;
    size_t n_devices;
    struct point_config *points; /* grouped by device; name is the point's, within its device */
    uint32_t *point_devices;     /* device of each point */
    size_t n_points;
    struct machine_config *machines;
    size_t n_machines;
    struct mqtt_config mqtt;
    uint8_t
        mqtt_files[MW_SHA256_BYTES]; /* of what the files named there hold; zero: not looked at */
    struct store_config store;
};

/* One thing wrong, "file:line:col: path: message". Called in the order of lines. */
struct config_error {
    const char *file;
    int line, column; /* 1-based; 0 where the file could not be read at all */
    const char *path; /* devices[2].unit */
    const char *message;
    bool warning; /* of this computer, not of the file; the configuration loads all the same */
};
typedef void config_error_fn(void *ctx, const struct config_error *error);

/* Whether the files that a right configuration names are looked at too: that password_file,
 * ca_file, cert_file and key_file can be read, by their owner only where that is asked, and that
 * each model.file is one that the engine runs and is of the machine's channels. */
enum config_here {
    CONFIG_ANYWHERE = 0, /* no: it is for another computer */
    CONFIG_HERE_WARNS,   /* what is wrong with them is a warning */
    CONFIG_HERE_STARTS,  /* an error, but for a model: limits and trend watch without it */
    CONFIG_HERE,         /* always an error */
};

/* Reads, checks and settles. All errors of the file are reported in one run; profiles are looked
 * for beside the file (profiles/) and then in profile_dir. MW_OK and *ret_config to be given to
 * config_free; or MW_ERR_INVALID, MW_ERR_TOO_BIG, MW_ERR_NOT_FOUND, MW_ERR_IO after at least one
 * error was reported. Nothing is written and no device or broker is touched. */
int config_load(struct config **ret_config, const char *path, const char *profile_dir,
                enum config_here here, config_error_fn *report, void *ctx);
/* The same from memory. name stands for the file in errors; base_dir is where profiles/ is looked
 * for. Without base_dir and profile_dir (NULL) no file is opened. MW_ERR_NO_MEMORY also. */
int config_load_bytes(struct config **ret_config, const char *name, const uint8_t *bytes,
                      size_t n_bytes, const char *base_dir, const char *profile_dir,
                      config_error_fn *report, void *ctx);
void config_free(struct config *config);

/* libcyaml's version, as linked. */
const char *config_library_version(void);

/* Share of an RTU bus's time that polling will take, 1 being all of it: frames, the silence
 * between them, the devices' pauses and 5 ms for each answer. 0 for TCP, which shares no wire. A
 * configuration that loads has at most 1; above 0.8 retries have little room. */
double config_bus_load(const struct config *config, size_t bus);

/* Where the installed profiles are: MW_PROFILE_DIR, set by the build. */

#endif
