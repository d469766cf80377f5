/* SPDX-License-Identifier: Apache-2.0 */
/* What learning is given, on virtual time: the newest raw history; where that is too short, windows
 * of the machine's earlier life before it. */
#include "daemon/spool.h"
#include "storage/history.h"
#include "storage/reservoir.h"
#include "support/store_rig.h"
#include "support/suite.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define SECOND INT64_C(1000000)
#define MINUTE (60 * SECOND)
#define WANTED 1000 /* learn_rows by default */

/* As retention does once it is all too old. */
static void drop_raw(struct store_rig *rig)
{
    struct db *db = rig->stage->history;
    ck_assert_int_eq(db_begin(db), 0);
    ck_assert_int_eq(db_prune(db, rig_now(rig).utc_us + 100 * 1440 * MINUTE), 0);
    ck_assert_int_eq(db_commit(db), 0);
}

static void learn(struct store_rig *rig, uint32_t machine)
{
    const struct store_order order = { .kind = STORE_LEARN, .machine = machine, .blob = NO_BLOB };
    ck_assert(mw_ring_push(&rig->pipeline->orders, &order));
    rig_live(rig, 5 * SECOND, true);
}

/* Rows of the data set that was exported, their times rising; 0 where there is none. */
static int exported(const struct store_rig *rig, const char *machine)
{
    char path[300], line[1000], last[32] = "";
    int n = -1;
    snprintf(path, sizeof path, "%s/%s.csv", rig->config->spool, machine);
    FILE *file = fopen(path, "r");
    while (file && fgets(line, sizeof line, file)) {
        line[27] = 0;
        ck_assert_msg(n < 0 || strcmp(line, last) > 0, "%s after %s", line, last);
        memcpy(last, n < 0 ? "" : line, n < 0 ? 1 : 28);
        n++;
    }
    if (file)
        fclose(file);
    return n < 0 ? 0 : n;
}

static void end(struct store_rig *rig, const char *machine)
{
    spool_clear(rig->config->spool, machine);
    rmdir(rig->config->spool);
    rig_end(rig);
}

static void begin(struct store_rig *rig, const char *settings)
{
    rig_begin(rig, 2, SECOND, settings, NULL);
    rig_live(rig, 40 * MINUTE, false);
}

START_TEST(the_newest_raw_history_is_enough_where_it_is_long_enough)
{
    struct store_rig rig;
    begin(&rig, "");
    learn(&rig, 1);
    ck_assert_int_eq(exported(&rig, "m1"), WANTED);
    ck_assert_uint_eq(rig.stage->learners[1].progress.phase, LEARN_TRAINING);
    end(&rig, "m1");
}
END_TEST

START_TEST(where_raw_history_is_short_windows_of_before_are_learned_from)
{
    struct store_rig rig;
    uint32_t n_windows, n_states;
    begin(&rig, "");
    ck_assert_int_eq(reservoir_count(rig.stage->history, 2, &n_windows, &n_states), 0);
    ck_assert_uint_eq(n_windows, RESERVOIR_WINDOWS / RESERVOIR_STATES);
    drop_raw(&rig);
    rig_live(&rig, 5 * MINUTE, false);
    learn(&rig, 1);
    ck_assert_int_eq(exported(&rig, "m1"), WANTED);
    end(&rig, "m1");
}
END_TEST

START_TEST(windows_of_before_a_repair_are_not)
{
    struct store_rig rig;
    begin(&rig, "");
    drop_raw(&rig);
    const struct store_order repaired = {
        .kind = STORE_STATE, .machine = 1, .blob = NO_BLOB, .urgent = true
    };
    ck_assert(mw_ring_push(&rig.pipeline->orders, &repaired));
    rig_live(&rig, 5 * MINUTE, false);
    learn(&rig, 1);
    ck_assert_int_eq(exported(&rig, "m1"), 0);
    ck_assert_uint_eq(rig.stage->learners[1].progress.phase, LEARN_COLLECTING);
    ck_assert_uint_lt(rig.stage->learners[1].progress.n_rows, 300 + 62); /* a block that waited */
    end(&rig, "m1");
}
END_TEST

START_TEST(history_in_ram_can_be_learned_from)
{
    struct store_rig rig;
    begin(&rig, "history: ram");
    learn(&rig, 1);
    ck_assert_int_eq(exported(&rig, "m1"), WANTED);
    end(&rig, "m1");
}
END_TEST

/* A budget that lets a machine's blocks through now and then only. */
START_TEST(a_machine_that_learns_is_written_in_any_case)
{
    struct store_rig rig;
    rig_begin(&rig, 120, SECOND, "write_budget: 32MiB", NULL);
    rig_live(&rig, 60 * MINUTE, false);
    const struct store_order order = { .kind = STORE_LEARN, .machine = 1, .blob = NO_BLOB };
    ck_assert(mw_ring_push(&rig.pipeline->orders, &order));
    uint64_t before = 0, after = 0;
    ck_assert_int_eq(history_count(rig.stage->history, 2, 0, &before), 0);
    ck_assert_uint_lt(before, WANTED / 2);
    rig_live(&rig, 17 * MINUTE, false);
    ck_assert_int_eq(history_count(rig.stage->history, 2, 0, &after), 0);
    ck_assert_int_eq(exported(&rig, "m1"), WANTED);
    ck_assert_uint_gt(after - before, WANTED - 2 * before - 200);
    end(&rig, "m1");
}
END_TEST

MW_SUITE("sim/store_learns", the_newest_raw_history_is_enough_where_it_is_long_enough,
         where_raw_history_is_short_windows_of_before_are_learned_from,
         windows_of_before_a_repair_are_not, history_in_ram_can_be_learned_from,
         a_machine_that_learns_is_written_in_any_case)
