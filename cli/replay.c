/* SPDX-License-Identifier: Apache-2.0 */
/* millwright replay: judges a recorded table row by row, with the code that judges live. */
#include "base/alert.h"
#include "base/result.h"
#include "cli/file.h"
#include "cli/replay_trace.h"
#include "cli/verbs.h"
#include "inference/score.h"
#include "training/csv.h"
#include "training/job.h"
#include "training/outfile.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

static const char HELP[] =
    "usage: millwright replay --model MODEL.tflite --csv FILE --out VERDICTS.csv [OPTIONS]\n"
    "       millwright replay --trace FILE --config FILE [--out FILE]\n"
    "\n"
    "Judges each row of a recorded table with the model detector and writes one row for each:\n"
    "datetime;prediction;score;state;top_channel. prediction is 1 while the detector is in\n"
    "alarm; score 1.0 is the threshold.\n"
    "\n"
    "  --model MODEL.tflite   as 'millwright train' wrote it\n"
    "  --csv FILE             its columns are matched to the model's channels by name\n"
    "  --out VERDICTS.csv     replaced when complete\n"
    "  --reanchor auto|never  whether a new level is accepted by itself; default never, as in\n"
    "                         operation, where a person does that\n"
    "  --ignore COL,...       columns that are no sensor of the machine\n"
    "  --from N               judge from row N on, counted from 0; default: the number of rows\n"
    "                         the model was trained on. Rows before it fill the window only\n"
    "\n"
    "With --trace a recording of buses is polled and decoded again: 'replay --trace x --help'.\n";

struct arguments {
    const char *model, *csv, *out;
    const char *ignored[CSV_MAX_COLUMNS];
    uint32_t n_ignored;
    uint64_t from;
    bool has_from, reanchor, help;
};

/* A model file in memory, ready to judge. */
struct loaded {
    uint8_t *bytes;
    size_t n_bytes;
    void *memory;
    struct mw_model model;
    struct mw_card card;
};

/* The verdicts, as they grow. */
struct text {
    char *at;
    size_t n, cap;
};

static int usage(const char *what, const char *value)
{
    fprintf(stderr, "millwright replay: %s%s%s\n'millwright replay --help' says more.\n", what,
            value ? " " : "", value ? value : "");
    return EX_USAGE;
}

/* An option that does not exist or has no value, or whose value is not possible. */
static int refuse(const char *option, const char *value)
{
    const char *rule = strcmp(option, "--from") == 0       ? "is not in 0 to 1000000"
                       : strcmp(option, "--reanchor") == 0 ? "is neither auto nor never"
                       : strcmp(option, "--ignore") == 0
                           ? "is not a list of at most 64 names with commas between them"
                           : "is empty";
    if (!value)
        return usage("no such option, or no value after it:", option);
    fprintf(stderr, "millwright replay: %s %s %s\n'millwright replay --help' says more.\n", option,
            value, rule);
    return EX_USAGE;
}

static bool take(struct arguments *a, const char *option, char *value, bool *ret_known)
{
    *ret_known = true;
    if (strcmp(option, "--model") == 0)
        return *(a->model = value) != '\0';
    if (strcmp(option, "--csv") == 0)
        return *(a->csv = value) != '\0';
    if (strcmp(option, "--out") == 0)
        return *(a->out = value) != '\0';
    if (strcmp(option, "--from") == 0)
        return a->has_from = job_parse_number(value, CSV_MAX_ROWS, &a->from);
    if (strcmp(option, "--reanchor") == 0) {
        a->reanchor = strcmp(value, "auto") == 0;
        return a->reanchor || strcmp(value, "never") == 0;
    }
    if (strcmp(option, "--ignore") == 0) {
        int n = job_split(value, a->ignored, CSV_MAX_COLUMNS);
        a->n_ignored = n > 0 ? (uint32_t)n : 0;
        return n >= 0;
    }
    *ret_known = false;
    return false;
}

