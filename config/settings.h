/* SPDX-License-Identifier: Apache-2.0 */
/* A settled configuration in the words of its file: every setting that is in force as key and
 * value, whoever gave it. What 'config show' prints and what a difference is told in; read back, it
 * gives the same configuration. Pure. */
#ifndef MW_CONFIG_SETTINGS_H
#define MW_CONFIG_SETTINGS_H

#include "config/config.h"

/* key: as in the file, sections before it ("limits.high", "rtu.baud"); value: as in the file. Lists
 * of an object's own settings are in flow style. Both are valid during the call only. */
typedef void setting_fn(void *ctx, const char *key, const char *value);

void settings_gateway(const struct config *config, setting_fn *tell, void *ctx);
/* Names of files, never what is in them. */
void settings_mqtt(const struct mqtt_config *mqtt, setting_fn *tell, void *ctx);
void settings_store(const struct store_config *store, setting_fn *tell, void *ctx);
void settings_bus(const struct bus_config *bus, setting_fn *tell, void *ctx);
/* Without its points. */
void settings_device(const struct config *config, size_t device, setting_fn *tell, void *ctx);
void settings_point(const struct point_config *point, setting_fn *tell, void *ctx);
/* Without its channels. */
void settings_machine(const struct machine_config *machine, setting_fn *tell, void *ctx);
/* point is DEVICE.POINT. */
void settings_channel(const struct config *config, const struct machine_config *machine,
                      uint16_t channel, setting_fn *tell, void *ctx);

#endif
