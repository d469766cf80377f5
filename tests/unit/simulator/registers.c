/* SPDX-License-Identifier: Apache-2.0 */
#include "simulator/registers.h"

#include "support/suite.h"

#include <math.h>
#include <string.h>

static const struct cell *find(enum register_map map, const char *name)
{
    size_t n;
    const struct cell *cells = map_cells(map, &n);
    for (size_t i = 0; i < n; i++)
        if (strcmp(cells[i].name, name) == 0)
            return &cells[i];
    ck_abort_msg("no %s", name);
    return NULL;
}

static uint16_t encoded(enum register_map map, const char *name, double value)
{
    uint16_t word;
    cell_encode(find(map, name), value, &word);
    return word;
}

/* Raw values and readings published with the WTVB01. */
START_TEST(a_wtvb01_value_becomes_the_published_raw)
{
    ck_assert_uint_eq(encoded(MAP_WTVB01, "acc_z", 0.970703125), 1988);
    ck_assert_uint_eq(encoded(MAP_WTVB01, "vel_x", 20.10), 2010);
    ck_assert_uint_eq(encoded(MAP_WTVB01, "temp", 24.17), 2417);
    ck_assert_uint_eq(encoded(MAP_WTVB01, "freq_x", 61.9), 619);
    ck_assert_uint_eq(find(MAP_WTVB01, "acc_x")->address, 0x34);
    ck_assert_uint_eq(find(MAP_WTVB01, "vel_x")->address, 0x3a);
    ck_assert_uint_eq(find(MAP_WTVB01, "temp")->address, 0x40);
    ck_assert_uint_eq(find(MAP_WTVB01, "disp_x")->address, 0x41);
    ck_assert_uint_eq(find(MAP_WTVB01, "freq_z")->address, 0x46);
}
END_TEST

/* The published answer of the Banner family, whose first six fields share order and velocity
 * scales: 0.0046 in/s, 0.108 mm/s ... 0.0071 in/s, 0.182 mm/s. The temperature of the VT2 has 1/100
 * where that device has 1/20. */
START_TEST(a_qm30vt2_value_becomes_the_published_raw)
{
    ck_assert_uint_eq(encoded(MAP_QM30VT2, "vel_rms_z_ips", 0.0046 * 25.4), 0x2e);
    ck_assert_uint_eq(encoded(MAP_QM30VT2, "vel_rms_z", 0.108), 0x6c);
    ck_assert_uint_eq(encoded(MAP_QM30VT2, "vel_rms_x_ips", 0.0071 * 25.4), 0x47);
    ck_assert_uint_eq(encoded(MAP_QM30VT2, "vel_rms_x", 0.182), 0xb6);
    ck_assert_uint_eq(encoded(MAP_QM30VT2, "temp", 25.9), 2590);
    ck_assert_uint_eq(encoded(MAP_QM30VT2, "temp_f", 25.9), 7862);
    ck_assert_uint_eq(encoded(MAP_QM30VT2, "temp", -3.21), (uint16_t)-321);
    ck_assert_uint_eq(encoded(MAP_QM30VT2, "kurtosis_x", 3.0), 3000);
}
END_TEST

START_TEST(the_qm30vt2_block_has_no_hole)
{
    size_t n;
    const struct cell *cells = map_cells(MAP_QM30VT2, &n);
    ck_assert_uint_eq(n, 22);
    for (size_t i = 0; i < n; i++) {
        ck_assert_uint_eq(cells[i].address, 5200 + i);
        ck_assert_int_eq(cells[i].table, TABLE_HOLDING);
    }
}
END_TEST

START_TEST(a_value_beyond_the_type_is_held_at_its_end)
{
    ck_assert_uint_eq(encoded(MAP_QM30VT2, "vel_rms_x", 70.0), 65535);
    ck_assert_uint_eq(encoded(MAP_QM30VT2, "vel_rms_x", -1.0), 0);
    ck_assert_uint_eq(encoded(MAP_QM30VT2, "temp", 400.0), 32767);
    ck_assert_uint_eq(encoded(MAP_QM30VT2, "temp", -400.0), 0x8000);
    ck_assert_uint_eq(encoded(MAP_QM30VT2, "temp", (double)NAN), 0x8000);
}
END_TEST

START_TEST(two_registers_stand_in_the_order_asked_for)
{
    static const uint16_t golden[][2] = {
        [CELL_ABCD] = { 0x42f6, 0xe979 }, /* 123.456 */
        [CELL_CDAB] = { 0xe979, 0x42f6 },
        [CELL_BADC] = { 0xf642, 0x79e9 },
        [CELL_DCBA] = { 0x79e9, 0xf642 },
    };
    for (int order = CELL_ABCD; order <= CELL_DCBA; order++) {
        struct cell cell = { .type = CELL_FLOAT32, .order = (enum cell_order)order, .scale = 1 };
        uint16_t words[2];
        cell_encode(&cell, 123.456, words);
        ck_assert_uint_eq(words[0], golden[order][0]);
        ck_assert_uint_eq(words[1], golden[order][1]);
    }
    struct cell cell = { .type = CELL_INT32, .scale = 0.01, .offset = 5 };
    uint16_t words[2];
    cell_encode(&cell, 4.99, words); /* raw -1 */
    ck_assert_uint_eq(words[0], 0xffff);
    ck_assert_uint_eq(words[1], 0xffff);
}
END_TEST

MW_SUITE("simulator/registers", a_wtvb01_value_becomes_the_published_raw,
         a_qm30vt2_value_becomes_the_published_raw, the_qm30vt2_block_has_no_hole,
         a_value_beyond_the_type_is_held_at_its_end, two_registers_stand_in_the_order_asked_for)