static int parse(int argc, char **argv, struct arguments *a)
{
    for (int i = 1; i < argc; i++) {
        bool known = false;
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            a->help = true;
        else if (i + 1 < argc && take(a, argv[i], argv[i + 1], &known))
            i++;
        else
            return refuse(argv[i], known ? argv[i + 1] : NULL);
    }
    if (!a->help && (!a->model || !a->csv || !a->out))
        return usage("--model, --csv and --out are needed", NULL);
    return EX_OK;
}

static int fail(int status, const char *path, const char *why)
{
    fprintf(stderr, "millwright replay: %s: %s\n", path, why);
    return status;
}

static int load(const char *path, struct loaded *m)
{
    struct mw_model_fault why;
    size_t memory_bytes = 0;
    int status = file_load(path, MW_MODEL_MAX_BYTES, &m->bytes, &m->n_bytes);
    if (status != EX_OK)
        return status;
    if (mw_model_measure(m->bytes, m->n_bytes, &memory_bytes, &why) < 0)
        return fail(EX_DATAERR, path, why.text);
    m->memory = malloc(memory_bytes ? memory_bytes : 1);
    if (!m->memory)
        return fail(EX_OSERR, path, strerror(ENOMEM));
    if (mw_model_init(&m->model, m->bytes, m->n_bytes, MW_ROUNDING_DOUBLE, m->memory, memory_bytes,
                      &why) < 0)
        return fail(EX_DATAERR, path, why.text);
    if (!m->model.card)
        return fail(EX_DATAERR, path, "holds no detector card");
    if (mw_card_read(&m->card, m->model.card, m->model.n_card_bytes, &why) < 0)
        return fail(EX_DATAERR, path, why.text);
    return EX_OK;
}

static void unload(struct loaded *m)
{
    free(m->bytes);
    free(m->memory);
}

static bool is_channel(const struct mw_card *card, const char *name)
{
    for (uint32_t c = 0; c < card->n_channels; c++)
        if (strcmp(card->channels[c].name, name) == 0)
            return true;
    return false;
}

static bool is_ignored(const struct arguments *a, const char *name)
{
    for (uint32_t i = 0; i < a->n_ignored; i++)
        if (strcmp(a->ignored[i], name) == 0)
            return true;
    return false;
}

/* Every channel has its column, and every column is a channel or named as none. */
static int match(const struct arguments *a, const struct mw_card *card, const struct csv *table,
                 struct csv_frames *frames)
{
    for (uint32_t i = 0; i < a->n_ignored; i++)
        if (csv_column(table, a->ignored[i]) < 0) {
            fprintf(stderr, "millwright replay: %s: there is no column '%.64s' to ignore\n", a->csv,
                    a->ignored[i]);
            return EX_DATAERR;
        }
    for (uint32_t c = 0; c < card->n_channels; c++) {
        int column = csv_column(table, card->channels[c].name);
        if (column < 0 || is_ignored(a, card->channels[c].name)) {
            fprintf(stderr, "millwright replay: %s: the model's channel '%s' is missing\n", a->csv,
                    card->channels[c].name);
            return EX_DATAERR;
        }
        frames->columns[c] = (uint32_t)column;
    }
    for (uint32_t column = 0; column < table->n_columns; column++)
        if (!is_channel(card, table->names[column]) && !is_ignored(a, table->names[column])) {
            fprintf(stderr,
                    "millwright replay: %s: the model has no channel '%s'; if it is no sensor, "
                    "say --ignore\n",
                    a->csv, table->names[column]);
            return EX_DATAERR;
        }
    frames->n_channels = card->n_channels;
    frames->csv = table;
    frames->end = table->n_rows;
    return EX_OK;
}

static bool append(struct text *t, const char *line, size_t n)
{
    if (t->n + n > t->cap) {
        size_t cap = 2 * (t->n + n) + 4096;
        char *grown = realloc(t->at, cap);
        if (!grown)
            return false;
        t->at = grown;
        t->cap = cap;
    }
    memcpy(t->at + t->n, line, n);
    t->n += n;
    return true;
}

