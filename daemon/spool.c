/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/spool.h"
#include "base/result.h"
#include "inference/model.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define PATH_MAX_BYTES 512

struct spool_export {
    FILE *file;
    char folder[PATH_MAX_BYTES / 2];
    const struct machine_config *machine;
    uint32_t n_rows;
};

static void path_of(char ret_path[PATH_MAX_BYTES], const char *folder, const char *name,
                    const char *ending)
{
    snprintf(ret_path, PATH_MAX_BYTES, "%s/%s.%s", folder, name, ending);
}

void spool_clear(const char *folder, const char *machine)
{
    static const char *const endings[] = { "job",   "csv",    "csv.new", "job.new",
                                           "error", "report", "tflite",  "progress" };
    char path[PATH_MAX_BYTES];
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
        path_of(path, folder, machine, endings[i]);
        unlink(path);
    }
}

void spool_make(const char *folder)
{
    mkdir(folder, 0770);
}

int spool_export_open(struct spool_export **ret_export, const char *folder,
                      const struct machine_config *machine)
{
    char path[PATH_MAX_BYTES];
    spool_clear(folder, machine->name);
    struct spool_export *export = calloc(1, sizeof *export);
    if (!export)
        return MW_ERR_NO_MEMORY;
    snprintf(export->folder, sizeof export->folder, "%s", folder);
    export->machine = machine;
    path_of(path, folder, machine->name, "csv.new");
    export->file = fopen(path, "wx");
    if (!export->file) {
        free(export);
        return MW_ERR_IO;
    }
    fputs("datetime", export->file);
    for (uint16_t c = 0; c < machine->detector.n_channels; c++)
        fprintf(export->file, ";%s", machine->detector.channels[c].name);
    fputc('\n', export->file);
    *ret_export = export;
    return MW_OK;
}

int spool_export_row(struct spool_export *export, const struct mw_frame *frame)
{
    time_t s = (time_t)(frame->at_us / 1000000);
    struct tm tm;
    char text[32];
    gmtime_r(&s, &tm);
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm);
    fprintf(export->file, "%s.%06dZ", text, (int)(frame->at_us % 1000000));
    for (uint16_t c = 0; c < export->machine->detector.n_channels; c++)
        fprintf(export->file, ";%.9g", (double)frame->values[c]);
    fputc('\n', export->file);
    export->n_rows++;
    return ferror(export->file) ? MW_ERR_IO : MW_OK;
}

static void write_roles(FILE *job, const struct machine_config *machine, const char *key,
                        enum mw_role role)
{
    bool first = true;
    for (uint16_t c = 0; c < machine->detector.n_channels; c++)
        if (machine->detector.channels[c].role == (uint8_t)role) {
            fprintf(job, "%s%s", first ? key : ",", machine->detector.channels[c].name);
            first = false;
        }
    if (!first)
        fputc('\n', job);
}

static int write_job(const struct spool_export *export)
{
    char path[PATH_MAX_BYTES], final[PATH_MAX_BYTES];
    const struct machine_config *machine = export->machine;
    path_of(path, export->folder, machine->name, "job.new");
    path_of(final, export->folder, machine->name, "job");
    FILE *job = fopen(path, "wx");
    if (!job)
        return MW_ERR_IO;
    fprintf(job, "csv=%s.csv\nrows=0:%u\nperiod_us=%lld\n", machine->name, (unsigned)export->n_rows,
            (long long)machine->detector.period_us);
    fprintf(job, "level_guard=%s\n", machine->no_level_guard ? "off" : "on");
    write_roles(job, machine, "context=", MW_ROLE_CONTEXT);
    write_roles(job, machine, "off=", MW_ROLE_OFF);
    bool failed = ferror(job) || fflush(job) || fdatasync(fileno(job));
    failed = fclose(job) || failed;
    return failed || rename(path, final) < 0 ? MW_ERR_IO : MW_OK;
}

int spool_export_close(struct spool_export *export, bool failed)
{
    char path[PATH_MAX_BYTES], final[PATH_MAX_BYTES];
    path_of(path, export->folder, export->machine->name, "csv.new");
    path_of(final, export->folder, export->machine->name, "csv");
    failed = fclose(export->file) || failed || rename(path, final) < 0;
    int result = failed ? MW_ERR_IO : write_job(export);
    if (result < 0)
        spool_clear(export->folder, export->machine->name);
    free(export);
    return result;
}

/* The first line of a small file, or an empty text. */
static bool read_line(const char *path, char *ret_text, size_t cap)
{
    ret_text[0] = 0;
    FILE *file = fopen(path, "r");
    if (!file)
        return false;
    if (fgets(ret_text, (int)cap, file))
        ret_text[strcspn(ret_text, "\n")] = 0;
    fclose(file);
    return true;
}

enum spool_state spool_look(const char *folder, const char *machine, uint8_t *ret_percent,
                            char *ret_text, size_t cap)
{
    char path[PATH_MAX_BYTES], text[32];
    path_of(path, folder, machine, "error");
    if (read_line(path, ret_text, cap))
        return SPOOL_FAILED;
    path_of(path, folder, machine, "report");
    if (access(path, F_OK) == 0)
        return SPOOL_DONE;
    path_of(path, folder, machine, "progress");
    if (read_line(path, text, sizeof text)) {
        long percent = strtol(text, NULL, 10);
        *ret_percent = (uint8_t)(percent < 0 ? 0 : percent > 99 ? 99 : percent);
    }
    return SPOOL_WAITING;
}

bool spool_holds(const char *folder, const char *machine)
{
    char path[PATH_MAX_BYTES];
    path_of(path, folder, machine, "job");
    bool job = access(path, F_OK) == 0;
    path_of(path, folder, machine, "report");
    return job || access(path, F_OK) == 0;
}

static void read_report(const char *path, uint32_t *ret_rows, float *ret_r2)
{
    char line[160];
    FILE *file = fopen(path, "r");
    *ret_rows = 0;
    *ret_r2 = 0.0f;
    while (file && fgets(line, sizeof line, file)) {
        if (strncmp(line, "n_rows=", 7) == 0)
            *ret_rows = (uint32_t)strtoul(line + 7, NULL, 10);
        if (strncmp(line, "r2=", 3) == 0)
            *ret_r2 = strtof(line + 3, NULL);
    }
    if (file)
        fclose(file);
}

int spool_take(const char *folder, const char *machine, uint8_t **ret_bytes, size_t *ret_n,
               uint32_t *ret_rows, float *ret_r2)
{
    char path[PATH_MAX_BYTES];
    path_of(path, folder, machine, "report");
    read_report(path, ret_rows, ret_r2);
    path_of(path, folder, machine, "tflite");
    FILE *file = fopen(path, "rb");
    if (!file)
        return MW_ERR_IO;
    uint8_t *bytes = malloc(MW_MODEL_MAX_BYTES + 1);
    size_t n = bytes ? fread(bytes, 1, MW_MODEL_MAX_BYTES + 1, file) : 0;
    int result = !bytes                   ? MW_ERR_NO_MEMORY
                 : ferror(file) || n == 0 ? MW_ERR_IO
                 : n > MW_MODEL_MAX_BYTES ? MW_ERR_TOO_BIG
                                          : MW_OK;
    fclose(file);
    if (result < 0) {
        free(bytes);
        return result;
    }
    uint8_t *exact = realloc(bytes, n);
    *ret_bytes = exact ? exact : bytes;
    *ret_n = n;
    return MW_OK;
}
