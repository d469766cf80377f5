/* SPDX-License-Identifier: Apache-2.0 */
#include "inference/score.h"
#include "base/result.h"
#include "support/suite.h"
#include "unit/inference/builder.h"

#include <math.h>
#include <string.h>

#define W 4

/* One scored channel "flow" of mean 10, deviation 2; levels alone; threshold 8 at sigma 0.5, so a
 * z of 4 is the threshold and a z of 2.4 clears. */
static struct mw_card levels_of_one_channel(void)
{
    return (struct mw_card){
        .window = W,
        .n_channels = 1,
        .n_signals = 1,
        .clip_in = 4.0f,
        .clip_wide = 100.0f,
        .on = 8.0f,
        .off_ratio = 0.6f,
        .rho = 0.2f,
        .cap = 1000.0f,
        .k_on = 1,
        .k_off = 3,
        .k_recover = 6,
        .max_gap = 2,
        .tau = 10.0f,
        .baseline_bound = 4.0f,
        .sigma = { 0.5f },
        .channels = { { "flow", "l/s", MW_ROLE_SCORE, 10.0f, 2.0f, 1 } },
    };
}

static double sd_of(int64_t signal)
{
    return (double)signal / (double)(INT64_C(1) << MW_SCORE_SIGNAL_BITS);
}

struct machine {
    struct mw_score score;
    struct mw_score_result result;
    int64_t slot;
};

static void start(struct machine *m, bool reanchor)
{
    struct mw_card card = levels_of_one_channel();
    *m = (struct machine){ 0 };
    ck_assert_int_eq(mw_score_init(&m->score, &card, NULL, reanchor), MW_OK);
}

/* n frames of the same z; returns the state after the last. */
static uint8_t run(struct machine *m, float z, int n)
{
    float x = 10.0f + 2.0f * z;
    for (int i = 0; i < n; i++)
        mw_score_step(&m->score, &x, 1, m->slot++, &m->result);
    return m->result.state;
}

START_TEST(absent_until_the_first_whole_window)
{
    struct machine m;
    start(&m, false);
    ck_assert_uint_eq(run(&m, 0.0f, W - 1), MW_MODEL_ABSENT);
    ck_assert(!m.result.judged);
    ck_assert_uint_eq(m.result.top_channel, MW_CHANNEL_NONE);
    ck_assert_uint_eq(run(&m, 0.0f, 1), MW_MODEL_NORMAL);
    ck_assert(m.result.judged);
}
END_TEST

START_TEST(a_shift_alarms_and_names_what_was_and_what_should_have_been)
{
    struct machine m;
    start(&m, false);
    run(&m, 0.0f, W);
    ck_assert_uint_eq(run(&m, 5.0f, W), MW_MODEL_ALARM);
    ck_assert_float_eq_tol(m.result.score, 5.0f / 0.5f / 8.0f, 0.4f);
    ck_assert_float_eq(mw_score_reason(&m.score).value, 20.0f);
    ck_assert_float_eq_tol(mw_score_reason(&m.score).expected, 10.0f, 2.0f);
    ck_assert_float_eq(mw_score_reason(&m.score).share, 1.0f);
    ck_assert_uint_eq(m.result.top_channel, 0);

    struct mw_contributor told[MW_ALERT_CONTRIBUTORS];
    ck_assert_uint_eq(mw_score_contributors(&m.score, told), 1);
    ck_assert_str_eq(told[0].name, "flow");
    ck_assert_str_eq(told[0].unit, "l/s");
    ck_assert_float_eq(told[0].value, 20.0f);
}
END_TEST

START_TEST(the_score_is_capped)
{
    struct machine m;
    start(&m, false);
    m.score.cap = INT64_C(16) << MW_SCORE_BITS;
    run(&m, 90.0f, W);
    ck_assert_float_eq(m.result.score, 2.0f);
}
END_TEST