/* While the detector holds, its last decision stands. */
static bool add_verdict(struct text *t, const char *stamp, const struct mw_score *score,
                        const struct mw_score_result *result)
{
    char line[256];
    bool alarm = result->state == MW_MODEL_ALARM ||
                 (result->state == MW_MODEL_HOLD && score->state == MW_MODEL_ALARM);
    int n = snprintf(line, sizeof line, "%s;%d;%.6f;%s;%s\n", stamp, alarm, (double)result->score,
                     mw_model_state_text(result->state),
                     result->judged ? score->card.channels[result->top_channel].name : "");
    return append(t, line, (size_t)n);
}

static bool judge(const struct arguments *a, struct mw_score *score, struct csv_frames *frames,
                  struct text *verdicts)
{
    static const char HEAD[] = "datetime;prediction;score;state;top_channel\n";
    uint64_t from = a->has_from ? a->from : score->card.n_rows;
    struct mw_frame_source source = csv_source(frames);
    struct mw_frame frame;
    bool ok = append(verdicts, HEAD, sizeof HEAD - 1);
    for (uint32_t row = 0; ok && source.next(source.ctx, &frame) == MW_OK; row++) {
        struct mw_score_result result = { .state = MW_MODEL_ABSENT };
        if (row < from)
            mw_score_prime(score, frame.values, frame.valid, frame.slot);
        else
            mw_score_step(score, frame.values, frame.valid, frame.slot, &result);
        ok = add_verdict(verdicts, frames->csv->stamps[row].text, score, &result);
    }
    return ok;
}

static int replay(const struct arguments *a, const struct loaded *m, const struct csv *table)
{
    struct csv_frames frames = { .row = 0 };
    struct text verdicts = { 0 };
    int result, status = match(a, &m->card, table, &frames);
    if (status != EX_OK)
        return status;
    if (a->has_from && a->from >= table->n_rows)
        return fail(EX_DATAERR, a->csv, "has no row to begin with: --from is behind the last");
    struct mw_score *score = malloc(sizeof *score);
    if (!score)
        return fail(EX_OSERR, a->csv, strerror(ENOMEM));
    if (mw_score_init(score, &m->card, &m->model, a->reanchor) < 0)
        status = fail(EX_DATAERR, a->model, "network and detector card do not fit");
    else if (!judge(a, score, &frames, &verdicts))
        status = fail(EX_OSERR, a->csv, strerror(ENOMEM));
    else if ((result = outfile_write(a->out, verdicts.at, verdicts.n)) < 0)
        status = fail(EX_IOERR, a->out, outfile_text(result));
    free(score);
    free(verdicts.at);
    return status;
}

static int run(const struct arguments *a)
{
    struct loaded model = { 0 };
    struct csv table;
    struct csv_fault why;
    if (outfile_is_input(a->out, a->csv) || outfile_is_input(a->out, a->model))
        return fail(EX_USAGE, a->out, "is also read; the verdicts would replace it");
    int result = outfile_check(a->out);
    if (result < 0)
        return fail(EX_CANTCREAT, a->out, outfile_text(result));
    int status = load(a->model, &model);
    if (status == EX_OK) {
        result = csv_load(&table, a->csv, &why);
        if (result < 0) {
            fprintf(stderr, "millwright replay: %s:%s\n", a->csv, why.text);
            status = result == MW_ERR_NOT_FOUND ? EX_NOINPUT
                     : result == MW_ERR_IO      ? EX_IOERR
                                                : EX_DATAERR;
        } else {
            status = replay(a, &model, &table);
            csv_destroy(&table);
        }
    }
    unload(&model);
    return status;
}

int verb_replay(int argc, char **argv)
{
    struct arguments arguments = { 0 };
    for (int i = 1; i < argc; i++)
        if (strncmp(argv[i], "--trace", 7) == 0)
            return replay_trace(argc, argv);
    int status = parse(argc, argv, &arguments);
    if (status != EX_OK)
        return status;
    if (arguments.help) {
        fputs(HELP, stdout);
        return EX_OK;
    }
    return run(&arguments);
}
