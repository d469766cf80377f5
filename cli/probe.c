/* SPDX-License-Identifier: Apache-2.0 */
/* millwright probe: registers of one device, read once and decoded in every way there is, so that a
 * person with the value on a display finds type and order. */
#include "base/result.h"
#include "cli/known.h"
#include "cli/reach.h"
#include "cli/verbs.h"
#include "fieldbus/decode.h"
#include "fieldbus/trace.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#define DEFAULT_COUNT 4 /* a float64 */
#define SMALLEST      1e-6
#define LARGEST       1e7

static const char USAGE[] =
    "usage: millwright probe BUS UNIT REG [COUNT] --config FILE [options]\n"
    "       millwright probe UNIT REG [COUNT] --rtu DEVICE | --tcp HOST[:PORT] [options]\n\n"
    "Reads COUNT (1 to 125, default 4) registers from the zero-based address REG of one device,\n"
    "once, and decodes them in every way: 16, 32 and 64 bits, every order, text. What a sensor\n"
    "may well have measured is marked with *. Profiles that have a point there are named. Nothing\n"
    "is ever written.\n\n"
    "  --kind KIND     holding (default), input, coil, discrete\n"
    "  --json          as one JSON object\n"
    "  --profiles DIR  instead of " MW_PROFILE_DIR "\n\n" REACH_USAGE
    "\nExit status: 0 read, 64 usage, 66 no such file or bus, 69 no answer or no connection,\n"
    "75 the port is another's, 76 the device refused or spoke nonsense, 77 no permission,\n"
    "78 the configuration is wrong.\n";

struct options {
    struct reach_options reach;
    struct line_request request;
    bool json;
};

static const char *const KINDS[] = { "", "holding", "input", "coil", "discrete" };
static const char *const TYPES[] = { "none",   "bit",   "int16",  "uint16",  "int32",
                                     "uint32", "int64", "uint64", "float32", "float64" };
static const char *const ORDERS[] = { "", "ABCD", "CDAB", "BADC", "DCBA" };

static bool is_bits(const struct options *o)
{
    return o->request.kind == REGISTER_COIL || o->request.kind == REGISTER_DISCRETE;
}

/* ---- decodings ---- */

/* In double: a whole 64-bit number need not be exact to be recognised. */
static bool decode(const uint16_t *registers, enum value_type type, enum word_order order,
                   double *ret_value)
{
    struct point_config point = {
        .kind = REGISTER_HOLDING, .type = type, .order = order, .bit = -1, .scale = 1
    };
    float value = 0;
    if (decode_point(&point, registers, &value) != MW_QUALITY_GOOD)
        return false;
    *ret_value = (double)value;
    return true;
}

/* Zero, and all ones or the sign alone, say nothing; a float has a size that people use. */
static bool is_plausible(const uint16_t *registers, enum value_type type, double value)
{
    bool floats = type == VALUE_FLOAT32 || type == VALUE_FLOAT64;
    uint16_t n = value_registers(type);
    bool same = true;
    for (uint16_t i = 1; i < n; i++)
        same = same && registers[i] == registers[0];
    if (fpclassify(value) == FP_ZERO)
        return false;
    if (n == 1 && (registers[0] == 0xFFFF || registers[0] == 0x8000 || registers[0] == 0x7FFF))
        return false;
    if (n > 1 && same && (registers[0] == 0xFFFF || registers[0] == 0))
        return false;
    return fabs(value) <= LARGEST && (!floats || fabs(value) >= SMALLEST);
}

struct decoding {
    uint16_t address;
    enum value_type type;
    enum word_order order;
    double value;
    bool plausible;
};

