/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/expiry.h"
#include "daemon/handover.h"
#include "daemon/journal.h"
#include "uplink/certificate.h"

#include <stdio.h>

const char *expiry_name(enum mw_certificate certificate)
{
    return certificate == MW_CERTIFICATE_CLIENT ? "client" : "authority";
}

bool expiry_is_due(const struct expiry_told *told, int64_t not_after_us, int64_t at_us,
                   int64_t *ret_days)
{
    int64_t days = certificate_days(not_after_us, at_us);
    if (not_after_us == 0 || days == CERTIFICATE_FAR)
        return false;
    if (told->not_after_us == not_after_us && told->days <= days)
        return false;
    *ret_days = days;
    return true;
}

static void tell(struct pipeline *p, enum mw_certificate which, int64_t days, int64_t at_us)
{
    const struct mqtt_config *mqtt = &p->config->mqtt;
    int64_t not_after_us = p->link_report.not_after_us[which];
    struct store_order order = { .kind = STORE_EVENT,
                                 .machine = UINT32_MAX,
                                 .blob = NO_BLOB,
                                 .offset_us = p->timebase.offset_us };
    order.event =
        (struct mw_event){ .kind = MW_EVENT_CERTIFICATE_EXPIRES,
                           .severity = days <= 1 ? MW_SEVERITY_CRITICAL : MW_SEVERITY_WARNING,
                           .clock_synced = true,
                           .at_us = at_us,
                           .certificate = (uint8_t)which,
                           .days = (uint16_t)days,
                           .not_after_us = not_after_us };
    snprintf(order.event.file, sizeof order.event.file, "%s",
             which == MW_CERTIFICATE_CLIENT ? mqtt->cert_file : mqtt->ca_file);
    p->expiry_told[which] = (struct expiry_told){ not_after_us, days };
    handover_order(p, &order);
    journal_expiry(&order.event);
}

void expiry_step(struct pipeline *p, const struct clock_time *now)
{
    int64_t days;
    for (int i = 0; i < MW_CERTIFICATES && p->timebase.synced; i++)
        if (expiry_is_due(&p->expiry_told[i], p->link_report.not_after_us[i], now->utc_us, &days) &&
            handover_has_room(p))
            tell(p, (enum mw_certificate)i, days, now->utc_us);
}
