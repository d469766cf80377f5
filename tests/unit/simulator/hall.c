/* SPDX-License-Identifier: Apache-2.0 */
/* The world as its slaves show it: from a request's bytes to an answer's. */
#include "simulator/hall.h"

#include "base/bytes.h"
#include "base/result.h"
#include "support/suite.h"

#include <math.h>
#include <string.h>

#define MINUTE_US (60 * (int64_t)1000000)

static const char SCENARIO[] =
    "version: 1\ntick: 1s\n"
    "buses:\n  - {name: a, tcp: 0}\n  - {name: b, tcp: 0}\n"
    "machines:\n  - {name: m, kind: pump}\n"
    "devices:\n"
    "  - {name: vib, bus: a, unit: 1, map: wtvb01, machine: m, noise: 0%}\n"
    "  - name: plc\n"
    "    bus: a\n"
    "    unit: 2\n"
    "    map: list\n"
    "    machine: m\n"
    "    noise: 0%\n"
    "    holes: refuse\n"
    "    registers:\n"
    "      - {quantity: current, address: 10}\n"
    "      - {quantity: pressure, address: 14, type: uint16, scale: 0.01}\n"
    "      - {quantity: running, address: 3, kind: discrete, type: bit}\n"
    "      - {quantity: speed, address: 0, kind: input, type: int32, order: CDAB}\n"
    "  - {name: vib-b, bus: b, unit: 1, map: qm30vt2, machine: m}\n"
    "faults:\n"
    "  - {kind: dead_slave, device: vib, at: 5min}\n";

struct fixture {
    struct scenario *scenario;
    struct world *world;
    struct hall halls[2];
    struct pdu_bank banks[2];
};

static void hear(void *ctx, int line, const char *message)
{
    (void)ctx;
    ck_abort_msg("line %d: %s", line, message);
}

static void set_up(struct fixture *f)
{
    ck_assert_int_eq(scenario_parse(&f->scenario, SCENARIO, sizeof SCENARIO - 1, hear, NULL),
                     MW_OK);
    ck_assert_int_eq(world_create(&f->world, f->scenario, 3, false), MW_OK);
    for (uint32_t i = 0; i < 2; i++) {
        f->halls[i] = (struct hall){ .scenario = f->scenario, .world = f->world, .wire = i };
        f->banks[i] = hall_bank(&f->halls[i]);
    }
    world_advance(f->world, MINUTE_US);
}

static void tear_down(struct fixture *f)
{
    world_destroy(f->world);
    scenario_free(f->scenario);
}

static struct pdu_reply ask(struct fixture *f, int wire, uint8_t unit, uint8_t code,
                            uint16_t address, uint16_t count)
{
    struct pdu_reply reply;
    uint8_t request[5] = { code };
    mw_store_u16be(&request[1], address);
    mw_store_u16be(&request[3], count);
    pdu_answer(&f->banks[wire], unit, request, sizeof request, &reply);
    return reply;
}

static float float_at(const uint8_t *bytes)
{
    uint32_t bits = (uint32_t)mw_load_u16be(bytes) << 16 | mw_load_u16be(bytes + 2);
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

START_TEST(a_block_reads_as_its_map_says)
{
    struct fixture f;
    set_up(&f);
    struct pdu_reply reply = ask(&f, 0, 1, 3, 52, 19);
    ck_assert_uint_eq(reply.n_bytes, 2 + 2 * 19);
    double vel_x = world_truth(f.world, 0, QUANTITY_VEL_RMS_X);
    ck_assert_uint_eq(mw_load_u16be(&reply.bytes[2 + 2 * 6]), (unsigned)round(vel_x * 100));
    ck_assert_uint_eq(mw_load_u16be(&reply.bytes[2 + 2 * 3]), 0); /* 55: a hole */
    ck_assert_uint_eq(reply.n_bytes, ask(&f, 1, 1, 3, 5200, 19).n_bytes);
    tear_down(&f);
}
END_TEST

START_TEST(a_value_is_read_whole_or_in_halves_alike)
{
    struct fixture f;
    set_up(&f);
    struct pdu_reply whole = ask(&f, 0, 2, 3, 10, 2);
    ck_assert_double_eq_tol((double)float_at(&whole.bytes[2]),
                            world_truth(f.world, 0, QUANTITY_CURRENT), 1e-5);
    struct pdu_reply high = ask(&f, 0, 2, 3, 10, 1), low = ask(&f, 0, 2, 3, 11, 1);
    ck_assert_mem_eq(&high.bytes[2], &whole.bytes[2], 2);
    ck_assert_mem_eq(&low.bytes[2], &whole.bytes[4], 2);
    struct pdu_reply speed = ask(&f, 0, 2, 4, 0, 2); /* low word first */
    ck_assert_uint_eq(mw_load_u16be(&speed.bytes[2]),
                      (unsigned)round(world_truth(f.world, 0, QUANTITY_SPEED)));
    ck_assert_uint_eq(mw_load_u16be(&speed.bytes[4]), 0);
    struct pdu_reply running = ask(&f, 0, 2, 2, 3, 1);
    ck_assert_uint_eq(running.bytes[2], 1);
    tear_down(&f);
}
END_TEST

START_TEST(what_is_not_there_is_refused)
{
    struct fixture f;
    set_up(&f);
    ck_assert_uint_eq(ask(&f, 0, 1, 3, 51, 2).bytes[1], 2);
    ck_assert_uint_eq(ask(&f, 0, 1, 3, 70, 2).bytes[1], 2);
    ck_assert_uint_eq(ask(&f, 0, 2, 3, 10, 5).bytes[1], 2); /* holes: refuse */
    ck_assert_uint_eq(ask(&f, 0, 1, 4, 52, 1).bytes[1], 1);
    ck_assert_uint_eq(ask(&f, 0, 3, 3, 0, 1).n_bytes, 0);  /* no such unit */
    ck_assert_uint_eq(ask(&f, 1, 2, 3, 10, 2).n_bytes, 0); /* it is on the other bus */
    tear_down(&f);
}
END_TEST

START_TEST(a_dead_slave_gives_silence_and_its_neighbour_answers)
{
    struct fixture f;
    set_up(&f);
    world_advance(f.world, 6 * MINUTE_US);
    ck_assert_uint_eq(ask(&f, 0, 1, 3, 52, 19).n_bytes, 0);
    ck_assert_uint_gt(ask(&f, 0, 2, 3, 10, 2).n_bytes, 2);
    ck_assert_uint_gt(ask(&f, 1, 1, 3, 5200, 22).n_bytes, 2);
    tear_down(&f);
}
END_TEST

MW_SUITE("simulator/hall", a_block_reads_as_its_map_says, a_value_is_read_whole_or_in_halves_alike,
         what_is_not_there_is_refused, a_dead_slave_gives_silence_and_its_neighbour_answers)