/* All of one address; the count. */
static size_t decode_all(const uint16_t *registers, uint16_t n, struct decoding *ret, size_t cap)
{
    size_t found = 0;
    for (int type = VALUE_INT16; type <= VALUE_FLOAT64; type++) {
        int orders = value_registers((enum value_type)type) == 1 ? ORDER_ABCD : ORDER_DCBA;
        for (int order = ORDER_ABCD; order <= orders && found < cap; order++) {
            struct decoding *d = &ret[found];
            *d =
                (struct decoding){ .type = (enum value_type)type, .order = (enum word_order)order };
            if (value_registers(d->type) > n || !decode(registers, d->type, d->order, &d->value))
                continue;
            d->plausible = is_plausible(registers, d->type, d->value);
            found++;
        }
    }
    return found;
}

#define MAX_DECODINGS 32

static void text_of(const uint16_t *registers, uint16_t n, bool swapped, char *ret_text)
{
    for (uint16_t i = 0; i < n; i++) {
        unsigned char high = (unsigned char)(registers[i] >> 8);
        unsigned char low = (unsigned char)(registers[i] & 0xff);
        ret_text[2 * i] = (char)(swapped ? low : high);
        ret_text[2 * i + 1] = (char)(swapped ? high : low);
    }
    for (uint16_t i = 0; i < 2 * n; i++)
        if (!isprint((unsigned char)ret_text[i]))
            ret_text[i] = '.';
    ret_text[2 * n] = 0;
}

/* ---- in words ---- */

static void print_decodings(const struct guest_answer *a, uint16_t at, uint16_t address)
{
    struct decoding list[MAX_DECODINGS];
    size_t n = decode_all(a->registers + at, (uint16_t)(a->count - at), list, MAX_DECODINGS);
    enum value_type last = VALUE_NONE;
    printf("\n%u:\n", (unsigned)address);
    for (size_t i = 0; i < n; i++) {
        bool wide = value_registers(list[i].type) > 1;
        if (list[i].type != last)
            printf("%s  %-8s", i ? "\n" : "", TYPES[list[i].type]);
        printf("  %s %14.7g%c", wide ? ORDERS[list[i].order] : "    ", list[i].value,
               list[i].plausible ? '*' : ' ');
        last = list[i].type;
    }
    putchar('\n');
}

static void print_words(const struct options *o, const struct guest_answer *a)
{
    char text[2 * GUEST_MAX_COUNT + 1];
    printf("unit %u, %s %u, %u %s, answered within %.1f ms\n", (unsigned)o->request.unit,
           KINDS[o->request.kind], (unsigned)o->request.address, (unsigned)a->count,
           is_bits(o) ? "bits" : "registers", (double)a->took_us / 1000);
    for (uint16_t i = 0; i < a->count; i++)
        if (is_bits(o))
            printf("%s%u", i % 8 == 0 ? " " : "", (unsigned)a->registers[i]);
        else
            printf("%s%04x", i % 16 == 0 && i ? "\n" : i ? " " : "", (unsigned)a->registers[i]);
    putchar('\n');
    if (is_bits(o))
        return;
    text_of(a->registers, a->count, false, text);
    printf("text \"%s\"", text);
    text_of(a->registers, a->count, true, text);
    printf("  bytes swapped \"%s\"\n", text);
    for (uint16_t i = 0; i < a->count; i++)
        print_decodings(a, i, (uint16_t)(o->request.address + i));
}

/* ---- profiles ---- */

/* Each point that lies whole within what was read: called with its profile and value. */
static void each_point(const struct known *known, const struct options *o,
                       const struct guest_answer *a,
                       void (*found)(void *ctx, const char *profile,
                                     const struct point_config *point, bool good, double value),
                       void *ctx)
{
    for (size_t p = 0; p < known->n; p++) {
        const struct config *config = known->profiles[p].config;
        for (size_t i = 0; i < config->n_points; i++) {
            const struct point_config *point = &config->points[i];
            uint32_t end = point->address + (uint32_t)value_registers(point->type);
            float value = 0;
            if (point->kind != o->request.kind || point->address < o->request.address ||
                end > (uint32_t)o->request.address + a->count)
                continue;
            bool good = decode_point(point, a->registers + (point->address - o->request.address),
                                     &value) == MW_QUALITY_GOOD;
            found(ctx, known->profiles[p].name, point, good, (double)value);
        }
    }
}

