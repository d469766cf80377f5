/* SPDX-License-Identifier: Apache-2.0 */
/* The words and numbers of a configuration file, read strictly: the whole text counts, nothing is
 * guessed, and a unit is part of the value. Pure.
 *
 * Every function returns NULL and fills in its result; or the broken rule, in words that read on
 * from the value ("is not a whole number"), and leaves the result untouched. */
#ifndef MW_CONFIG_VALUE_H
#define MW_CONFIG_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Whole number: 0, 17, 0x8000. No sign, no leading zeros (010 is eight to one reader and ten to
 * the next), at most 64 bits. */
const char *value_whole(const char *text, uint64_t *ret_value);

/* Decimal number: 3, -0.5, 1e-4. Finite; no nan, inf or hexadecimal. */
const char *value_number(const char *text, double *ret_value);

/* true or false; nothing else. */
const char *value_truth(const char *text, bool *ret_value);

/* Whole number and unit without a space: us, ms, s, min, h, d. At most 100 years. */
const char *value_duration(const char *text, int64_t *ret_us);

/* Whole number and unit without a space: B, KiB, MiB, GiB. At most 2^60 bytes. */
const char *value_size(const char *text, int64_t *ret_bytes);

/* Number and unit of time: 5/min, 0.1/s, 30/h. The result is per minute. */
const char *value_rate(const char *text, double *ret_per_min);

/* A name: 1 to 32 letters, digits, '-' and '_', the first a letter or digit. It becomes part of
 * topics, files and paths. */
const char *value_name(const char *text);

/* One of a list of words. On failure suggest_word finds the nearest. */
struct value_word {
    const char *word;
    int value;
};
bool value_choose(const char *text, const struct value_word *words, size_t n_words, int *ret_value);

/* How many characters to insert, remove, replace or swap with their neighbour turn a into b; cap
 * where it is cap or more or a text is longer than 32 (Damerau-Levenshtein, optimal string
 * alignment). */
unsigned value_distance(const char *a, const char *b, unsigned cap);

/* Whether b may be what the writer of a meant: at most a third of it differs, never more than 2
 * characters; or b goes on where a ends. */
bool value_resembles(const char *a, const char *b, unsigned *ret_distance);

#endif
