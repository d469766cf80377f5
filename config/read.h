/* SPDX-License-Identifier: Apache-2.0 */
/* Reads one setting of an object of the file: text in, value out, and a report where it is wrong.
 * What is not given, or was reported already, leaves the fallback. */
#ifndef MW_CONFIG_READ_H
#define MW_CONFIG_READ_H

#include "config/report.h"
#include "config/value.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct reader {
    struct report *report;
    const struct node *node; /* the object */
};

/* What an explicit zero does, where the module takes zero for "not given". */
enum zero { ZERO_IS_FINE = 0, ZERO_IS_REFUSED, ZERO_IS_LEAST };

/* Whether the setting has a text to read. */
bool read_given(const struct reader *r, const char *key, const char *text);

uint64_t read_whole(const struct reader *r, const char *key, const char *text, uint64_t min,
                    uint64_t max, uint64_t fallback);
double read_number(const struct reader *r, const char *key, const char *text, double fallback);
float read_float(const struct reader *r, const char *key, const char *text, float fallback);
/* ZERO_IS_LEAST: 0 becomes the smallest value above it. */
int64_t read_duration(const struct reader *r, const char *key, const char *text, enum zero zero,
                      int64_t fallback);
int64_t read_size(const struct reader *r, const char *key, const char *text, int64_t fallback);
bool read_truth(const struct reader *r, const char *key, const char *text, bool fallback);
int read_word(const struct reader *r, const char *key, const char *text,
              const struct value_word *words, size_t n_words, int fallback);
/* ret_text is untouched where the text does not fit cap with its terminator. */
void read_text(const struct reader *r, const char *key, const char *text, char *ret_text,
               size_t cap);
/* A name as value_name() has it; false where there is none that is right. */
bool read_name(const struct reader *r, const char *key, const char *text, char ret_name[]);

/* An array of structs whose first member is their name. */
struct names {
    const void *first;
    size_t n, stride;
};
/* Index of the name, or -1. */
int64_t find_name(const struct names *names, const char *name);
/* The most similar name, or NULL. */
const char *nearest_name(const struct names *names, const char *name);
/* Index of what the setting names, or -1; what: "bus", for the report. */
int64_t read_reference(const struct reader *r, const char *key, const char *text, const char *what,
                       const struct names *names);

#endif