static void print_point(void *ctx, const char *profile, const struct point_config *point, bool good,
                        double value)
{
    bool *any = ctx;
    if (!*any)
        puts("\nProfiles with points there:");
    *any = true;
    printf("  %-28s %-20s %5u  ", profile, point->name, (unsigned)point->address);
    if (good)
        printf("%g %s%s\n", value, point->unit, known_plausible(point->unit, value) ? "*" : "");
    else
        puts("no value: a sentinel, or out of range");
}

static void add_point(void *ctx, const char *profile, const struct point_config *point, bool good,
                      double value)
{
    json_array_append_new(ctx, json_pack("{ss ss si so ss sb}", "profile", profile, "point",
                                         point->name, "address", (int)point->address, "value",
                                         good ? json_real(value) : json_null(), "unit", point->unit,
                                         "plausible", good && known_plausible(point->unit, value)));
}

static int print_json(const struct options *o, const struct known *known,
                      const struct guest_answer *a)
{
    struct decoding list[MAX_DECODINGS];
    char text[2 * GUEST_MAX_COUNT + 1] = "";
    json_t *registers = json_array(), *decodings = json_array(), *points = json_array();
    for (uint16_t i = 0; i < a->count; i++) {
        json_array_append_new(registers, json_integer(a->registers[i]));
        size_t n = is_bits(o) ? 0
                              : decode_all(a->registers + i, (uint16_t)(a->count - i), list,
                                           MAX_DECODINGS);
        for (size_t d = 0; d < n; d++)
            json_array_append_new(
                decodings, json_pack("{si ss ss sf sb}", "address", (int)o->request.address + i,
                                     "type", TYPES[list[d].type], "order", ORDERS[list[d].order],
                                     "value", list[d].value, "plausible", (int)list[d].plausible));
    }
    if (!is_bits(o))
        text_of(a->registers, a->count, false, text);
    each_point(known, o, a, add_point, points);
    json_t *root = json_pack("{si ss si si sI so ss so so}", "unit", (int)o->request.unit, "kind",
                             KINDS[o->request.kind], "address", (int)o->request.address, "count",
                             (int)a->count, "took_us", (json_int_t)a->took_us, "registers",
                             registers, "text", text, "decodings", decodings, "profiles", points);
    if (!root)
        return EX_OSERR;
    json_dumpf(root, stdout, JSON_COMPACT);
    putchar('\n');
    json_decref(root);
    return EX_OK;
}

/* ---- the verb ---- */

static const char *exception_text(uint8_t code)
{
    /* Modbus Application Protocol V1.1b3, section 7 */
    static const char *const WORDS[] = {
        "",
        "the function is not known to the device",
        "the device has no such address",
        "the device does not take this count",
        "the device failed",
        "acknowledged; it needs time",
        "the device is busy",
        "not acknowledged",
        "a memory parity error",
        "",
        "the gateway has no path to it",
        "the device behind the gateway does not answer",
    };
    return code < sizeof WORDS / sizeof WORDS[0] ? WORDS[code] : "";
}

static int say_failure(const struct options *o, const struct guest_answer *a)
{
    if (a->result == MW_ERR_REFUSED) {
        fprintf(stderr, "millwright: unit %u answered with exception %u: %s\n",
                (unsigned)o->request.unit, (unsigned)a->exception, exception_text(a->exception));
        return EX_PROTOCOL;
    }
    fprintf(stderr, "millwright: unit %u: %s\n", (unsigned)o->request.unit,
            mw_result_text(a->result));
    return a->result == MW_ERR_TIMEOUT ? EX_UNAVAILABLE : EX_PROTOCOL;
}

