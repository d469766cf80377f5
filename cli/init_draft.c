/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/init_draft.h"
#include "base/sample.h"
#include "config/unit.h"

#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <string.h>

enum use { USE_SCORE, USE_CONTEXT, USE_OUT };

/* ---- what becomes of a point ---- */

static const char *inside(const struct point_config *point)
{
    const struct unit *unit = unit_find(point->unit);
    return unit ? unit->inside : point->unit;
}

static bool is_one_of(const char *text, const char *const *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(text, list[i]) == 0)
            return true;
    return false;
}

bool draft_is_velocity(const struct point_config *point)
{
    return strcmp(inside(point), "mm/s") == 0 && !strstr(point->name, "peak");
}

/* What moves is judged; what it moves with is known; what only repeats it is left for a person to
 * add. Points that a person named are all taken. */
static enum use use_of(const struct draft_unit *unit, const struct point_config *point)
{
    static const char *const MOVES[] = { "mm/s", "g", "um" };
    static const char *const GOES_WITH[] = { "degC", "A", "W", "rpm", "%", "%RH", "bar" };
    bool own = unit->profile[0] == 0;
    if (is_one_of(inside(point), MOVES, sizeof MOVES / sizeof MOVES[0]))
        return own || !strstr(point->name, "peak") ? USE_SCORE : USE_OUT;
    if (is_one_of(inside(point), GOES_WITH, sizeof GOES_WITH / sizeof GOES_WITH[0]))
        return USE_CONTEXT;
    return own ? USE_SCORE : USE_OUT;
}

static bool same_machine(const struct draft_unit *a, const struct draft_unit *b)
{
    return a->n_points > 0 && b->n_points > 0 && a->machine[0] &&
           strcmp(a->machine, b->machine) == 0;
}

static size_t count_use(const struct draft *d, const struct draft_unit *of, enum use use)
{
    size_t n = 0;
    for (size_t u = 0; u < d->n_units; u++)
        for (size_t i = 0; same_machine(&d->units[u], of) && i < d->units[u].n_points; i++)
            n += use_of(&d->units[u], &d->units[u].points[i].point) == use;
    return n;
}

/* ---- names ---- */

void draft_name(const char *text, const char *fallback, char ret_name[MW_NAME_MAX + 1])
{
    size_t n = 0;
    while (*text && !isalnum((unsigned char)*text))
        text++;
    for (; *text && *text != '.' && n < MW_NAME_MAX; text++)
        ret_name[n++] = isalnum((unsigned char)*text) || *text == '_' ? *text : '-';
    ret_name[n] = 0;
    if (n == 0)
        snprintf(ret_name, MW_NAME_MAX + 1, "%s", fallback);
}

void draft_device_name(const struct draft_unit *unit, char ret_name[MW_NAME_MAX + 1])
{
    char whole[2 * MW_NAME_MAX + 2];
    snprintf(whole, sizeof whole, "%s%s%s", unit->machine, unit->role[0] ? "-" : "", unit->role);
    memcpy(ret_name, whole, MW_NAME_MAX);
    ret_name[MW_NAME_MAX] = 0;
}

/* ---- the text ---- */

static void quoted(FILE *to, const char *text)
{
    putc('"', to);
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            putc('\\', to);
        putc(*text, to);
    }
    putc('"', to);
}

static void write_head(const struct draft *d, FILE *to)
{
    fprintf(
        to,
        "# Written by 'millwright init'; yours to change. What each setting means, and all\n"
        "# others: millwright.yaml(5). 'millwright check FILE' says what is wrong with a file,\n"
        "# 'systemctl reload millwrightd' puts a changed one into force. Further halls: one\n"
        "# file each in conf.d beside this one.\n"
        "version: 1\n"
        "\n"
        "# Both are part of every topic: PREFIX/SITE/GATEWAY/MACHINE/alert.\n"
        "gateway:\n"
        "  name: %s\n"
        "  site: %s\n",
        d->gateway, d->site);
}

static const char *parity_word(char parity)
{
    return parity == 'E' ? "even" : parity == 'O' ? "odd" : "none";
}

static void write_bus(const struct draft *d, FILE *to)
{
    const struct bus_config *bus = &d->bus;
    fprintf(to, "\nbuses:\n  - name: %s\n", bus->name);
    if (bus->kind == BUS_RTU) {
        fputs("    rtu:\n      device: ", to);
        quoted(to, bus->device);
        if (!strstr(bus->device, "/by-id/") && !strstr(bus->device, "/rs485/"))
            fputs("  # a name in /dev/serial/by-id or /dev/rs485 survives replugging", to);
        fprintf(to, "\n      baud: %" PRIu32 "\n      parity: %s\n      stop_bits: %u\n", bus->baud,
                parity_word(bus->parity), (unsigned)bus->stop_bits);
    } else {
        fputs("    tcp:\n      host: ", to);
        quoted(to, bus->host);
        fprintf(to, "\n      port: %u\n", (unsigned)bus->port);
        if (bus->framing == FRAMING_RTU)
            fputs("      framing: rtu  # RTU frames over TCP, as serial device servers pass on\n",
                  to);
    }
    fputs("    # timeout: 300ms  # of one exchange; slow devices want more\n", to);
}