START_TEST(without_reanchoring_only_a_return_ends_an_alarm)
{
    struct machine m;
    start(&m, false);
    run(&m, 0.0f, W);
    run(&m, 50.0f, W);
    /* Far below the peak, above the clear level: it stays, for as long as it lasts. */
    ck_assert_uint_eq(run(&m, 3.0f, 1000), MW_MODEL_ALARM);
    /* Window means 2.25, 1.5, 0.75: three below 2.4. */
    ck_assert_uint_eq(run(&m, 0.0f, 2), MW_MODEL_ALARM);
    ck_assert_uint_eq(run(&m, 0.0f, 1), MW_MODEL_NORMAL);
}
END_TEST

START_TEST(below_the_clear_level_must_last_k_off_frames)
{
    struct machine m;
    start(&m, false);
    run(&m, 50.0f, W);
    run(&m, 0.0f, W + 1); /* the window is all zero for two frames */
    ck_assert_uint_eq(m.result.state, MW_MODEL_ALARM);
    run(&m, 50.0f, 1);
    ck_assert_uint_eq(run(&m, 0.0f, W + 1), MW_MODEL_ALARM);
    ck_assert_uint_eq(run(&m, 0.0f, 1), MW_MODEL_NORMAL);
}
END_TEST

START_TEST(with_reanchoring_a_settled_level_is_accepted_and_said)
{
    struct machine m;
    start(&m, true);
    run(&m, 0.0f, W);
    run(&m, 50.0f, W);
    run(&m, 3.0f, W);
    ck_assert_uint_eq(run(&m, 3.0f, 2), MW_MODEL_RECOVERING);
    run(&m, 3.0f, 4);
    ck_assert(!m.result.reanchored);
    ck_assert_uint_eq(run(&m, 3.0f, 1), MW_MODEL_NORMAL);
    ck_assert(m.result.reanchored);
    ck_assert_double_eq_tol(sd_of(m.score.signals[0].baseline), 3.0, 1e-6);
    ck_assert_double_eq_tol(sd_of(m.score.signals[0].centre), 3.0, 1e-6);
    ck_assert_uint_eq(run(&m, 3.0f, 1), MW_MODEL_NORMAL);
    ck_assert_float_eq_tol(m.result.score, 0.0f, 1e-6f);
}
END_TEST

START_TEST(a_relapse_while_recovering_is_the_same_alarm)
{
    struct machine m;
    start(&m, true);
    run(&m, 0.0f, W);
    run(&m, 50.0f, W);
    run(&m, 3.0f, W + 2);
    int64_t peak = m.score.peak;
    ck_assert_uint_eq(m.result.state, MW_MODEL_RECOVERING);
    ck_assert_uint_eq(run(&m, 49.0f, 2), MW_MODEL_ALARM);
    ck_assert_int_eq(m.score.peak, peak);
}
END_TEST

START_TEST(a_ramp_is_never_learned_away)
{
    struct machine m;
    start(&m, false);
    run(&m, 0.0f, W);
    float z = 0.0f;
    for (int i = 0; i < 100000 && m.result.state == MW_MODEL_NORMAL; i++)
        run(&m, z += 0.001f, 1);
    /* Bound 4 sigma = 2, threshold 8 sigma = 4: the alarm comes at 6 at the latest. */
    ck_assert_uint_eq(m.result.state, MW_MODEL_ALARM);
    ck_assert_float_lt(z, 6.01f);
    ck_assert_double_eq(sd_of(m.score.signals[0].baseline), 2.0);
}
END_TEST

START_TEST(a_person_accepts_the_level_as_baseline_and_centre)
{
    struct machine m;
    start(&m, false);
    run(&m, 0.0f, W);
    run(&m, 50.0f, W);
    mw_score_accept(&m.score);
    ck_assert_uint_eq(run(&m, 50.0f, 1), MW_MODEL_NORMAL);
    ck_assert_float_eq_tol(m.result.score, 0.0f, 1e-6f);
    ck_assert_double_eq_tol(sd_of(m.score.signals[0].centre), 50.0, 1e-6);
    ck_assert_uint_eq(run(&m, 60.0f, W), MW_MODEL_ALARM);
}
END_TEST

START_TEST(accepting_while_blind_waits_for_the_next_whole_window)
{
    struct machine m;
    float x = NAN;
    start(&m, false);
    run(&m, 0.0f, W);
    run(&m, 50.0f, W);
    mw_score_step(&m.score, &x, 1, m.slot++, &m.result);
    mw_score_accept(&m.score);
    ck_assert_uint_eq(run(&m, 30.0f, W), MW_MODEL_NORMAL);
    ck_assert_double_eq_tol(sd_of(m.score.signals[0].centre), 30.0, 1e-6);
}
END_TEST

