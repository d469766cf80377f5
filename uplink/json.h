/* SPDX-License-Identifier: Apache-2.0 */
/* A writer of one JSON object (RFC 8259) into a buffer: bounded, no heap, fields in the order of
 * the calls. An overrun is remembered, not reported; emit_close() says it once. Private to
 * uplink. */
#ifndef MW_UPLINK_JSON_H
#define MW_UPLINK_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json {
    char *text; /* borrowed until emit_close */
    size_t cap, n;
    bool failed;
    bool comma; /* the next field needs one */
};

/* Begins an object. cap holds the terminator too. */
void emit_open(struct json *j, char *text, size_t cap);

/* Ends the object: its bytes without the terminator, or MW_ERR_NO_SPACE and a useless text. */
int emit_close(struct json *j);

/* Bytes that are not UTF-8 become U+FFFD; control characters, quotes and backslashes are escaped.
 */
void emit_string(struct json *j, const char *key, const char *value);
void emit_int(struct json *j, const char *key, int64_t value);
void emit_uint(struct json *j, const char *key, uint64_t value);
void emit_bool(struct json *j, const char *key, bool value);

/* Six significant digits; null where the value is no finite number. */
void emit_float(struct json *j, const char *key, float value);

/* UTC with milliseconds, "2026-01-01T00:00:00.123Z" (RFC 3339). Years 1 to 9999; what lies outside
 * becomes the nearest instant inside. */
void emit_instant(struct json *j, const char *key, int64_t at_us);

/* "key":[ ... ], with one { ... } for each element. */
void emit_begin_array(struct json *j, const char *key);
void emit_end_array(struct json *j);
void emit_begin_object(struct json *j);
void emit_end_object(struct json *j);

#endif
