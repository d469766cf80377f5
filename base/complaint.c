/* SPDX-License-Identifier: Apache-2.0 */
#include "base/complaint.h"
#include "base/result.h"

#include <stddef.h>

int mw_complain(const struct mw_complaints *to, const char *setting, const char *value,
                const char *rule)
{
    if (to && to->add)
        to->add(to->ctx, &(struct mw_complaint){ setting, value, rule });
    return MW_ERR_INVALID;
}
