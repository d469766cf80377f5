/* SPDX-License-Identifier: Apache-2.0 */
#include "inference/framer.h"
#include "support/suite.h"

struct seen {
    struct mw_frame frames[64];
    int n;
};

static void keep(void *ctx, const struct mw_frame *frame)
{
    struct seen *seen = ctx;
    seen->frames[seen->n++] = *frame;
}

static void feed(struct mw_framer *f, struct seen *seen, uint16_t channel, int64_t slot,
                 enum mw_quality quality, float value)
{
    struct mw_sample sample = { .quality = (uint8_t)quality,
                                .value = value,
                                .mono_us = slot * 1000,
                                .at_us = slot * 1000 + 7 };
    mw_framer_feed(f, channel, slot, &sample, keep, seen);
}

START_TEST(a_slot_leaves_when_every_channel_has_a_sample)
{
    struct mw_framer f;
    struct seen seen = { .n = 0 };
    mw_framer_init(&f, 2);
    feed(&f, &seen, 0, 5, MW_QUALITY_GOOD, 1.0f);
    ck_assert_int_eq(seen.n, 0);
    feed(&f, &seen, 1, 5, MW_QUALITY_GOOD, 2.0f);
    ck_assert_int_eq(seen.n, 1);
    ck_assert_int_eq(seen.frames[0].slot, 5);
    ck_assert_uint_eq(seen.frames[0].valid, 3);
    ck_assert_uint_eq(seen.frames[0].fresh, 3);
    ck_assert_float_eq(seen.frames[0].values[1], 2.0f);
    ck_assert_int_eq(seen.frames[0].at_us, 5007);
}
END_TEST

START_TEST(a_slow_device_delays_but_the_order_stays)
{
    struct mw_framer f;
    struct seen seen = { .n = 0 };
    mw_framer_init(&f, 2);
    for (int64_t slot = 0; slot < 3; slot++)
        feed(&f, &seen, 0, slot, MW_QUALITY_GOOD, (float)slot);
    ck_assert_int_eq(seen.n, 0);
    for (int64_t slot = 0; slot < 3; slot++)
        feed(&f, &seen, 1, slot, MW_QUALITY_GOOD, 10.0f + (float)slot);
    ck_assert_int_eq(seen.n, 3);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(seen.frames[i].slot, i);
        ck_assert_float_eq(seen.frames[i].values[1], 10.0f + (float)i);
    }
}
END_TEST

START_TEST(a_skipped_poll_is_held_for_two_slots_and_then_invalid)
{
    struct mw_framer f;
    struct seen seen = { .n = 0 };
    mw_framer_init(&f, 2);
    feed(&f, &seen, 1, 0, MW_QUALITY_GOOD, 9.0f);
    for (int64_t slot = 0; slot < 12; slot++)
        feed(&f, &seen, 0, slot, MW_QUALITY_GOOD, 1.0f);
    ck_assert_int_ge(seen.n, 8);
    for (int i = 0; i < seen.n; i++) {
        bool held = seen.frames[i].slot <= MW_FRAMER_HOLD;
        ck_assert_uint_eq(seen.frames[i].valid, held ? 3 : 1);
        ck_assert_uint_eq(seen.frames[i].fresh, seen.frames[i].slot == 0 ? 3 : 1);
    }
}
END_TEST

START_TEST(an_answer_without_a_value_is_invalid_at_once_and_not_held)
{
    struct mw_framer f;
    struct seen seen = { .n = 0 };
    mw_framer_init(&f, 1);
    feed(&f, &seen, 0, 0, MW_QUALITY_GOOD, 9.0f);
    feed(&f, &seen, 0, 1, MW_QUALITY_INVALID, 0.0f);
    ck_assert_int_eq(seen.n, 2);
    ck_assert_uint_eq(seen.frames[1].valid, 0);
    ck_assert_uint_eq(f.holds, 0);
}
END_TEST

START_TEST(a_hole_in_the_slots_makes_no_frames)
{
    struct mw_framer f;
    struct seen seen = { .n = 0 };
    mw_framer_init(&f, 1);
    feed(&f, &seen, 0, 0, MW_QUALITY_GOOD, 1.0f);
    feed(&f, &seen, 0, INT64_C(1) << 40, MW_QUALITY_GOOD, 2.0f);
    ck_assert_int_eq(seen.n, 2);
    ck_assert_int_eq(seen.frames[1].slot, INT64_C(1) << 40);
}
END_TEST

START_TEST(a_sample_for_a_slot_that_left_is_counted)
{
    struct mw_framer f;
    struct seen seen = { .n = 0 };
    mw_framer_init(&f, 1);
    feed(&f, &seen, 0, 3, MW_QUALITY_GOOD, 1.0f);
    feed(&f, &seen, 0, 3, MW_QUALITY_GOOD, 2.0f);
    ck_assert_uint_eq(f.n_late, 1);
    ck_assert_int_eq(seen.n, 1);
}
END_TEST

START_TEST(time_never_falls_from_frame_to_frame)
{
    struct mw_framer f;
    struct seen seen = { .n = 0 };
    mw_framer_init(&f, 2);
    struct mw_sample young = { .quality = MW_QUALITY_STALE, .mono_us = 5000, .at_us = 5007 };
    feed(&f, &seen, 0, 1, MW_QUALITY_GOOD, 1.0f);
    feed(&f, &seen, 0, 2, MW_QUALITY_GOOD, 1.0f);
    feed(&f, &seen, 1, 2, MW_QUALITY_GOOD, 1.0f);
    mw_framer_feed(&f, 1, 1, &young, keep, &seen);
    ck_assert_int_eq(seen.n, 2);
    ck_assert_int_eq(seen.frames[0].mono_us, 5000);
    ck_assert_int_eq(seen.frames[1].mono_us, 5000);
    ck_assert_int_eq(seen.frames[1].at_us, 5007);
}
END_TEST

MW_SUITE("framer", a_slot_leaves_when_every_channel_has_a_sample,
         a_slow_device_delays_but_the_order_stays,
         a_skipped_poll_is_held_for_two_slots_and_then_invalid,
         an_answer_without_a_value_is_invalid_at_once_and_not_held,
         a_hole_in_the_slots_makes_no_frames, a_sample_for_a_slot_that_left_is_counted,
         time_never_falls_from_frame_to_frame)