START_TEST(an_invalid_value_holds_the_decision_and_teaches_nothing)
{
    struct machine m;
    start(&m, false);
    run(&m, 0.0f, W);
    run(&m, 50.0f, W);
    double baseline = sd_of(m.score.signals[0].baseline);
    static const float BAD[] = { 10.0f, NAN, INFINITY, -INFINITY };
    for (int k = 0; k < 4; k++) {
        ck_assert(!mw_score_step(&m.score, &BAD[k], k == 0 ? 0 : 1, m.slot++, &m.result));
        ck_assert_uint_eq(m.result.state, MW_MODEL_HOLD);
    }
    ck_assert_uint_eq(run(&m, 50.0f, W - 1), MW_MODEL_HOLD);
    ck_assert_uint_eq(m.score.state, MW_MODEL_ALARM);
    ck_assert_double_eq(sd_of(m.score.signals[0].baseline), baseline);
    ck_assert_uint_eq(run(&m, 50.0f, 1), MW_MODEL_ALARM);
    struct mw_contributor told[MW_ALERT_CONTRIBUTORS];
    mw_score_step(&m.score, &BAD[1], 1, m.slot++, &m.result);
    ck_assert_uint_eq(mw_score_contributors(&m.score, told), 0);
}
END_TEST

START_TEST(a_small_hole_is_bridged_and_a_larger_one_restarts)
{
    struct machine m;
    start(&m, false);
    run(&m, 0.0f, W);
    m.slot += 2;
    ck_assert_uint_eq(run(&m, 0.0f, 1), MW_MODEL_NORMAL);
    m.slot += 3;
    ck_assert_uint_eq(run(&m, 0.0f, W - 1), MW_MODEL_HOLD);
    ck_assert_uint_eq(run(&m, 0.0f, 1), MW_MODEL_NORMAL);
    m.slot -= 1;
    ck_assert_uint_eq(run(&m, 0.0f, 1), MW_MODEL_HOLD);
    m.slot = INT64_MIN;
    ck_assert_uint_eq(run(&m, 0.0f, 1), MW_MODEL_HOLD);
    m.slot = INT64_MAX - W;
    ck_assert_uint_eq(run(&m, 0.0f, W), MW_MODEL_NORMAL);
}
END_TEST

START_TEST(priming_fills_the_window_and_judges_nothing)
{
    struct machine m;
    float x = 110.0f;
    double signal = 0.0;
    start(&m, false);
    ck_assert(!mw_score_signals(&m.score, &signal));
    for (int i = 0; i < W; i++)
        mw_score_prime(&m.score, &x, 1, m.slot++);
    ck_assert_uint_eq(m.score.state, MW_MODEL_NORMAL);
    ck_assert(mw_score_signals(&m.score, &signal));
    ck_assert_double_eq(signal, 50.0);
    ck_assert_uint_eq(run(&m, 50.0f, 1), MW_MODEL_ALARM);
}
END_TEST

START_TEST(a_restored_score_goes_on_bit_for_bit)
{
    for (int at = 1; at < 60; at++) {
        struct machine a, b;
        uint8_t bytes[MW_SCORE_STATE_MAX];
        start(&a, true);
        for (int i = 0; i < at; i++)
            run(&a, i < 20 ? 0.3f : i < 32 ? 50.0f : 3.0f, 1);
        int n = mw_score_save(&a.score, bytes, sizeof bytes);
        ck_assert_int_gt(n, 0);
        start(&b, true);
        b.score.window = a.score.window;
        b.slot = a.slot;
        ck_assert_int_eq(mw_score_restore(&b.score, bytes, (size_t)n), MW_OK);
        for (int i = at; i < 80; i++) {
            float z = i < 20 ? 0.3f : i < 32 ? 50.0f : 3.0f;
            ck_assert_uint_eq(run(&a, z, 1), run(&b, z, 1));
            ck_assert(a.result.score == b.result.score);
            ck_assert(a.score.signals[0].baseline == b.score.signals[0].baseline);
        }
    }
}
END_TEST

