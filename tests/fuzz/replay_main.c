/* SPDX-License-Identifier: Apache-2.0 */
/* Runs a harness over every file of a corpus folder and over seeded mutations of each, so that
 * ./test exercises the parsers without a fuzzer. The seed is printed. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MUTATIONS 400
#define FILE_MAX  (1 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static uint64_t next(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

/* A heap copy of the exact size, so that the sanitizers see the first byte too many. */
static void run(const uint8_t *bytes, size_t n)
{
    uint8_t *copy = malloc(n ? n : 1);
    if (!copy)
        exit(1);
    memcpy(copy, bytes, n);
    LLVMFuzzerTestOneInput(copy, n);
    free(copy);
}

static void mutate(const uint8_t *bytes, size_t n, uint64_t *seed)
{
    static const uint8_t nasty[] = { 0x00, 0x01, 0x7f, 0x80, 0xff };
    uint8_t *copy = malloc(n + 8);
    if (!copy)
        exit(1);
    for (int m = 0; m < MUTATIONS; m++) {
        memcpy(copy, bytes, n);
        size_t size = next(seed) % 4 ? n : (size_t)(next(seed) % (n + 1));
        for (uint64_t k = next(seed) % 8 + 1; k > 0 && size > 0; k--) {
            uint64_t r = next(seed);
            uint8_t *at = &copy[next(seed) % size];
            *at = (uint8_t)(r & 1 ? nasty[(r >> 8) % sizeof nasty] : *at ^ 1u << (r >> 16) % 8);
        }
        run(copy, size);
    }
    free(copy);
}

int main(int argc, char **argv)
{
    static uint8_t bytes[FILE_MAX];
    uint64_t seed = 1;
    int n_files = 0;
    DIR *dir = argc > 1 ? opendir(argv[1]) : NULL;
    run(bytes, 0);
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        char path[4096];
        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "%s/%s", argv[1], entry->d_name);
        FILE *file = fopen(path, "rb");
        if (!file)
            continue;
        size_t n = fread(bytes, 1, sizeof bytes, file);
        fclose(file);
        n_files++;
        run(bytes, n);
        mutate(bytes, n, &seed);
    }
    if (dir)
        closedir(dir);
    printf("%d files, %d mutations each, seed 1\n", n_files, MUTATIONS);
    return n_files > 0 ? 0 : 1;
}
