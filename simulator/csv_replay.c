/* SPDX-License-Identifier: Apache-2.0 */
#include "simulator/csv_replay.h"

#include "base/result.h"
#include "simulator/regular.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define UNIT 1

struct reader {
    FILE *file;
    char line[CSV_MAX_LINE];
    uint32_t n_lines;
    char separator[2];
    bool served[CSV_MAX_COLUMNS]; /* of the columns after the first */
    uint32_t n_file_columns;
    uint32_t capacity; /* rows */
};

static int fail(struct csv_fault *ret_why, int result, uint32_t line, const char *what,
                const char *text)
{
    ret_why->line = line;
    snprintf(ret_why->text, sizeof ret_why->text, "%s%s%.60s%s", what, text ? " '" : "",
             text ? text : "", text ? "'" : "");
    return result;
}

/* True where list, names with commas between, holds this name. */
static bool listed(const char *list, const char *name)
{
    size_t n = strlen(name);
    for (const char *at = list; at; at = strchr(at, ',')) {
        if (*at == ',')
            at++;
        if (strncmp(at, name, n) == 0 && (at[n] == ',' || at[n] == '\0'))
            return true;
    }
    return false;
}

/* One line without its end; MW_ERR_NOT_FOUND at the file's end. */
static int next_line(struct reader *r, struct csv_fault *ret_why)
{
    if (!fgets(r->line, sizeof r->line, r->file))
        return ferror(r->file) ? fail(ret_why, MW_ERR_IO, r->n_lines, "cannot be read", NULL)
                               : MW_ERR_NOT_FOUND;
    r->n_lines++;
    size_t n = strcspn(r->line, "\r\n");
    if (r->line[n] == '\0' && n == sizeof r->line - 1)
        return fail(ret_why, MW_ERR_TOO_BIG, r->n_lines, "the line is too long", NULL);
    r->line[n] = '\0';
    return MW_OK;
}

/* Cuts the next field off *at; NULL after the last. */
static char *cut(const struct reader *r, char **at)
{
    char *field = *at;
    if (!field)
        return NULL;
    char *end = strchr(field, r->separator[0]);
    if (end)
        *end = '\0';
    *at = end ? end + 1 : NULL;
    return field;
}

/* Every name that was asked for must be there. */
static int check_names(const char *list, const char *all, struct csv_fault *ret_why)
{
    char name[48];
    for (const char *at = list; at;) {
        size_t n = strcspn(at, ",");
        snprintf(name, sizeof name, "%.*s", (int)(n < sizeof name ? n : sizeof name - 1), at);
        if (!listed(all, name))
            return fail(ret_why, MW_ERR_INVALID, 0, "there is no column", name);
        at = at[n] ? at + n + 1 : NULL;
    }
    return MW_OK;
}

static int read_head(struct csv_replay *replay, struct reader *r, const struct csv_choice *choice,
                     struct csv_fault *ret_why)
{
    char all[CSV_MAX_LINE] = "";
    int result = next_line(r, ret_why);
    if (result != MW_OK)
        return result == MW_ERR_NOT_FOUND ? fail(ret_why, MW_ERR_FORMAT, 1, "is empty", NULL)
                                          : result;
    r->separator[0] = strchr(r->line, ';') ? ';' : ',';
    char *at = r->line;
    cut(r, &at);
    for (char *name; (name = cut(r, &at));) {
        if (r->n_file_columns == CSV_MAX_COLUMNS)
            return fail(ret_why, MW_ERR_TOO_BIG, 1, "more than 64 columns", NULL);
        bool take = !(choice->only && !listed(choice->only, name)) &&
                    !(choice->ignore && listed(choice->ignore, name));
        size_t n = strlen(all);
        snprintf(all + n, sizeof all - n, "%s%s", n ? "," : "", name);
        r->served[r->n_file_columns++] = take;
        if (take)
            snprintf(replay->names[replay->n_columns++], sizeof replay->names[0], "%s", name);
    }
    result = check_names(choice->only, all, ret_why);
    if (result == MW_OK)
        result = check_names(choice->ignore, all, ret_why);
    if (result == MW_OK && replay->n_columns == 0)
        return fail(ret_why, MW_ERR_INVALID, 1, "no column is left to serve", NULL);
    return result;
}

static int make_room(struct csv_replay *replay, struct reader *r)
{
    if (replay->n_rows < r->capacity)
        return MW_OK;
    uint32_t capacity = r->capacity ? 2 * r->capacity : 1024;
    float *values = realloc(replay->values, (size_t)capacity * replay->n_columns * sizeof *values);
    if (!values)
        return MW_ERR_NO_MEMORY;
    replay->values = values;
    r->capacity = capacity;
    return MW_OK;
}