START_TEST(bytes_that_are_no_state_are_refused_and_touch_nothing)
{
    struct machine m;
    uint8_t bytes[MW_SCORE_STATE_MAX];
    start(&m, false);
    run(&m, 1.0f, 9);
    int n = mw_score_save(&m.score, bytes, sizeof bytes);
    double baseline = sd_of(m.score.signals[0].baseline);
    for (int cut = 0; cut < n; cut++) {
        ck_assert_int_eq(mw_score_restore(&m.score, bytes, (size_t)cut), MW_ERR_FORMAT);
        ck_assert_int_eq(mw_score_save(&m.score, bytes, (size_t)cut), MW_ERR_NO_SPACE);
    }
    n = mw_score_save(&m.score, bytes, sizeof bytes);
    bytes[n] = 0;
    ck_assert_int_eq(mw_score_restore(&m.score, bytes, (size_t)n + 1), MW_ERR_FORMAT);
    memset(bytes + n - 8, 0xff, 8); /* a centre that is not a number */
    ck_assert_int_eq(mw_score_restore(&m.score, bytes, (size_t)n), MW_ERR_FORMAT);
    bytes[2] = 2;
    ck_assert_int_eq(mw_score_restore(&m.score, bytes, (size_t)n), MW_ERR_MISMATCH);
    ck_assert_double_eq(sd_of(m.score.signals[0].baseline), baseline);
}
END_TEST

START_TEST(recovering_becomes_alarm_where_reanchoring_was_switched_off)
{
    struct machine a, b;
    uint8_t bytes[MW_SCORE_STATE_MAX];
    start(&a, true);
    run(&a, 0.0f, W);
    run(&a, 50.0f, W);
    ck_assert_uint_eq(run(&a, 3.0f, W + 2), MW_MODEL_RECOVERING);
    int n = mw_score_save(&a.score, bytes, sizeof bytes);
    start(&b, false);
    ck_assert_int_eq(mw_score_restore(&b.score, bytes, (size_t)n), MW_OK);
    ck_assert_uint_eq(b.score.state, MW_MODEL_ALARM);
}
END_TEST

/* Two frames of a scored and a context channel; the network gives the scored channel the context
 * channel's values: weight 1 there, 0 elsewhere. */
static void build_copier(struct builder *b, float in_scale)
{
    static const int8_t weights[2 * 4] = { 0, 100, 0, 0, 0, 0, 0, 100 };
    static const float scale = 0.01f;
    static const struct dense_spec layer = { .n_in = 4,
                                             .n_out = 2,
                                             .weights = weights,
                                             .scales = &scale,
                                             .n_scales = 1,
                                             .out_scale = 4.0f / 127.0f };
    const struct model_spec spec = { .layers = &layer, .n_layers = 1, .in_scale = in_scale };
    memset(b, 0, sizeof *b);
    build_model(b, &spec);
}

static struct mw_card card_of_a_copier(void)
{
    struct mw_card card = levels_of_one_channel();
    card.window = 2;
    card.tau = 1000.0f;
    card.n_channels = 2;
    card.has_network = true;
    card.channels[1] = card.channels[0];
    strcpy(card.channels[1].name, "load");
    card.channels[1].role = MW_ROLE_CONTEXT;
    return card;
}

/* The wider the clip, the coarser z: its unit may be as large as the input's, or larger. */
START_TEST(the_networks_input_is_right_for_every_unit_of_z)
{
    static struct builder file;
    static _Alignas(8) uint8_t memory[4096];
    static const float scales[] = { 0.03f, 1e-3f, 1e-4f, 1e-9f };
    for (size_t i = 0; i < 4; i++) {
        struct mw_model model;
        struct mw_model_fault why;
        struct mw_score score;
        struct mw_score_result result;
        build_copier(&file, scales[i]);
        ck_assert_int_eq(mw_model_init(&model, file.bytes, file.n, MW_ROUNDING_DOUBLE, memory,
                                       sizeof memory, &why),
                         MW_OK);
        struct mw_card card = card_of_a_copier();
        card.clip_wide = 1e6f; /* steps of 2^-10 */
        ck_assert_int_eq(mw_score_init(&score, &card, &model, false), MW_OK);
        float z = 51.0f / 1024;
        mw_score_step(&score, (const float[]){ 10 + 2 * z, 10 - 2 * z }, 3, 0, &result);
        mw_score_step(&score, (const float[]){ 10, 14 }, 3, 1, &result);
        const int8_t *input = mw_window_input(&score.window);
        double q = floor((double)z / (double)scales[i] + 0.5);
        ck_assert_int_eq(input[0], q < 127 ? (int)q : 127);
        ck_assert_int_eq(input[1], q < 128 ? -(int)q : -128);
        ck_assert_int_eq(input[2], 0);
        ck_assert_int_eq(input[3], 2 / (double)scales[i] < 127 ? 67 : 127);
    }
}
END_TEST

