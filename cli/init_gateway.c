/* SPDX-License-Identifier: Apache-2.0 */
/* Limits, names, the broker. */
#define _DEFAULT_SOURCE /* gethostname */
#include "cli/init.h"
#include "cli/init_dial.h"

#include "base/result.h"
#include "config/value.h"

#include <math.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#define CA_FILE "/etc/ssl/certs/ca-certificates.crt" /* Debian's ca-certificates */

/* ---- limits ---- */

static bool has_velocity(const struct draft *draft)
{
    for (size_t u = 0; u < draft->n_units; u++)
        for (size_t i = 0; i < draft->units[u].n_points; i++)
            if (draft_is_velocity(&draft->units[u].points[i].point))
                return true;
    return false;
}

/* HIGH,HIGH_HIGH or none. */
static bool take_limits(void *ctx, const char *answer)
{
    struct draft *draft = ctx;
    char copy[64], *more;
    double high = DRAFT_NO_LIMIT, high_high = DRAFT_NO_LIMIT;
    snprintf(copy, sizeof copy, "%.63s", answer);
    more = strchr(copy, ',');
    if (more)
        *more++ = 0;
    bool none = strcmp(answer, "none") == 0;
    if (!none && (!more || value_number(copy, &high) || value_number(more, &high_high) ||
                  high <= 0 || high_high <= high)) {
        fprintf(stderr, "'%s' is neither HIGH,HIGH_HIGH in mm/s, such as 4.5,7.1, nor none\n",
                answer);
        return false;
    }
    draft->high = high;
    draft->high_high = high_high;
    return true;
}

static int ask_limits(struct init *in)
{
    in->draft.high = in->draft.high_high = DRAFT_NO_LIMIT;
    if (!has_velocity(&in->draft))
        return EX_OK;
    if (!in->options.limits && !in->asker.yes)
        fputs("\nLimits of vibration velocity, mm/s RMS. Zone boundaries B/C and C/D that are "
              "published for\nISO 20816-3; your edition and the machine's maker have the last "
              "word:\n"
              "  2.8,4.5  15 to 300 kW, rigid foundation\n"
              "  4.5,7.1  15 to 300 kW, flexible; above 300 kW, rigid\n"
              "  7.1,11   above 300 kW, flexible\n",
              stderr);
    const struct question q = { .text = "Limits HIGH,HIGH_HIGH or none",
                                .option = "--limits",
                                .given = in->options.limits,
                                .fallback = "4.5,7.1",
                                .take = take_limits,
                                .ctx = &in->draft };
    return ask(&in->asker, &q);
}

/* ---- names ---- */

static bool take_name(void *ctx, const char *answer)
{
    const char *rule = value_name(answer);
    if (rule) {
        fprintf(stderr, "'%s' %s\n", answer, rule);
        return false;
    }
    snprintf(ctx, MW_NAME_MAX + 1, "%s", answer);
    return true;
}

static int ask_names(struct init *in)
{
    char host[256] = "", usual[MW_NAME_MAX + 1];
    if (gethostname(host, sizeof host - 1) != 0)
        host[0] = 0;
    draft_name(host, "gateway", usual);
    if (!in->asker.yes)
        fputs("\nThis gateway and its plant, as topics name them.\n", stderr);
    const struct question gateway = { .text = "Name of this gateway",
                                      .option = "--gateway",
                                      .given = in->options.gateway,
                                      .fallback = usual,
                                      .take = take_name,
                                      .ctx = in->draft.gateway };
    const struct question site = { .text = "Name of the plant",
                                   .option = "--site",
                                   .given = in->options.site,
                                   .fallback = "site",
                                   .take = take_name,
                                   .ctx = in->draft.site };
    int status = ask(&in->asker, &gateway);
    return status == EX_OK ? ask(&in->asker, &site) : status;
}

/* ---- the broker ---- */

/* HOST[:PORT], an uri, or none. Without a scheme it gets one once TLS is known. */
static bool take_broker(void *ctx, const char *answer)
{
    struct init *in = ctx;
    struct mqtt_endpoint end;
    char uri[sizeof in->draft.mqtt.uri] = "";
    bool bare = !strstr(answer, "://");
    int n = 0;
    if (strcmp(answer, "none") != 0)
        n = snprintf(uri, sizeof uri, "%s%s", bare ? "mqtt://" : "", answer);
    if (uri[0] && ((size_t)n >= sizeof uri || mqtt_parse_uri(uri, &end) != MW_OK)) {
        fprintf(stderr,
                "'%s' is neither HOST[:PORT], mqtt://HOST[:PORT], mqtts://HOST[:PORT] nor "
                "none\n",
                answer);
        return false;
    }
    in->tls = uri[0] && (end.tls || (bare && end.port == 8883));
    memcpy(in->draft.mqtt.uri, uri, sizeof uri);
    return true;
}

