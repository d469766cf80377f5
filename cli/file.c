/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/file.h"
#include "training/infile.h"

#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>

/* Reads to the end or to one byte more than max, so that too much is noticed. */
static int read_all(FILE *file, size_t max, uint8_t **ret_bytes, size_t *ret_n)
{
    size_t n = 0, cap = 0;
    uint8_t *bytes = NULL;
    for (;;) {
        if (n == cap) {
            cap = cap ? 2 * cap : 65536;
            uint8_t *bigger = realloc(bytes, cap);
            if (!bigger)
                break;
            bytes = bigger;
        }
        size_t got = fread(bytes + n, 1, cap - n, file);
        n += got;
        if (got == 0 || n > max)
            break;
    }
    *ret_bytes = bytes;
    *ret_n = n;
    return ferror(file) || !bytes ? EX_IOERR : EX_OK;
}

int file_load(const char *path, size_t max_bytes, uint8_t **ret_bytes, size_t *ret_n_bytes)
{
    FILE *file;
    uint8_t *bytes;
    size_t n;
    int result = infile_open(&file, path, true);
    if (result < 0) {
        fprintf(stderr, "%s: %s\n", path, infile_text(result));
        return EX_NOINPUT;
    }
    int status = read_all(file, max_bytes, &bytes, &n);
    if (status != EX_OK)
        perror(path);
    fclose(file);
    if (status == EX_OK && n > max_bytes) {
        fprintf(stderr, "%s: larger than %zu bytes\n", path, max_bytes);
        status = EX_DATAERR;
    }
    if (status != EX_OK) {
        free(bytes);
        return status;
    }
    *ret_bytes = bytes;
    *ret_n_bytes = n;
    return EX_OK;
}
