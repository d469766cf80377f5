/* SPDX-License-Identifier: Apache-2.0 */
/* The installed device profiles, and which of them a device's answers fit. */
#ifndef MW_CLI_KNOWN_H
#define MW_CLI_KNOWN_H

#include "cli/reach.h"
#include "config/catalogue.h"
#include "config/config.h"

#define KNOWN_MAX 256 /* profiles; more are not looked at */

struct known_profile {
    char name[MW_NAME_MAX + 1];
    struct config *config;    /* of one device with this profile; owned */
    struct profile_view view; /* its identity register and variants */
};

struct known {
    const char *folder; /* borrowed */
    struct known_profile profiles[KNOWN_MAX];
    size_t n;
};

/* Every profile of the folder that can be read, by name; the others are left out. */
void known_load(struct known *known, const char *folder);
void known_free(struct known *known);

/* A value that a sensor of this unit can have; an unknown unit allows what a person would write. */
bool known_plausible(const char *unit, double value);

struct known_match {
    size_t profile;            /* index */
    const char *variant;       /* that its identity register tells; NULL: none; in the profile */
    size_t n_points, n_lively; /* plausible points; of them, not zero */
};

/* Reads each profile's registers from the unit and keeps those of which every value is plausible
 * and at least one is not zero; and, where variants are told by an identity register, one of them
 * is told. Best first: those that an identity register tells, then by plausible values that are not
 * zero.
 *
 *   progress  called before each profile; may be NULL
 *
 * Returns how many, at most cap; *ret_status: EX_OK, or why the bus cannot be used. */
size_t known_match(const struct known *known, struct reach *reach, uint8_t unit,
                   void (*progress)(void *ctx, const char *profile), void *ctx,
                   struct known_match *ret_matches, size_t cap, int *ret_status);

#endif
