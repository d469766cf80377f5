/* SPDX-License-Identifier: Apache-2.0 */
#include "training/spool.h"

#include "base/result.h"
#include "training/infile.h"
#include "training/job.h"
#include "training/outfile.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_MAX_HERE (OUTFILE_PATH_MAX + 1)
#define REFUSED_MAX   64 /* characters of a refused entry's new name */

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
    errno = ENAMETOOLONG;
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

/* The job file's text; at most one byte more than is allowed, so that too much is noticed. Results
 * and errno as infile_open's. */
static int read_job(const struct run *run, char *ret_text, size_t *ret_n)
{
    char path[PATH_MAX_HERE];
    if (!path_of(run, run->name, ".job", path))
        return MW_ERR_TOO_BIG;
    FILE *file;
    int result = infile_open(&file, path, false);
    if (result < 0)
        return result;
    *ret_n = fread(ret_text, 1, JOB_MAX_BYTES + 1, file);
    int reason = errno;
    result = ferror(file) ? MW_ERR_IO : MW_OK;
    fclose(file);
    errno = reason;
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

/* A job file's text. */
struct words {
    char text[JOB_MAX_BYTES + 1];
    size_t n;
};

/* The whole job but its files; errors end up in words. */
static int attempt(struct run *run, const struct words *words, uint8_t **ret_tflite, size_t *ret_n,
                   struct train_report *ret_report, struct train_fault *why)
{
    struct job *job = malloc(sizeof *job);
    if (!job) {
        snprintf(why->text, sizeof why->text, "%s", mw_result_text(MW_ERR_NO_MEMORY));
        return MW_ERR_NO_MEMORY;
    }
    int result = job_parse(job, words->text, words->n, why);
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

/* Removed last: what is still there is run again. */
static int remove_job(const struct run *run)
{
    char path[PATH_MAX_HERE];
    if (!path_of(run, run->name, ".job", path))
        return MW_ERR_TOO_BIG;
    return unlink(path) == 0 || errno == ENOENT ? MW_OK : MW_ERR_IO;
}

static int run_job(struct run *run, const struct words *words)
{
    uint8_t *tflite = NULL;
    size_t n = 0;
    struct train_report report;
    struct train_fault why = { { 0 } };
    forget(run, ".error");
    forget(run, ".report");
    forget(run, ".tflite");
    forget(run, ".progress");
    tell(run, 0);
    int64_t began_us = run->world->now_us(run->world->ctx);
    int trained = attempt(run, words, &tflite, &n, &report, &why), result;
    if (trained == MW_OK) {
        result = put(run, ".tflite", tflite, n);
        if (result == MW_OK)
            result = put_report(run, &report, run->world->now_us(run->world->ctx) - began_us);
    } else {
        char line[sizeof why.text + 2];
        int length = snprintf(line, sizeof line, "%s\n", why.text);
        result = put(run, ".error", line, (size_t)length);
    }
    int reason = errno;
    free(tflite);
    forget(run, ".progress");
    errno = reason;
    if (result == MW_OK)
        result = remove_job(run);
    if (result < 0)
        return result;
    run->world->done(run->world->ctx, run->name, trained == MW_OK ? NULL : why.text);
    return MW_OK;
}

/* Moves what ends in .job and is no job out of the way, under the first name that is free. */
static void refuse(const struct run *run, const char *entry, const char *why)
{
    char from[PATH_MAX_HERE], to[PATH_MAX_HERE], as[REFUSED_MAX];
    struct stat there;
    bool moved = false, named = run->name[0] != '\0';
    bool possible = path_of(run, entry, "", from);
    for (unsigned n = named ? 0 : 1; possible && !moved && n <= SPOOL_MAX_REFUSED; n++) {
        if (n == 0)
            snprintf(as, sizeof as, "%s.job.refused", run->name);
        else
            snprintf(as, sizeof as, "refused-%u.refused", n);
        possible = path_of(run, as, "", to);
        if (!possible || lstat(to, &there) == 0)
            continue;
        moved = rename(from, to) == 0;
        possible = moved;
    }
    run->world->refused(run->world->ctx, entry, moved ? as : NULL, why);
}

/* One that has a job's name also gets its answer. */
static void refuse_named(const struct run *run, const char *why)
{
    char entry[JOB_NAME_MAX + 5], line[128];
    snprintf(entry, sizeof entry, "%s.job", run->name);
    int n = snprintf(line, sizeof line, "the job cannot be read: %.80s\n", why);
    forget(run, ".error");
    put(run, ".error", line, (size_t)n);
    refuse(run, entry, why);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* Names of the jobs in the folder, sorted; how many. Bad names are refused on the way. */
static int find_jobs(const struct run *nobody, char ret_names[SPOOL_MAX_JOBS][JOB_NAME_MAX + 1])
{
    DIR *dir = opendir(nobody->folder);
    int n = 0;
    if (!dir)
        return MW_ERR_NOT_FOUND;
    for (struct dirent *entry; n < SPOOL_MAX_JOBS && (entry = readdir(dir));) {
        size_t length = strlen(entry->d_name);
        if (length < 4 || strcmp(entry->d_name + length - 4, ".job") != 0)
            continue;
        if (!job_is_name(entry->d_name, length - 4)) {
            refuse(nobody, entry->d_name, "the name is not 1 to 32 letters, digits, _ and -");
            continue;
        }
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
    const struct run nobody = { .folder = folder, .world = world };
    int n = find_jobs(&nobody, names), n_run = 0;
    if (n < 0)
        return n;
    for (int i = 0; i < n; i++) {
        struct run run = nobody;
        struct words words;
        memcpy(run.name, names[i], sizeof run.name);
        int result = read_job(&run, words.text, &words.n);
        if (result == MW_ERR_NOT_FOUND && errno == ENOENT)
            continue; /* another run has done it */
        if (result < 0) {
            refuse_named(&run, infile_text(result));
            continue;
        }
        result = run_job(&run, &words);
        if (result < 0)
            return result;
        n_run++;
    }
    return n_run;
}