static int probe(const struct options *o)
{
    struct reach reach;
    struct guest_answer answer;
    int status = reach_open(&reach, &o->reach);
    if (status != EX_OK)
        return status;
    if (reach.bus.kind == BUS_RTU && (o->request.unit < 1 || o->request.unit > 247)) {
        fputs("millwright: a serial line's units are 1 to 247\n", stderr);
        status = EX_USAGE;
    }
    if (status == EX_OK)
        status = reach_read(&reach, &o->request, &answer);
    reach_close(&reach);
    if (status != EX_OK)
        return status;
    if (answer.result != MW_OK)
        return say_failure(o, &answer);
    struct known *known = malloc(sizeof *known);
    if (!known)
        return EX_OSERR;
    bool any = false;
    known_load(known, o->reach.profiles);
    if (o->json) {
        status = print_json(o, known, &answer);
    } else {
        print_words(o, &answer);
        each_point(known, o, &answer, print_point, &any);
    }
    known_free(known);
    free(known);
    return status;
}

static bool whole(const char *text, unsigned long min, unsigned long max, const char *what,
                  unsigned long *ret_value)
{
    char *end = NULL;
    errno = 0;
    *ret_value = text ? strtoul(text, &end, 0) : 0;
    bool good = text && isdigit((unsigned char)*text) && *end == 0 && errno == 0 &&
                *ret_value >= min && *ret_value <= max;
    if (!good)
        fprintf(stderr, "millwright: '%s' is no %s; that is a number from %lu to %lu\n",
                text ? text : "", what, min, max);
    return good;
}

static bool parse_request(struct options *o, int n, char **words)
{
    unsigned long unit, address, count = DEFAULT_COUNT;
    int first = o->reach.config_file ? 1 : 0;
    if (n < first + 2 || n > first + 3) {
        fputs(USAGE, stderr);
        return false;
    }
    if (first)
        o->reach.bus = words[0];
    if (!whole(words[first], 0, 255, "unit", &unit) ||
        !whole(words[first + 1], 0, 65535, "register's address", &address) ||
        (n == first + 3 && !whole(words[first + 2], 1, GUEST_MAX_COUNT, "count", &count)))
        return false;
    if (address + count > 65536)
        count = 65536 - address;
    o->request.unit = (uint8_t)unit;
    o->request.address = (uint16_t)address;
    o->request.count = (uint16_t)count;
    return true;
}

static bool take_kind(struct options *o, const char *word)
{
    for (int kind = REGISTER_HOLDING; kind <= REGISTER_DISCRETE; kind++)
        if (strcmp(word, KINDS[kind]) == 0) {
            o->request.kind = (enum register_kind)kind;
            return true;
        }
    fprintf(stderr, "millwright: '%s' is no kind: holding, input, coil, discrete\n", word);
    return false;
}

int verb_probe(int argc, char **argv)
{
    static const struct option OPTIONS[] = { REACH_LONG_OPTIONS,
                                             { "kind", required_argument, NULL, 'k' },
                                             { "json", no_argument, NULL, 'j' },
                                             { "help", no_argument, NULL, 'h' },
                                             { 0 } };
    struct options options = { .request.kind = REGISTER_HOLDING, .reach.profiles = MW_PROFILE_DIR };
    int index = 0;
    optind = 1;
    for (int o; (o = getopt_long(argc, argv, "h", OPTIONS, &index)) != -1;) {
        bool good = true;
        switch (o) {
        case 'h': fputs(USAGE, stdout); return EX_OK;
        case 'j': options.json = true; break;
        case 'k': good = take_kind(&options, optarg); break;
        case REACH_OPTION: good = reach_option(&options.reach, OPTIONS[index].name, optarg); break;
        default: fputs(USAGE, stderr); return EX_USAGE;
        }
        if (!good)
            return EX_USAGE;
    }
    if (!parse_request(&options, argc - optind, argv + optind))
        return EX_USAGE;
    return probe(&options);
}
