/* SPDX-License-Identifier: Apache-2.0 */
#include "base/event.h"
#include "base/bytes.h"
#include "base/result.h"

#include <assert.h>

#define EVENT_VERSION 0x81 /* alerts count from 1 */

static_assert(3 + 2 + 2 * 8 + (2 * 8 + 4 * 4 + 4 * 8 + 1) + 2 * 8 + 1 + 2 + 8 + 1 +
                      MW_EVENT_FILE_MAX <=
                  MW_EVENT_BYTES_MAX,
              "every event fits");

static void put_gap(struct mw_writer *w, const struct mw_gap *g)
{
    mw_put_u64le(w, g->n);
    mw_put_u64le(w, g->n_ever);
    for (int i = 0; i < 4; i++)
        mw_put_u32le(w, g->n_of_severity[i]);
    mw_put_u64le(w, g->first_seq);
    mw_put_u64le(w, g->last_seq);
    mw_put_u64le(w, (uint64_t)g->from_us);
    mw_put_u64le(w, (uint64_t)g->to_us);
    mw_put_u8(w, g->reasons);
}

static void get_gap(struct mw_reader *r, struct mw_gap *g)
{
    g->n = mw_get_u64le(r);
    g->n_ever = mw_get_u64le(r);
    for (int i = 0; i < 4; i++)
        g->n_of_severity[i] = mw_get_u32le(r);
    g->first_seq = mw_get_u64le(r);
    g->last_seq = mw_get_u64le(r);
    g->from_us = (int64_t)mw_get_u64le(r);
    g->to_us = (int64_t)mw_get_u64le(r);
    g->reasons = mw_get_u8(r);
}

/* NOLINTNEXTLINE(readability-non-const-parameter): written through the writer */
int mw_event_encode(const struct mw_event *event, uint8_t *ret_bytes, size_t cap)
{
    struct mw_writer w = { .bytes = ret_bytes, .n_bytes = cap };
    mw_put_u8(&w, EVENT_VERSION);
    mw_put_u8(&w, event->kind);
    mw_put_u8(&w, event->severity);
    mw_put_u8(&w, event->clock_synced);
    mw_put_u64le(&w, event->seq);
    mw_put_u64le(&w, (uint64_t)event->at_us);
    if (event->kind == MW_EVENT_OUTBOX_GAP)
        put_gap(&w, &event->gap);
    if (event->kind == MW_EVENT_STORE_QUARANTINED || event->kind == MW_EVENT_STORE_REWOUND) {
        mw_put_u64le(&w, event->n_bytes);
        mw_put_u64le(&w, event->n_wal_bytes);
    }
    if (event->kind == MW_EVENT_STORE_REWOUND) {
        mw_put_u64le(&w, event->first_seq);
        mw_put_u64le(&w, event->last_seq);
    }
    if (event->kind == MW_EVENT_CERTIFICATE_EXPIRES) {
        mw_put_u8(&w, event->certificate);
        mw_put_u16le(&w, event->days);
        mw_put_u64le(&w, (uint64_t)event->not_after_us);
    }
    mw_put_str8(&w, event->file);
    return w.failed ? MW_ERR_NO_SPACE : (int)w.at;
}

int mw_event_decode(struct mw_event *ret_event, const uint8_t *bytes, size_t n_bytes)
{
    struct mw_reader r = { .bytes = bytes, .n_bytes = n_bytes };
    struct mw_event e = { 0 };
    if (mw_get_u8(&r) != EVENT_VERSION)
        return MW_ERR_FORMAT;
    e.kind = mw_get_u8(&r);
    e.severity = mw_get_u8(&r);
    e.clock_synced = mw_get_u8(&r) != 0;
    e.seq = mw_get_u64le(&r);
    e.at_us = (int64_t)mw_get_u64le(&r);
    if (e.kind == MW_EVENT_OUTBOX_GAP)
        get_gap(&r, &e.gap);
    if (e.kind == MW_EVENT_STORE_QUARANTINED || e.kind == MW_EVENT_STORE_REWOUND) {
        e.n_bytes = mw_get_u64le(&r);
        e.n_wal_bytes = mw_get_u64le(&r);
    }
    if (e.kind == MW_EVENT_STORE_REWOUND) {
        e.first_seq = mw_get_u64le(&r);
        e.last_seq = mw_get_u64le(&r);
    }
    if (e.kind == MW_EVENT_CERTIFICATE_EXPIRES) {
        e.certificate = mw_get_u8(&r);
        e.days = mw_get_u16le(&r);
        e.not_after_us = (int64_t)mw_get_u64le(&r);
    }
    mw_get_str8(&r, e.file, sizeof e.file);
    if (r.failed || r.at != n_bytes || e.kind < MW_EVENT_OUTBOX_GAP ||
        e.kind > MW_EVENT_STORE_REWOUND || e.certificate >= MW_CERTIFICATES)
        return MW_ERR_FORMAT;
    *ret_event = e;
    return MW_OK;
}

void mw_event_restamp(struct mw_event *event, int64_t offset_us, int64_t shift_us, bool synced)
{
    /* What was given up and had been stamped before this boot keeps its time. */
    if (event->gap.from_us >= offset_us && event->gap.from_us <= event->at_us)
        event->gap.from_us += shift_us;
    if (event->gap.to_us >= offset_us && event->gap.to_us <= event->at_us)
        event->gap.to_us += shift_us;
    event->at_us += shift_us;
    event->clock_synced = event->clock_synced || synced;
}

void mw_gap_merge(struct mw_gap *gap, const struct mw_gap *more)
{
    if (gap->n == 0) {
        *gap = *more;
        return;
    }
    gap->n += more->n;
    gap->n_ever = gap->n_ever > more->n_ever ? gap->n_ever : more->n_ever;
    for (int i = 0; i < 4; i++)
        gap->n_of_severity[i] += more->n_of_severity[i];
    gap->first_seq = gap->first_seq < more->first_seq ? gap->first_seq : more->first_seq;
    gap->last_seq = gap->last_seq > more->last_seq ? gap->last_seq : more->last_seq;
    gap->from_us = gap->from_us < more->from_us ? gap->from_us : more->from_us;
    gap->to_us = gap->to_us > more->to_us ? gap->to_us : more->to_us;
    gap->reasons |= more->reasons;
}

const char *mw_event_kind_text(uint8_t kind)
{
    switch (kind) {
    case MW_EVENT_OUTBOX_GAP: return "outbox_gap";
    case MW_EVENT_STORE_QUARANTINED: return "store_quarantined";
    case MW_EVENT_CERTIFICATE_EXPIRES: return "certificate_expires";
    case MW_EVENT_CONFIG_REFUSED: return "config_refused";
    case MW_EVENT_STORE_REWOUND: return "store_rewound";
    default: return "unknown";
    }
}
