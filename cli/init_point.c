/* SPDX-License-Identifier: Apache-2.0 */
/* One line of a register list, as a person types it from a manual. */
#include "base/result.h"
#include "cli/init_draft.h"
#include "config/unit.h"
#include "config/value.h"

#include <ctype.h>
#include <math.h>
#include <string.h>

#define MAX_WORDS  12
#define MAX_LETTER 255

static const struct value_word KINDS[] = {
    { "holding", REGISTER_HOLDING },
    { "input", REGISTER_INPUT },
    { "coil", REGISTER_COIL },
    { "discrete", REGISTER_DISCRETE },
};
static const struct value_word TYPES[] = {
    { "int16", VALUE_INT16 },     { "uint16", VALUE_UINT16 },   { "int32", VALUE_INT32 },
    { "uint32", VALUE_UINT32 },   { "int64", VALUE_INT64 },     { "uint64", VALUE_UINT64 },
    { "float32", VALUE_FLOAT32 }, { "float64", VALUE_FLOAT64 }, { "bit", VALUE_BIT },
};
static const struct value_word ORDERS[] = {
    { "ABCD", ORDER_ABCD }, { "CDAB", ORDER_CDAB }, { "BADC", ORDER_BADC }, { "DCBA", ORDER_DCBA }
};
#define COUNT(array) (sizeof(array) / sizeof(array)[0])

struct reading {
    struct draft_point line;
    bool ordered;
    char *rule;
};

static bool refuse(struct reading *r, const char *word, const char *rule)
{
    snprintf(r->rule, 160, "'%.60s' %.90s", word, rule);
    return false;
}

static size_t split(char *text, char **ret_words)
{
    size_t n = 0;
    for (char *at = text; *at && n < MAX_WORDS; n++) {
        while (isspace((unsigned char)*at))
            at++;
        if (!*at)
            break;
        ret_words[n] = at;
        while (*at && !isspace((unsigned char)*at))
            at++;
        if (*at)
            *at++ = 0;
    }
    return n;
}

static bool take_unit(struct reading *r, const char *text)
{
    const char *meant = unit_meant(text);
    size_t n = strlen(text);
    if (n == 0 || n > MW_UNIT_MAX || strpbrk(text, "\"\\"))
        return refuse(r, text, "is no unit of 1 to 11 characters");
    for (size_t i = 0; i < n; i++)
        if (text[i] < 0x21 || text[i] > 0x7e)
            return refuse(r, text, "is a unit of other than plain characters");
    if (meant)
        return refuse(r, text, "differs from a known unit in its capitals; see docs/PROFILES.md");
    memcpy(r->line.point.unit, text, n + 1);
    return true;
}

/* key=value */
static bool take_pair(struct reading *r, const char *word)
{
    struct {
        const char *key;
        double *value;
    } const NUMBERS[] = { { "scale=", &r->line.point.scale },
                          { "offset=", &r->line.point.offset },
                          { "high=", &r->line.high },
                          { "high_high=", &r->line.high_high } };
    if (strncmp(word, "unit=", 5) == 0)
        return take_unit(r, word + 5);
    for (size_t i = 0; i < COUNT(NUMBERS); i++) {
        size_t n = strlen(NUMBERS[i].key);
        if (strncmp(word, NUMBERS[i].key, n) == 0) {
            const char *rule = value_number(word + n, NUMBERS[i].value);
            return rule ? refuse(r, word + n, rule) : true;
        }
    }
    return refuse(r, word, "is neither an order nor unit=, scale=, offset=, high= or high_high=");
}

static bool take_rest(struct reading *r, char **words, size_t n)
{
    int order = ORDER_NONE;
    for (size_t i = 0; i < n; i++) {
        if (value_choose(words[i], ORDERS, COUNT(ORDERS), &order)) {
            r->line.point.order = (enum word_order)order;
            r->ordered = true;
        } else if (!take_pair(r, words[i])) {
            return false;
        }
    }
    return true;
}

static bool take_head(struct reading *r, char **words)
{
    struct point_config *point = &r->line.point;
    uint64_t address = 0;
    int kind = 0, type = 0;
    const char *rule = value_name(words[0]);
    if (rule)
        return refuse(r, words[0], rule);
    if (!value_choose(words[1], KINDS, COUNT(KINDS), &kind))
        return refuse(r, words[1], "is no kind: holding, input, coil, discrete");
    rule = value_whole(words[2], &address);
    if (rule)
        return refuse(r, words[2], rule);
    if (address > UINT16_MAX)
        return refuse(r, words[2], "is no address on the wire, 0 to 65535");
    if (!value_choose(words[3], TYPES, COUNT(TYPES), &type))
        return refuse(r, words[3], "is no type: int16 uint16 int32 ... float32 float64 bit");
    snprintf(point->name, sizeof point->name, "%s", words[0]);
    point->kind = (enum register_kind)kind;
    point->address = (uint16_t)address;
    point->type = (enum value_type)type;
    return true;
}

static void note_complaint(void *ctx, const struct mw_complaint *c)
{
    struct reading *r = ctx;
    if (!r->rule[0])
        snprintf(r->rule, 160, "%.30s: %.30s %.90s", c->setting, c->value ? c->value : "", c->rule);
}

static bool settle(struct reading *r)
{
    const struct mw_complaints to = { note_complaint, r };
    if (fpclassify(r->line.point.scale) == FP_ZERO)
        return refuse(r, "scale=0", "makes every value the same");
    if (r->line.high_high <= r->line.high)
        return refuse(r, "high_high", "is not above high");
    const struct unit *unit = unit_find(r->line.point.unit);
    if (unit) { /* limits are of the unit inside, in the configuration */
        r->line.high = r->line.high * unit->factor + unit->offset;
        r->line.high_high = r->line.high_high * unit->factor + unit->offset;
    }
    return point_settle(&r->line.point, &to) == MW_OK;
}

const char *draft_point_parse(const char *text, struct draft_point *ret_point, bool *ret_ordered,
                              char rule[160])
{
    char copy[MAX_LETTER + 1];
    char *words[MAX_WORDS];
    struct reading r = { .line = { .point = { .scale = 1, .bit = -1 },
                                   .high = DRAFT_NO_LIMIT,
                                   .high_high = DRAFT_NO_LIMIT },
                         .rule = rule };
    rule[0] = 0;
    if (strlen(text) > MAX_LETTER)
        return "a point is at most 255 characters";
    memcpy(copy, text, strlen(text) + 1);
    size_t n = split(copy, words);
    if (n < 4)
        return "a point is NAME KIND ADDRESS TYPE, such as: vel_rms input 100 float32";
    if (!take_head(&r, words) || !take_rest(&r, words + 4, n - 4) || !settle(&r))
        return rule;
    *ret_ordered = r.ordered || value_registers(r.line.point.type) == 1;
    *ret_point = r.line;
    return NULL;
}
