/* SPDX-License-Identifier: Apache-2.0 */
#include "base/result.h"
#include "uplink/payload.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

/* The topics, whole. */
static const struct {
    const char *word;
    bool of_subject;
} topics[] = {
    [TOPIC_STATUS] = { "status", false },
    [TOPIC_EVENT] = { "event", false },
    [TOPIC_ALERT] = { "alert", true },
    [TOPIC_STATE] = { "state", true },
};

/* A level of the tree: a wildcard or a slash in a name would speak of other topics than meant. */
static bool is_level(const char *name)
{
    if (!name || name[0] == '\0')
        return false;
    for (const unsigned char *s = (const unsigned char *)name; *s; s++)
        if (*s < 0x20 || *s == 0x7f || *s == '/' || *s == '+' || *s == '#')
            return false;
    return true;
}

int topic_format(char *ret_topic, size_t cap, const struct payload_gateway *gateway,
                 enum topic_kind kind, const char *subject)
{
    bool of_subject = topics[kind].of_subject;
    assert(of_subject == (subject != NULL));
    if (!is_level(gateway->site) || !is_level(gateway->gateway))
        return MW_ERR_INVALID;
    if (of_subject && !is_level(subject))
        return MW_ERR_INVALID;

    char topic[TOPIC_MAX];
    int n = snprintf(topic, sizeof topic, "%s/%s/%s/%s%s%s", gateway->topic_prefix, gateway->site,
                     gateway->gateway, of_subject ? subject : "", of_subject ? "/" : "",
                     topics[kind].word);
    if (n < 0 || (size_t)n >= sizeof topic || (size_t)n >= cap)
        return MW_ERR_NO_SPACE;
    memcpy(ret_topic, topic, (size_t)n + 1);
    return MW_OK;
}
