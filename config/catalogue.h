/* SPDX-License-Identifier: Apache-2.0 */
/* One profile for people and tools: what it says of the device, and its points as the daemon would
 * poll them. The command line and discovery ask here; the daemon reads profiles through its
 * configuration. */
#ifndef MW_CONFIG_CATALOGUE_H
#define MW_CONFIG_CATALOGUE_H

#include "config/config.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PROFILE_MAX_VARIANTS 16

/* Texts are NULL where the file does not say. */
struct profile_variant {
    const char *name, *note;
    bool has_match; /* told by the identity register: low <= its value <= high */
    uint64_t low, high;
};

struct profile_view {
    const char *vendor, *model, *level;
    const char *const *sources;
    size_t n_sources;
    const char *transport, *baud, *parity, *stop_bits, *unit, *port; /* as the maker delivers it */
    const struct point_config *points; /* settled; units are those inside */
    size_t n_points;
    bool has_identity;
    struct point_config
        identity; /* kind, address, type and order of a register that is not polled */
    struct profile_variant variants[PROFILE_MAX_VARIANTS];
    size_t n_variants;
    struct profile_source *source; /* what the texts lie in */
};

/* Reads dir/name.yaml and checks it whole; variant NULL: the points as they are without one. MW_OK
 * and *ret_view to be given to profile_view_finish; or MW_ERR_NOT_FOUND, which is not reported, or
 * another error of config_load_bytes after at least one report. Touches no device. */
int profile_view_load(struct profile_view *ret_view, const char *dir, const char *name,
                      const char *variant, config_error_fn *report, void *ctx);
void profile_view_finish(struct profile_view *view);

/* The variant whose match holds the value read from the identity register; NULL where none does. */
const struct profile_variant *profile_variant_of(const struct profile_view *view, uint64_t value);

#endif
