/* SPDX-License-Identifier: Apache-2.0 */
#include "training/spool.h"

#include "base/result.h"
#include "training/job.h"
#include "training/outfile.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PATH_MAX_HERE (OUTFILE_PATH_MAX + 1)

struct run {
    const char *folder;
    char name[JOB_NAME_MAX + 1];
    const struct spool_world *world;
    unsigned told; /* percent last written, plus 1 */
    bool deaf;     /* a progress file could not be written */
};

static bool path_of(const struct run *run, const char *name, const char *ending, char *ret)
{
    int n = snprintf(ret, PATH_MAX_HERE, "%s/%s%s", run->folder, name, ending);
    return n > 0 && n < PATH_MAX_HERE;
}

static int put(const struct run *run, const char *ending, const void *bytes, size_t n)
{
    char path[PATH_MAX_HERE];
    return path_of(run, run->name, ending, path) ? outfile_write(path, bytes, n) : MW_ERR_TOO_BIG;
}

static void forget(const struct run *run, const char *ending)
{
    char path[PATH_MAX_HERE];
    if (path_of(run, run->name, ending, path))
        unlink(path);
}

static void tell(void *ctx, unsigned percent)
{
    struct run *run = ctx;
    char text[16];
    if (run->told == percent + 1 || run->deaf)
        return;
    run->told = percent + 1;
    int n = snprintf(text, sizeof text, "%u\n", percent);
    run->deaf = put(run, ".progress", text, (size_t)n) < 0;
}

/* The job file's text; at most one byte more than is allowed, so that too much is noticed. */
static int read_job(const struct run *run, char *ret_text, size_t *ret_n)
{
    char path[PATH_MAX_HERE];
    if (!path_of(run, run->name, ".job", path))
        return MW_ERR_TOO_BIG;
    FILE *file = fopen(path, "rb");
    if (!file)
        return MW_ERR_IO;
    *ret_n = fread(ret_text, 1, JOB_MAX_BYTES + 1, file);
    int result = ferror(file) ? MW_ERR_IO : MW_OK;
    fclose(file);
    return result;
}

static int train_job(struct run *run, const struct job *job, uint8_t **ret_tflite, size_t *ret_n,
                     struct train_report *ret_report, struct train_fault *why)
{
    struct csv table;
    struct csv_fault csv_why;
    char path[PATH_MAX_HERE];
    const struct progress progress = { .at = tell, .ctx = run };
    if (!path_of(run, job->csv, "", path))
        return MW_ERR_TOO_BIG;
    int result = csv_load(&table, path, &csv_why);
    if (result < 0) {
        snprintf(why->text, sizeof why->text, "%s:%.180s", job->csv, csv_why.text);
        return result;
    }
    result = train_run(&job->options, &table, &progress, ret_tflite, ret_n, ret_report, why);
    csv_destroy(&table);
    return result;
}

/* The whole job but its files; errors end up in words. */
static int attempt(struct run *run, uint8_t **ret_tflite, size_t *ret_n,
                   struct train_report *ret_report, struct train_fault *why)
{
    char text[JOB_MAX_BYTES + 1];
    size_t n = 0;
    int result = read_job(run, text, &n);
    if (result < 0) {
        snprintf(why->text, sizeof why->text, "the job cannot be read: %s", mw_result_text(result));
        return result;
    }
    struct job *job = malloc(sizeof *job);
    if (!job) {
        snprintf(why->text, sizeof why->text, "%s", mw_result_text(MW_ERR_NO_MEMORY));
        return MW_ERR_NO_MEMORY;
    }
    result = job_parse(job, text, n, why);
    if (result == MW_OK)
        result = train_job(run, job, ret_tflite, ret_n, ret_report, why);
    free(job);
    return result;
}

static int put_report(const struct run *run, const struct train_report *report, int64_t took_us)
{
    char text[256], digest[2 * sizeof report->digest + 1];
    for (size_t i = 0; i < sizeof report->digest; i++)
        snprintf(digest + 2 * i, 3, "%02x", report->digest[i]);
    int n = snprintf(
        text, sizeof text, "n_rows=%u\nr2=%.4f\ntrain_mse=%.6f\ndigest=%s\nseconds=%.1f\n",
        report->n_rows, (double)report->r2_best, report->train_mse, digest, (double)took_us / 1e6);
    return put(run, ".report", text, (size_t)n);
}

static int run_job(struct run *run)
{
    uint8_t *tflite = NULL;
    size_t n = 0;
    struct train_report report;
    struct train_fault why = { { 0 } };
    forget(run, ".error");
    forget(run, ".report");
    forget(run, ".tflite");
    tell(run, 0);
    int64_t began_us = run->world->now_us(run->world->ctx);
    int trained = attempt(run, &tflite, &n, &report, &why), result;
    if (trained == MW_OK) {
        result = put(run, ".tflite", tflite, n);
        if (result == MW_OK)
            result = put_report(run, &report, run->world->now_us(run->world->ctx) - began_us);
    } else {
        char line[sizeof why.text + 2];
        int length = snprintf(line, sizeof line, "%s\n", why.text);
        result = put(run, ".error", line, (size_t)length);
    }
    free(tflite);
    forget(run, ".progress");
    if (result < 0)
        return result;
    forget(run, ".job");
    run->world->done(run->world->ctx, run->name, trained == MW_OK ? NULL : why.text);
    return MW_OK;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* Names of the jobs in the folder, sorted; how many. */
static int find_jobs(const char *folder, char ret_names[SPOOL_MAX_JOBS][JOB_NAME_MAX + 1])
{
    DIR *dir = opendir(folder);
    int n = 0;
    if (!dir)
        return MW_ERR_NOT_FOUND;
    for (struct dirent *entry; n < SPOOL_MAX_JOBS && (entry = readdir(dir));) {
        size_t length = strlen(entry->d_name);
        if (length < 5 || strcmp(entry->d_name + length - 4, ".job") != 0 ||
            !job_is_name(entry->d_name, length - 4))
            continue;
        memcpy(ret_names[n], entry->d_name, length - 4);
        ret_names[n++][length - 4] = '\0';
    }
    closedir(dir);
    qsort(ret_names, (size_t)n, sizeof ret_names[0], by_name);
    return n;
}

int spool_run(const char *folder, const struct spool_world *world)
{
    char names[SPOOL_MAX_JOBS][JOB_NAME_MAX + 1];
    int n = find_jobs(folder, names);
    for (int i = 0; i < n; i++) {
        struct run run = { .folder = folder, .world = world };
        memcpy(run.name, names[i], sizeof run.name);
        int result = run_job(&run);
        if (result < 0)
            return result;
    }
    return n;
}
