/* SPDX-License-Identifier: Apache-2.0 */
#include "training/spool.h"
#include "base/result.h"
#include "support/suite.h"
#include "training/job.h"
#include "training/outfile.h"
#include "unit/training/table.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/mw-spool-XXXXXX";

static void make_folder(void)
{
    strcpy(folder + strlen(folder) - 6, "XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
}

static const char *at(const char *name)
{
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void put(const char *name, const char *text)
{
    ck_assert_int_eq(outfile_write(at(name), text, strlen(text)), MW_OK);
}

static bool exists(const char *name)
{
    struct stat s;
    return stat(at(name), &s) == 0;
}

static size_t get(const char *name, char *ret, size_t cap)
{
    FILE *file = fopen(at(name), "rb");
    ck_assert_msg(file != NULL, "%s is missing", name);
    size_t n = fread(ret, 1, cap - 1, file);
    ret[n] = '\0';
    fclose(file);
    return n;
}

struct world {
    int64_t now_us;
    int n_done, n_failed, n_refused;
};

static int64_t now_us(void *ctx)
{
    struct world *w = ctx;
    return w->now_us += 1500000;
}

static void done(void *ctx, const char *name, const char *error)
{
    struct world *w = ctx;
    ck_assert(job_is_name(name, strlen(name)));
    w->n_done++;
    w->n_failed += error != NULL;
}

static void refused_entry(void *ctx, const char *entry, const char *as, const char *why)
{
    struct world *w = ctx;
    ck_assert_ptr_nonnull(strstr(entry, ".job"));
    ck_assert(as && why);
    w->n_refused++;
}

static int run(struct world *w)
{
    const struct spool_world world = {
        .now_us = now_us, .done = done, .refused = refused_entry, .ctx = w
    };
    return spool_run(folder, &world);
}

static void put_table(const char *name)
{
    size_t n;
    char *text = table_text(200, &n);
    ck_assert_int_eq(outfile_write(at(name), text, n), MW_OK);
    free(text);
}

START_TEST(a_job_becomes_a_model_and_a_report)
{
    struct world world = { 0 };
    char text[2048];
    make_folder();
    put_table("pump-1.csv");
    put("pump-1.error", "of an earlier run\n");
    put("pump-1.job",
        "# from the daemon\ncsv=pump-1.csv\nrows=0:200\ncontext=temperature\n"
        "off=vibration\nwindow=8\nseed=3\nlevel_guard=off\nfine=off\nperiod_us=1000000\n");
    ck_assert_int_eq(run(&world), 1);
    ck_assert_int_eq(world.n_done, 1);
    ck_assert_int_eq(world.n_failed, 0);
    ck_assert(!exists("pump-1.job") && !exists("pump-1.error") && !exists("pump-1.progress"));
    get("pump-1.report", text, sizeof text);
    ck_assert_ptr_nonnull(strstr(text, "n_rows=200\nr2="));
    ck_assert_ptr_nonnull(strstr(text, "\nseconds=1.5\n"));

    static char model[65536];
    static _Alignas(8) uint8_t memory[16384];
    struct mw_model loaded;
    struct mw_model_fault why;
    struct mw_card card;
    size_t n = get("pump-1.tflite", model, sizeof model);
    ck_assert_int_eq(mw_model_init(&loaded, (uint8_t *)model, n, MW_ROUNDING_DOUBLE, memory,
                                   sizeof memory, &why),
                     MW_OK);
    ck_assert_int_eq(mw_card_read(&card, loaded.card, loaded.n_card_bytes, &why), MW_OK);
    ck_assert_uint_eq(card.n_channels, 4);
    ck_assert_uint_eq(card.n_signals, 3);
    ck_assert_uint_eq(card.window, 8);
    ck_assert_int_eq(card.period_us, 1000000);
    ck_assert_uint_eq(card.seed, 3);
}
END_TEST

START_TEST(what_cannot_be_trained_leaves_one_line_and_no_job)
{
    struct world world = { 0 };
    char text[512];
    make_folder();
    put_table("b.csv");
    put("a.job", "csv=a.csv\n");
    put("b.job", "csv=b.csv\nrows=0:20\n");
    put("c.job", "csv=../../etc/passwd\n");
    put("bad name.job", "csv=b.csv\n");
    put("other.txt", "csv=b.csv\n");
    ck_assert_int_eq(run(&world), 3);
    ck_assert_int_eq(world.n_failed, 3);
    get("a.error", text, sizeof text);
    ck_assert_str_eq(text, "a.csv: No such file or directory\n");
    get("b.error", text, sizeof text);
    ck_assert_str_eq(text, "too few rows: 20, at least 79\n");
    get("c.error", text, sizeof text);
    ck_assert_str_eq(text, "line 1: csv=../../etc/passwd is not NAME.csv of 1 to 32 letters, "
                           "digits, _ and -\n");
    ck_assert(!exists("a.job") && !exists("b.job") && !exists("c.job"));
    ck_assert(exists("refused-1.refused") && exists("other.txt"));
    ck_assert_int_eq(world.n_refused, 1);
}
END_TEST

START_TEST(what_is_no_job_is_moved_aside_and_the_others_are_done)
{
    struct world world = { 0 };
    make_folder();
    put_table("z.csv");
    put("z.job", "csv=z.csv\nrows=0:200\nwindow=8\n");
    ck_assert_int_eq(mkfifo(at("fifo.job"), 0600), 0);
    ck_assert_int_eq(mkdir(at("folder.job"), 0700), 0);
    ck_assert_int_eq(symlink("/etc/passwd", at("link.job")), 0);
    put("a b.job", "");
    put("c d.job", "");
    put("fifo.job.refused", "of an earlier run");
    ck_assert_int_eq(run(&world), 1);
    ck_assert_int_eq(world.n_failed, 0);
    ck_assert_int_eq(world.n_refused, 5);
    ck_assert(exists("z.tflite") && exists("folder.job.refused") && exists("link.job.refused"));
    ck_assert(exists("refused-1.refused") && exists("refused-2.refused"));
    ck_assert(exists("refused-3.refused") && exists("fifo.error"));
    ck_assert(!exists("fifo.job") && !exists("folder.job") && !exists("link.job"));
    ck_assert(!exists("a b.job") && !exists("c d.job"));
}
END_TEST

START_TEST(a_folder_that_is_not_there_is_said)
{
    struct world world = { 0 };
    const struct spool_world port = {
        .now_us = now_us, .done = done, .refused = refused_entry, .ctx = &world
    };
    ck_assert_int_eq(spool_run("/nonexistent", &port), MW_ERR_NOT_FOUND);
}
END_TEST

static void refused(const char *text, const char *words)
{
    static struct job job;
    struct train_fault why;
    ck_assert_int_lt(job_parse(&job, text, strlen(text), &why), 0);
    ck_assert_msg(strcmp(why.text, words) == 0, "said: %s", why.text);
}

START_TEST(a_job_is_strict)
{
    refused("", "csv=NAME.csv is missing");
    refused("csv=a.csv\ncsv=b.csv\n", "line 2: csv a second time");
    refused("csv=a.csv\nepochs=3", "line 2: there is no key 'epochs'");
    refused("csv = a.csv", "line 1: there is no key 'csv '");
    refused("csv=a.csv\nrows\n", "line 2: not key=value");
    refused("rows=10:10", "line 1: rows=10:10 is not FIRST:END, rising");
    refused("rows=-1:10", "line 1: rows=-1:10 is not FIRST:END, rising");
    refused("window=65", "line 1: window=65 is not in 2 to 64");
    refused("seed=18446744073709551616",
            "line 1: seed=18446744073709551616 is not a number from 0 to 18446744073709551615");
    refused("level_guard=yes", "line 1: level_guard=yes is neither on nor off");
    refused("fine=", "line 1: fine= is neither on nor off");
    refused("context=a,,b", "line 1: context=a,,b is not a list of names with commas between them");
    refused("csv=a.csv\r\n", "byte 9 is a control character");
}
END_TEST

START_TEST(a_job_says_what_to_do)
{
    static struct job job;
    struct train_fault why;
    const char *text = "csv=a.csv\nseed=18446744073709551615\ncontext=x,y z\nrows=3:1000000";
    ck_assert_int_eq(job_parse(&job, text, strlen(text), &why), MW_OK);
    ck_assert_str_eq(job.csv, "a.csv");
    ck_assert_uint_eq(job.options.seed, UINT64_MAX);
    ck_assert_uint_eq(job.options.n_context, 2);
    ck_assert_str_eq(job.options.context[1], "y z");
    ck_assert_uint_eq(job.options.first_row, 3);
    ck_assert_uint_eq(job.options.end_row, 1000000);
}
END_TEST

START_TEST(a_failed_write_leaves_what_was_there)
{
    char text[64];
    make_folder();
    put("model", "old");
    ck_assert_int_eq(mkdir(at("model.part"), 0700), 0); /* so that the write cannot begin */
    ck_assert_int_eq(outfile_write(at("model"), "new", 3), MW_ERR_IO);
    get("model", text, sizeof text);
    ck_assert_str_eq(text, "old");
}
END_TEST

START_TEST(what_is_no_file_is_never_replaced_and_links_are_followed)
{
    char text[64];
    make_folder();
    ck_assert_int_eq(mkfifo(at("fifo"), 0600), 0);
    ck_assert_int_eq(outfile_check(at("fifo")), MW_ERR_STATE);
    ck_assert_int_eq(outfile_write(at("fifo"), "new", 3), MW_ERR_STATE);
    ck_assert_int_eq(outfile_write(folder, "new", 3), MW_ERR_STATE);
    ck_assert_int_eq(symlink("nowhere", at("dangling")), 0);
    ck_assert_int_eq(outfile_write(at("dangling"), "new", 3), MW_ERR_STATE);
    put("file", "old");
    ck_assert_int_eq(symlink("file", at("link")), 0);
    ck_assert_int_eq(outfile_check(at("link")), MW_OK);
    put("link", "new");
    struct stat s;
    ck_assert(lstat(at("link"), &s) == 0 && S_ISLNK(s.st_mode));
    get("file", text, sizeof text);
    ck_assert_str_eq(text, "new");
    ck_assert_int_eq(outfile_check(at("no/file")), MW_ERR_IO);
}
END_TEST

MW_SUITE("training/spool", a_job_becomes_a_model_and_a_report,
         what_cannot_be_trained_leaves_one_line_and_no_job,
         what_is_no_job_is_moved_aside_and_the_others_are_done, a_folder_that_is_not_there_is_said,
         a_job_is_strict, a_job_says_what_to_do, a_failed_write_leaves_what_was_there,
         what_is_no_file_is_never_replaced_and_links_are_followed)