static int read_row(struct csv_replay *replay, struct reader *r, struct csv_fault *ret_why)
{
    float *row = &replay->values[(size_t)replay->n_rows * replay->n_columns];
    char *at = r->line;
    uint32_t n = 0, k = 0;
    cut(r, &at);
    for (char *field; n < r->n_file_columns && (field = cut(r, &at)); n++) {
        char *end;
        if (!r->served[n])
            continue;
        row[k++] = strtof(field, &end);
        if (end == field || *end != '\0')
            return fail(ret_why, MW_ERR_FORMAT, r->n_lines, "not a number:", field);
    }
    if (n != r->n_file_columns || at)
        return fail(ret_why, MW_ERR_FORMAT, r->n_lines, "another number of columns than the head",
                    NULL);
    replay->n_rows++;
    return MW_OK;
}

static int read_rows(struct csv_replay *replay, struct reader *r, const struct csv_choice *choice,
                     struct csv_fault *ret_why)
{
    int result;
    uint32_t number = 0;
    for (; (result = next_line(r, ret_why)) == MW_OK; number++) {
        bool chosen = number >= choice->from_row && (!choice->to_row || number < choice->to_row);
        if (!chosen || r->line[0] == '\0')
            continue;
        if (replay->n_rows == CSV_MAX_ROWS)
            return fail(ret_why, MW_ERR_TOO_BIG, r->n_lines, "too many rows", NULL);
        if (make_room(replay, r) != MW_OK)
            return fail(ret_why, MW_ERR_NO_MEMORY, r->n_lines, "not enough memory", NULL);
        result = read_row(replay, r, ret_why);
        if (result != MW_OK)
            return result;
    }
    if (result != MW_ERR_NOT_FOUND)
        return result;
    if (replay->n_rows == 0 || number < choice->to_row)
        return fail(ret_why, MW_ERR_INVALID, 0, "the file does not have these rows", NULL);
    return MW_OK;
}

int csv_replay_init(struct csv_replay *replay, const char *path, const struct csv_choice *choice,
                    struct csv_fault *ret_why)
{
    struct csv_replay made = { .first_row = choice->from_row };
    struct reader reader = { .file = regular_open(path) };
    if (!reader.file)
        return fail(ret_why, MW_ERR_NOT_FOUND, 0, "cannot be opened, or is no regular file", NULL);
    int result = read_head(&made, &reader, choice, ret_why);
    if (result == MW_OK)
        result = read_rows(&made, &reader, choice, ret_why);
    fclose(reader.file);
    if (result == MW_OK)
        *replay = made;
    else
        free(made.values);
    return result;
}

void csv_replay_finish(struct csv_replay *replay)
{
    if (!replay)
        return;
    free(replay->values);
    replay->values = NULL;
    replay->n_rows = 0;
}

static bool answers(void *ctx, uint8_t unit)
{
    (void)ctx;
    return unit == UNIT;
}

static bool has_table(void *ctx, uint8_t unit, enum table table)
{
    (void)ctx;
    (void)unit;
    return table == TABLE_HOLDING;
}

static int read_row_registers(void *ctx, const struct pdu_read *read, uint16_t *ret_words)
{
    const struct csv_replay *replay = ctx;
    const struct cell as_float = { .type = CELL_FLOAT32, .order = CELL_ABCD, .scale = 1 };
    if ((uint32_t)read->address + read->count > 2 * replay->n_columns)
        return MW_ERR_NOT_FOUND;
    if (replay->row == replay->n_rows)
        return MW_ERR_AGAIN;
    const float *row = &replay->values[(size_t)replay->row * replay->n_columns];
    for (uint32_t i = 0; i < read->count; i++) {
        uint16_t words[2];
        uint32_t at = read->address + i;
        cell_encode(&as_float, (double)row[at / 2], words);
        ret_words[i] = words[at % 2];
    }
    return (int)replay->row;
}

/* Two masters may have been given the same row: only the first of them moves it on. */
static void answered(void *ctx, const struct pdu_read *read, int token, int64_t now_us)
{
    struct csv_replay *replay = ctx;
    bool completes = (uint32_t)read->address + read->count == 2 * replay->n_columns;
    if (!completes || token != (int)replay->row)
        return;
    if (replay->served)
        replay->served(replay->served_ctx, replay->first_row + replay->row, now_us);
    replay->n_served++;
    replay->row++;
    if (replay->loop && replay->row == replay->n_rows)
        replay->row = 0;
}

struct pdu_bank csv_replay_bank(struct csv_replay *replay)
{
    return (struct pdu_bank){ .answers = answers,
                              .has_table = has_table,
                              .read = read_row_registers,
                              .answered = answered,
                              .ctx = replay };
}