START_TEST(the_networks_output_is_what_is_expected)
{
    static struct builder file;
    static _Alignas(8) uint8_t memory[4096];
    struct mw_model model;
    struct mw_model_fault why;
    build_copier(&file, 4.0f / 127.0f);
    ck_assert_int_eq(
        mw_model_init(&model, file.bytes, file.n, MW_ROUNDING_DOUBLE, memory, sizeof memory, &why),
        MW_OK);
    struct mw_card card = card_of_a_copier();

    struct mw_score score;
    struct mw_score_result result;
    ck_assert_int_eq(mw_score_init(&score, &card, &model, false), MW_OK);
    /* The flow follows the load: nothing to say, although it is three deviations off. */
    for (int i = 0; i < 50; i++)
        mw_score_step(&score, (const float[]){ 16.0f, 16.0f }, 3, i, &result);
    ck_assert_uint_eq(result.state, MW_MODEL_NORMAL);
    ck_assert_float_lt(result.score, 0.01f);
    /* The load falls and the flow stays: residual 3 - 0. */
    for (int i = 50; i < 52; i++)
        mw_score_step(&score, (const float[]){ 16.0f, 10.0f }, 3, i, &result);
    ck_assert_float_eq_tol(result.score, 3.0f / 0.5f / 8.0f, 0.01f);
    ck_assert_float_eq(mw_score_reason(&score).value, 16.0f);
    ck_assert_float_eq_tol(mw_score_reason(&score).expected, 10.0f, 0.05f);

    score.window.n_clean = 0;
    card.window = 3;
    ck_assert_int_eq(mw_score_init(&score, &card, &model, false), MW_ERR_MISMATCH);
    ck_assert_int_eq(mw_score_init(&score, &card, NULL, false), MW_ERR_MISMATCH);
    ck_assert_uint_eq(score.card.window, 2);
}
END_TEST

START_TEST(a_flat_score_of_zero_names_a_channel_and_no_share)
{
    struct machine m;
    start(&m, false);
    run(&m, 0.0f, W);
    ck_assert_float_eq(m.result.score, 0.0f);
    ck_assert_uint_eq(m.result.top_channel, 0);
    ck_assert_float_eq(mw_score_reason(&m.score).share, 0.0f);
}
END_TEST

MW_SUITE("inference/score", absent_until_the_first_whole_window,
         a_shift_alarms_and_names_what_was_and_what_should_have_been, the_score_is_capped,
         without_reanchoring_only_a_return_ends_an_alarm,
         below_the_clear_level_must_last_k_off_frames,
         with_reanchoring_a_settled_level_is_accepted_and_said,
         a_relapse_while_recovering_is_the_same_alarm, a_ramp_is_never_learned_away,
         a_person_accepts_the_level_as_baseline_and_centre,
         accepting_while_blind_waits_for_the_next_whole_window,
         an_invalid_value_holds_the_decision_and_teaches_nothing,
         a_small_hole_is_bridged_and_a_larger_one_restarts,
         priming_fills_the_window_and_judges_nothing, a_restored_score_goes_on_bit_for_bit,
         bytes_that_are_no_state_are_refused_and_touch_nothing,
         recovering_becomes_alarm_where_reanchoring_was_switched_off,
         the_networks_input_is_right_for_every_unit_of_z, the_networks_output_is_what_is_expected,
         a_flat_score_of_zero_names_a_channel_and_no_share)