static bool take_path(void *ctx, const char *answer)
{
    if (answer[0] != '/' || strlen(answer) >= 256 || strpbrk(answer, "\"\\")) {
        fprintf(stderr, "'%s' is no absolute path\n", answer);
        return false;
    }
    snprintf(ctx, 256, "%s", answer);
    return true;
}

static bool take_user(void *ctx, const char *answer)
{
    struct mqtt_config *mqtt = ctx;
    if (strlen(answer) >= sizeof mqtt->username) {
        fputs("a user's name has at most 127 characters\n", stderr);
        return false;
    }
    snprintf(mqtt->username, sizeof mqtt->username, "%s",
             strcmp(answer, "none") == 0 ? "" : answer);
    return true;
}

static int ask_tls(struct init *in)
{
    struct mqtt_endpoint end;
    struct mqtt_config *mqtt = &in->draft.mqtt;
    const char *ca = access(CA_FILE, R_OK) == 0 ? CA_FILE : MW_CONFDIR "/ca.pem";
    int status = ask_yes(&in->asker, "TLS", "--tls", in->options.tls, in->tls, &in->tls);
    if (status != EX_OK)
        return status;
    if (mqtt_parse_uri(mqtt->uri, &end) != MW_OK)
        return EX_SOFTWARE;
    unsigned port = in->tls && end.port == 1883 && !strstr(mqtt->uri, ":1883") ? 8883 : end.port;
    snprintf(mqtt->uri, sizeof mqtt->uri, "%s://%s:%u", in->tls ? "mqtts" : "mqtt", end.host, port);
    const struct question q = { .text = "File of the authority that signs the broker's certificate",
                                .option = "--ca-file",
                                .given = in->options.ca_file,
                                .fallback = ca,
                                .take = take_path,
                                .ctx = mqtt->ca_file };
    return in->tls ? ask(&in->asker, &q) : EX_OK;
}

static int ask_user(struct init *in)
{
    struct mqtt_config *mqtt = &in->draft.mqtt;
    const struct question user = { .text = "User at the broker",
                                   .option = "--user",
                                   .given = in->options.user,
                                   .fallback = "none",
                                   .take = take_user,
                                   .ctx = mqtt };
    const struct question file = { .text = "File of the password",
                                   .option = "--password-file",
                                   .given = in->options.password_file,
                                   .fallback = MW_CONFDIR "/password",
                                   .take = take_path,
                                   .ctx = mqtt->password_file };
    int status = ask(&in->asker, &user);
    return status == EX_OK && mqtt->username[0] ? ask(&in->asker, &file) : status;
}

/* A wrong host is seen here, by whoever typed it. It is written all the same: the broker may come
 * later than the gateway. */
static void say_broker(const struct init *in)
{
    struct mqtt_endpoint end;
    if (in->asker.yes || mqtt_parse_uri(in->draft.mqtt.uri, &end) != MW_OK)
        return;
    const char *why_not = init_dial(end.host, end.port);
    fprintf(stderr, "  %s port %u: %s%s\n", end.host, (unsigned)end.port,
            why_not ? why_not : "somebody listens there",
            why_not ? "; it is written all the same" : "");
}

static int ask_broker(struct init *in)
{
    if (!in->asker.yes)
        fputs("\nThe MQTT broker that alerts go to.\n", stderr);
    const struct question q = { .text = "Broker HOST[:PORT]",
                                .option = "--broker",
                                .given = in->options.broker,
                                .fallback = "none",
                                .take = take_broker,
                                .ctx = in };
    int status = ask(&in->asker, &q);
    if (status != EX_OK || !in->draft.mqtt.uri[0])
        return status;
    status = ask_tls(in);
    if (status != EX_OK)
        return status;
    say_broker(in);
    return ask_user(in);
}

int init_gateway(struct init *in)
{
    int status = ask_limits(in);
    if (status == EX_OK)
        status = ask_names(in);
    return status == EX_OK ? ask_broker(in) : status;
}
