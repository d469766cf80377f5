/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/reservoir.h"
#include "base/crc.h"
#include "storage/db_internal.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define KIND           "reservoir"
#define VERSION        1
#define CALM_SCORE     1.0f /* 1 is the threshold of the model */
#define SIGMAS         4.0
#define SHARE          0.05 /* of the level; sensors resolve a hundredth of it or better */
#define CENTRE_WINDOWS 64   /* a centre follows as the mean of so many */
#define BYTES_MAX      (7 + RESERVOIR_STATES * (8 + 4 * MW_MAX_CHANNELS))

/* Level and spread of one window. */
struct levels {
    int64_t first_us, last_us;
    double mean[MW_MAX_CHANNELS], sigma[MW_MAX_CHANNELS];
};

uint32_t reservoir_bound(const struct store_config *config, size_t n_machines)
{
    int64_t n = config->max_bytes / 8 / RESERVOIR_WINDOW_ROOM / (int64_t)(n_machines + 1);
    if (n > RESERVOIR_WINDOWS)
        n = RESERVOIR_WINDOWS;
    return (uint32_t)(n - n % RESERVOIR_STATES);
}

static uint64_t draw(uint64_t seed)
{
    uint64_t z = seed * 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

static void name_of(char ret_name[16], uint32_t machine)
{
    snprintf(ret_name, 16, "%u", (unsigned)machine);
}

/* ---- what is known of a machine's states, in the table state ---- */

static bool decode(const uint8_t *bytes, size_t n_bytes, struct reservoir *ret)
{
    struct mw_reader in = { .bytes = bytes, .n_bytes = n_bytes };
    bool ours = mw_get_u8(&in) == VERSION;
    ret->n_channels = mw_get_u8(&in);
    ret->n_states = mw_get_u8(&in);
    if (!ours || ret->n_channels > MW_MAX_CHANNELS || ret->n_states > RESERVOIR_STATES)
        return false;
    ret->names = mw_get_u32le(&in);
    for (uint32_t s = 0; s < ret->n_states; s++) {
        ret->states[s].n = mw_get_u64le(&in);
        for (uint32_t c = 0; c < ret->n_channels; c++)
            ret->states[s].centre[c] = mw_get_f32le(&in);
    }
    return !in.failed && in.at == n_bytes;
}

/* All zeroes where there is none, or one that is not understood. */
static int load(struct db *db, uint32_t machine, struct reservoir *ret)
{
    uint8_t bytes[BYTES_MAX];
    char name[16];
    size_t n = 0;
    name_of(name, machine);
    *ret = (struct reservoir){ 0 };
    int result = state_get(db, KIND, name, bytes, sizeof bytes, &n);
    if (result == MW_OK && !decode(bytes, n, ret))
        *ret = (struct reservoir){ 0 };
    if (result != MW_OK && result != MW_ERR_NOT_FOUND && result != MW_ERR_NO_SPACE)
        return result;
    ret->loaded = true;
    return MW_OK;
}

static int save(struct db *db, uint32_t machine, const struct reservoir *r)
{
    uint8_t bytes[BYTES_MAX];
    char name[16];
    struct mw_writer out = { .bytes = bytes, .n_bytes = sizeof bytes };
    name_of(name, machine);
    mw_put_u8(&out, VERSION);
    mw_put_u8(&out, (uint8_t)r->n_channels);
    mw_put_u8(&out, (uint8_t)r->n_states);
    mw_put_u32le(&out, r->names);
    for (uint32_t s = 0; s < r->n_states; s++) {
        mw_put_u64le(&out, r->states[s].n);
        for (uint32_t c = 0; c < r->n_channels; c++)
            mw_put_f32le(&out, r->states[s].centre[c]);
    }
    assert(!out.failed);
    return state_put(db, KIND, name, bytes, out.at);
}

/* ---- one window ---- */

/* False where it is not fit to learn from. */
static bool measure(struct history_block *block, struct levels *ret)
{
    struct mw_frame frame;
    float score;
    double sums[MW_MAX_CHANNELS] = { 0 }, squares[MW_MAX_CHANNELS] = { 0 };
    double first[MW_MAX_CHANNELS] = { 0 };
    uint32_t n = 0, all = block->n_channels >= 32 ? UINT32_MAX : (1u << block->n_channels) - 1;
    if (block->n_frames < RESERVOIR_FRAMES_MIN)
        return false;
    for (; history_block_next(block, &frame, &score) == MW_OK; n++) {
        if (frame.valid != all || score > CALM_SCORE)
            return false;
        if (n == 0)
            ret->first_us = frame.at_us;
        ret->last_us = frame.at_us;
        for (uint32_t c = 0; c < block->n_channels; c++) {
            if (n == 0)
                first[c] = (double)frame.values[c];
            double d = (double)frame.values[c] - first[c];
            sums[c] += d;
            squares[c] += d * d;
        }
    }
    for (uint32_t c = 0; n > 0 && c < block->n_channels; c++) {
        double mean = sums[c] / n, variance = squares[c] / n - mean * mean;
        ret->mean[c] = first[c] + mean;
        ret->sigma[c] = variance > 0 ? sqrt(variance) : 0;
        if (!isfinite(ret->mean[c]) || !isfinite(ret->sigma[c]))
            return false;
    }
    return n == block->n_frames;
}

/* At most 1: within the state. */
static double distance(const struct operating_state *state, const struct levels *levels, uint32_t n)
{
    double worst = 0;
    for (uint32_t c = 0; c < n; c++) {
        double centre = (double)state->centre[c];
        double reach = SIGMAS * levels->sigma[c] + SHARE * fabs(centre) + 1e-30;
        double d = fabs(levels->mean[c] - centre) / reach;
        worst = d > worst ? d : worst;
    }
    return worst;
}

static uint32_t state_for(struct reservoir *r, const struct levels *levels)
{
    uint32_t best = 0;
    double least = HUGE_VAL;
    for (uint32_t s = 0; s < r->n_states; s++) {
        double d = distance(&r->states[s], levels, r->n_channels);
        if (d < least) {
            least = d;
            best = s;
        }
    }
    if (least <= 1 || r->n_states == RESERVOIR_STATES)
        return best;
    for (uint32_t c = 0; c < r->n_channels; c++)
        r->states[r->n_states].centre[c] = (float)levels->mean[c];
    return r->n_states++;
}

static void follow(struct operating_state *state, const struct levels *levels, uint32_t n_channels)
{
    double share = 1.0 / (double)(state->n < CENTRE_WINDOWS ? state->n : CENTRE_WINDOWS);
    for (uint32_t c = 0; c < n_channels; c++)
        state->centre[c] += (float)(share * (levels->mean[c] - (double)state->centre[c]));
}

static int64_t window_key(uint32_t machine, uint32_t state, uint32_t slot)
{
    return (int64_t)machine << 16 | (int64_t)state << 8 | slot;
}

static int put_window(struct db *db, int64_t key, const struct levels *levels, uint32_t n_frames,
                      const uint8_t *bytes, size_t n_bytes)
{
    sqlite3_stmt *stmt;
    int result = db_room_by(db, n_bytes, db_history_leaves(db), GIVE_ROLLUPS);
    if (result == MW_OK)
        result = db_use(db, ST_WINDOW_PUT,
                        "INSERT OR REPLACE INTO training_window (id, first_us, last_us, n_frames,"
                        " bytes) VALUES (?1, ?2, ?3, ?4, ?5)",
                        &stmt);
    if (result != MW_OK)
        return result;
    db->stats.n_windows++;
    return db_run(db, stmt,
                  sqlite3_bind_int64(stmt, 1, key) | sqlite3_bind_int64(stmt, 2, levels->first_us) |
                      sqlite3_bind_int64(stmt, 3, levels->last_us) |
                      sqlite3_bind_int64(stmt, 4, n_frames) |
                      sqlite3_bind_blob(stmt, 5, bytes, (int)n_bytes, SQLITE_STATIC));
}

/* CRC of the names: another set of channels is another machine. */
static uint32_t names_of(const struct history_block *block)
{
    uint32_t digest = block->n_channels;
    for (uint32_t c = 0; c < block->n_channels; c++)
        digest =
            digest * 31 + mw_crc32((const uint8_t *)block->channels[c], strlen(block->channels[c]));
    return digest;
}

static int prepare(struct db *db, uint32_t machine, struct reservoir *r,
                   const struct history_block *block)
{
    int result = r->loaded ? MW_OK : load(db, machine, r);
    uint32_t names = names_of(block);
    if (result != MW_OK || (r->n_channels == block->n_channels && r->names == names))
        return result;
    if (r->n_channels > 0)
        result = reservoir_clear(db, machine);
    *r = (struct reservoir){ .loaded = true, .n_channels = block->n_channels, .names = names };
    return result;
}

int reservoir_offer(struct db *db, struct reservoir *r, uint32_t machine, const uint8_t *bytes,
                    size_t n_bytes)
{
    struct history_block block;
    struct levels levels = { 0 };
    uint32_t n_slots = db->config.windows / RESERVOIR_STATES;
    if (n_slots == 0 || history_block_open(&block, bytes, n_bytes) != MW_OK ||
        !measure(&block, &levels))
        return MW_OK;
    int result = prepare(db, machine, r, &block);
    if (result != MW_OK)
        return result;
    uint32_t s = state_for(r, &levels);
    uint64_t n = ++r->states[s].n;
    follow(&r->states[s], &levels, r->n_channels);
    uint64_t seed = (uint64_t)machine << 40 ^ (uint64_t)s << 36 ^ n;
    uint64_t slot = n <= n_slots ? n - 1 : draw(seed) % n;
    if (slot >= n_slots)
        return MW_OK; /* what was seen is stored with the next one that is kept */
    result = put_window(db, window_key(machine, s, (uint32_t)slot), &levels, block.n_frames, bytes,
                        n_bytes);
    return result == MW_OK ? save(db, machine, r) : result;
}

int reservoir_clear(struct db *db, uint32_t machine)
{
    sqlite3_stmt *stmt;
    assert(db->in_transaction);
    int result = db_use(db, ST_WINDOW_CLEAR,
                        "DELETE FROM training_window WHERE id BETWEEN ?1 AND ?1 + 65535", &stmt);
    if (result == MW_OK)
        result = db_run(db, stmt, sqlite3_bind_int64(stmt, 1, window_key(machine, 0, 0)));
    return result == MW_OK ? save(db, machine, &(struct reservoir){ 0 }) : result;
}

int reservoir_count(struct db *db, uint32_t machine, uint32_t *ret_windows, uint32_t *ret_states)
{
    struct reservoir r;
    sqlite3_stmt *stmt;
    int result = load(db, machine, &r);
    if (result == MW_OK)
        result = db_use(db, ST_WINDOW_COUNT,
                        "SELECT count(*) FROM training_window WHERE id BETWEEN ?1 AND ?1 + 65535",
                        &stmt);
    if (result == MW_OK)
        result = db_row(db, stmt, sqlite3_bind_int64(stmt, 1, window_key(machine, 0, 0)));
    if (result != MW_OK)
        return result;
    *ret_windows = (uint32_t)sqlite3_column_int64(stmt, 0);
    *ret_states = r.n_states;
    sqlite3_reset(stmt);
    return MW_OK;
}