static const char *kind_word(enum register_kind kind)
{
    static const char *const WORDS[] = { "", "holding", "input", "coil", "discrete" };
    return WORDS[kind];
}

static void write_point(const struct point_config *p, FILE *to)
{
    static const char *const TYPES[] = { "",       "bit",   "int16",  "uint16",  "int32",
                                         "uint32", "int64", "uint64", "float32", "float64" };
    static const char *const ORDERS[] = { "", "ABCD", "CDAB", "BADC", "DCBA" };
    fprintf(to, "      - {name: %s, kind: %s, address: %u", p->name, kind_word(p->kind),
            (unsigned)p->address);
    if (p->kind == REGISTER_HOLDING || p->kind == REGISTER_INPUT)
        fprintf(to, ", type: %s", TYPES[p->type]);
    if (value_registers(p->type) > 1)
        fprintf(to, ", order: %s", ORDERS[p->order]);
    if (p->scale < 1 || p->scale > 1)
        fprintf(to, ", scale: %.9g", p->scale);
    if (p->offset < 0 || p->offset > 0)
        fprintf(to, ", offset: %.9g", p->offset);
    if (p->unit[0]) {
        fputs(", unit: ", to);
        quoted(to, p->unit);
    }
    fputs("}\n", to);
}

static void write_device(const struct draft *d, const struct draft_unit *u, FILE *to)
{
    char name[MW_NAME_MAX + 1];
    draft_device_name(u, name);
    fprintf(to, "  - name: %s\n    bus: %s\n    unit: %u\n", name, d->bus.name, (unsigned)u->unit);
    if (u->profile[0]) {
        fprintf(to, "    profile: %s%s%s\n", u->profile, u->title[0] ? "  # " : "", u->title);
        if (u->variant[0])
            fprintf(to, "    variant: %s\n", u->variant);
        return;
    }
    fputs("    points:  # value = raw * scale + offset\n", to);
    for (size_t i = 0; i < u->n_points; i++)
        write_point(&u->points[i].point, to);
}

/* Commented out: somebody answers here who was left out, or of whom nothing more is known. */
static void write_unknown(const struct draft *d, const struct draft_unit *u, FILE *to)
{
    fprintf(
        to,
        "# Unit %u answers and is not used. With the registers of its manual (30101 is input 100 "
        "on the\n"
        "# wire; 'millwright probe' shows one decoded in every way), without the '#', and with a\n"
        "# machine below that has its points as channels, it is:\n"
        "#  - name: unit-%u\n"
        "#    bus: %s\n"
        "#    unit: %u\n"
        "#    points:\n"
        "#      - {name: vel_rms, kind: input, address: 100, type: float32, order: CDAB, unit: "
        "mm/s}\n",
        (unsigned)u->unit, (unsigned)u->unit, d->bus.name, (unsigned)u->unit);
}

static void write_devices(const struct draft *d, FILE *to)
{
    size_t n = 0;
    for (size_t u = 0; u < d->n_units; u++)
        n += d->units[u].machine[0] && d->units[u].n_points > 0;
    fprintf(to, "\n# Nothing is ever written to a device.\ndevices:%s\n",
            n ? "" : " []  # without [] once there is one");
    for (size_t u = 0; u < d->n_units; u++)
        if (d->units[u].machine[0] && d->units[u].n_points > 0)
            write_device(d, &d->units[u], to);
    for (size_t u = 0; u < d->n_units; u++)
        if (!d->units[u].machine[0] || d->units[u].n_points == 0)
            write_unknown(d, &d->units[u], to);
}

static void write_limits(const struct draft *d, const struct draft_point *p, FILE *to)
{
    double high = p->high, high_high = p->high_high;
    if (isnan(high) && isnan(high_high) && draft_is_velocity(&p->point)) {
        high = d->high;
        high_high = d->high_high;
    }
    if (isnan(high) && isnan(high_high))
        return;
    fputs(", limits: {", to);
    if (!isnan(high))
        fprintf(to, "high: %.9g, ", high);
    if (!isnan(high_high))
        fprintf(to, "high_high: %.9g, ", high_high);
    fputs("delay: 10s}", to);
}

