/* SPDX-License-Identifier: Apache-2.0 */
/* Which setting is wrong and what the rule is. Modules say it without knowing the file it came
 * from; config/ adds file, line and path. A settle function reports every wrong setting it
 * finds, not the first. */
#ifndef MW_BASE_COMPLAINT_H
#define MW_BASE_COMPLAINT_H

struct mw_complaint {
    const char *setting; /* key within the object being settled, "timeout" */
    const char *value;   /* as the person wrote it, or NULL where nothing was given */
    const char *rule;    /* reads on from the value: "is not in 1 to 247" */
};

/* Where complaints go. The strings are borrowed for the call. */
struct mw_complaints {
    void (*add)(void *ctx, const struct mw_complaint *complaint);
    void *ctx;
};

/* Adds one complaint; returns MW_ERR_INVALID so that a check reads as one line. to may be NULL. */
int mw_complain(const struct mw_complaints *to, const char *setting, const char *value,
                const char *rule);

#endif