struct channels {
    bool all_score; /* no point moves: what else there is is judged */
    size_t n;
};

static void write_channels(const struct draft *d, const struct draft_unit *u, struct channels *c,
                           FILE *to)
{
    for (size_t i = 0; i < u->n_points; i++) {
        const struct draft_point *p = &u->points[i];
        enum use use = use_of(u, &p->point);
        bool out = use == USE_OUT || c->n == MW_MAX_CHANNELS;
        fprintf(to, "    %s  - {point: %s%s%s", out ? "#" : "", u->role, u->role[0] ? "." : "",
                p->point.name);
        if (use == USE_CONTEXT && !c->all_score)
            fputs(", role: context", to);
        if (!out)
            write_limits(d, p, to);
        fputs("}\n", to);
        c->n += !out;
    }
}

static void write_machine(const struct draft *d, const struct draft_unit *first, FILE *to)
{
    char name[MW_NAME_MAX + 1];
    struct channels channels = { .all_score = count_use(d, first, USE_SCORE) == 0 };
    const char *head = "    devices:\n";
    fprintf(to, "  - name: %s\n    period: %" PRId64 "s\n", first->machine, d->period_us / 1000000);
    for (size_t u = 0; u < d->n_units; u++) {
        draft_device_name(&d->units[u], name);
        if (same_machine(&d->units[u], first) && !d->units[u].role[0])
            fprintf(to, "    device: %s\n", name);
    }
    for (size_t u = 0; u < d->n_units; u++) {
        if (!same_machine(&d->units[u], first) || !d->units[u].role[0])
            continue;
        draft_device_name(&d->units[u], name);
        fprintf(to, "%s      - {role: %s, device: %s}\n", head, d->units[u].role, name);
        head = "";
    }
    fputs("    channels:\n", to);
    for (size_t u = 0; u < d->n_units; u++)
        if (same_machine(&d->units[u], first))
            write_channels(d, &d->units[u], &channels, to);
}

static bool is_first(const struct draft *d, size_t index)
{
    for (size_t u = 0; u < index; u++)
        if (same_machine(&d->units[u], &d->units[index]))
            return false;
    return same_machine(&d->units[index], &d->units[index]);
}

static void write_machines(const struct draft *d, FILE *to)
{
    bool any = false;
    for (size_t u = 0; u < d->n_units; u++)
        any = any || is_first(d, u);
    fputs("\n# Limits are armed at once: high is a warning, high_high is critical, delay is how "
          "long the\n"
          "# value must be beyond, in mm/s, g, degC, A, whatever the sensor's unit is. Points "
          "without 'role: context' are also judged by the model,\n"
          "# once it has learned: let the machine run as it should, then 'millwright learn "
          "MACHINE'.\n",
          to);
    if (!isnan(d->high) || !isnan(d->high_high))
        fputs("# The limits of velocities are what you chose; zones of ISO 20816-3 depend on size\n"
              "# and foundation: compare with your edition of the standard and the machine's "
              "maker.\n",
              to);
    fprintf(to, "machines:%s\n", any ? "" : " []  # without [] once there is one");
    for (size_t u = 0; u < d->n_units; u++)
        if (is_first(d, u))
            write_machine(d, &d->units[u], to);
}

static void write_broker(const struct draft *d, FILE *to)
{
    const struct mqtt_config *m = &d->mqtt;
    fputs("\nmqtt:\n  uri: ", to);
    quoted(to, m->uri);
    fputs(m->uri[0] ? "\n" : "  # mqtt://HOST:1883 or mqtts://HOST:8883; empty: nothing leaves\n",
          to);
    if (m->ca_file[0]) {
        fputs("  ca_file: ", to);
        quoted(to, m->ca_file);
        putc('\n', to);
    }
    if (m->username[0]) {
        fputs("  username: ", to);
        quoted(to, m->username);
        fputs("\n  # The password's file, never the password: of user millwright, mode 0600, one "
              "line. Or a\n"
              "  # systemd credential: LoadCredential=mqtt:FILE in the unit, and here\n"
              "  # /run/credentials/millwrightd.service/mqtt\n"
              "  password_file: ",
              to);
        quoted(to, m->password_file);
        putc('\n', to);
    } else {
        fputs("  # username: NAME, and password_file: FILE of mode 0600, never the password "
              "itself\n",
              to);
    }
}

void draft_write(const struct draft *d, FILE *to)
{
    write_head(d, to);
    write_bus(d, to);
    write_devices(d, to);
    write_machines(d, to);
    write_broker(d, to);
    fputs("\n# store:  # history for 90 days in at most 256MiB below /var/lib/millwright\n", to);
}
