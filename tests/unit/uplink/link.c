/* SPDX-License-Identifier: Apache-2.0 */
#include "uplink/link.h"
#include "support/suite.h"

#define S INT64_C(1000000)

#define ROWS 128

/* A link with its clock; the outbox is "every seq up to newest that is not gone". */
struct bench {
    struct link link;
    int64_t now_us;
    uint64_t newest, backlog; /* up to backlog they are offered as such, else as live */
    bool gone[ROWS];
};

static struct bench make_bench(uint64_t newest)
{
    struct bench b = { .now_us = 1000 * S, .newest = newest };
    link_init(&b.link, 42);
    return b;
}

static bool flies(const struct bench *b, uint64_t seq)
{
    for (uint32_t i = 0; i < b->link.n_flights; i++)
        if (b->link.flights[i].seq == seq)
            return true;
    return false;
}

/* What storage would name next; 0: nothing. */
static uint64_t first(const struct bench *b)
{
    uint64_t seq = 1;
    while (seq <= b->newest && (b->gone[seq] || flies(b, seq)))
        seq++;
    return seq <= b->newest ? seq : 0;
}

static enum link_offer offer(const struct bench *b)
{
    uint64_t seq = first(b);
    return seq == 0 ? LINK_OFFER_NONE : seq <= b->backlog ? LINK_OFFER_BACKLOG : LINK_OFFER_LIVE;
}

static struct link_order next(struct bench *b)
{
    struct link_order order = link_next(&b->link, offer(b), b->now_us);
    if (order.kind == LINK_ACKNOWLEDGE || order.kind == LINK_DEAD_LETTER)
        b->gone[order.seq] = true;
    return order;
}

static void tell(struct bench *b, enum broker_event_kind kind, uint64_t token, uint8_t reason)
{
    struct broker_event event = {
        .kind = kind, .epoch = b->link.epoch, .token = token, .reason = reason
    };
    link_event(&b->link, &event, b->now_us);
}

static void expect(struct bench *b, enum link_order_kind kind, uint64_t seq)
{
    struct link_order order = next(b);
    ck_assert_int_eq(order.kind, kind);
    ck_assert_uint_eq(order.seq, seq);
}

static void expect_rest(struct bench *b, int64_t wait_us)
{
    struct link_order order = next(b);
    ck_assert_int_eq(order.kind, LINK_REST);
    ck_assert_int_eq(order.wait_us, wait_us);
}

static void come_up(struct bench *b, uint16_t receive_maximum)
{
    struct link_order order = next(b);
    if (order.kind == LINK_REST) {
        b->now_us += order.wait_us;
        order = next(b);
    }
    ck_assert_int_eq(order.kind, LINK_DIAL);
    struct broker_event up = { .kind = BROKER_UP,
                               .epoch = b->link.epoch,
                               .receive_maximum = receive_maximum };
    link_event(&b->link, &up, b->now_us);
    expect(b, LINK_ANNOUNCE, 0);
}

static void hand_over(struct bench *b, bool failed)
{
    expect(b, LINK_PUBLISH, 0);
    link_published(&b->link, first(b), offer(b), failed, b->now_us);
}

static void publish(struct bench *b, uint64_t from, uint64_t to)
{
    for (uint64_t seq = from; seq <= to; seq++) {
        ck_assert_uint_eq(first(b), seq);
        hand_over(b, false);
    }
}

START_TEST(the_first_dial_is_at_once_and_the_broker_is_greeted_once)
{
    struct bench b = make_bench(0);
    expect(&b, LINK_DIAL, 0);
    ck_assert_uint_eq(b.link.epoch, 1);
    expect_rest(&b, LINK_DIAL_TIMEOUT_US);
    tell(&b, BROKER_UP, 0, 0);
    expect(&b, LINK_ANNOUNCE, 0);
    expect_rest(&b, LINK_IDLE_US);
}
END_TEST

START_TEST(the_window_is_one_below_the_receive_maximum_and_sixteen_at_most)
{
    static const struct {
        uint16_t receive_maximum;
        uint32_t window;
    } cases[] = { { 0, 16 }, { 1, 1 }, { 2, 1 }, { 3, 2 }, { 16, 15 }, { 17, 16 }, { 65535, 16 } };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct bench b = make_bench(100);
        come_up(&b, cases[i].receive_maximum);
        publish(&b, 1, cases[i].window);
        expect_rest(&b, LINK_ACK_TIMEOUT_US);
    }
}
END_TEST

START_TEST(a_delivered_message_is_acknowledged_and_makes_room)
{
    struct bench b = make_bench(20);
    come_up(&b, 0);
    publish(&b, 1, 16);
    tell(&b, BROKER_DELIVERED, 3, 0);
    expect(&b, LINK_ACKNOWLEDGE, 3);
    publish(&b, 17, 17);
    expect_rest(&b, LINK_ACK_TIMEOUT_US);
}
END_TEST

START_TEST(an_unheard_message_is_delivered_and_counted)
{
    struct bench b = make_bench(1);
    come_up(&b, 0);
    publish(&b, 1, 1);
    tell(&b, BROKER_DELIVERED, 1, 0x10);
    expect(&b, LINK_ACKNOWLEDGE, 1);
    ck_assert_uint_eq(b.link.stats.n_unheard, 1);
}
END_TEST

START_TEST(repeated_and_unknown_acknowledgements_are_ignored_and_counted)
{
    struct bench b = make_bench(2);
    come_up(&b, 0);
    publish(&b, 1, 2);
    tell(&b, BROKER_DELIVERED, 1, 0);
    tell(&b, BROKER_DELIVERED, 1, 0);
    tell(&b, BROKER_DELIVERED, 99, 0);
    tell(&b, BROKER_FAILED, 99, 0x97);
    expect(&b, LINK_ACKNOWLEDGE, 1);
    expect_rest(&b, LINK_ACK_TIMEOUT_US);
    ck_assert_uint_eq(b.link.stats.n_stray, 3);
}
END_TEST

START_TEST(after_a_loss_what_was_not_acknowledged_is_sent_again)
{
    struct bench b = make_bench(10);
    come_up(&b, 0);
    publish(&b, 1, 10);
    tell(&b, BROKER_DELIVERED, 1, 0);
    tell(&b, BROKER_DELIVERED, 2, 0);
    tell(&b, BROKER_DELIVERED, 7, 0);
    tell(&b, BROKER_LOST, 0, 0);
    expect(&b, LINK_ACKNOWLEDGE, 1);
    expect(&b, LINK_ACKNOWLEDGE, 2);
    expect(&b, LINK_ACKNOWLEDGE, 7);
    come_up(&b, 0);
    publish(&b, 3, 6);
    publish(&b, 8, 10);
}
END_TEST

START_TEST(a_late_event_of_an_older_connection_may_acknowledge_but_never_fail)
{
    struct bench b = make_bench(3);
    come_up(&b, 0);
    publish(&b, 1, 3);
    uint32_t old = b.link.epoch;
    tell(&b, BROKER_LOST, 0, 0);
    come_up(&b, 0);
    publish(&b, 1, 1);
    struct broker_event late = { .kind = BROKER_DELIVERED, .epoch = old, .token = 1 };
    link_event(&b.link, &late, b.now_us);
    late.token = 2;
    link_event(&b.link, &late, b.now_us);
    late = (struct broker_event){ .kind = BROKER_FAILED, .epoch = old, .token = 3 };
    link_event(&b.link, &late, b.now_us);
    late = (struct broker_event){ .kind = BROKER_LOST, .epoch = old };
    link_event(&b.link, &late, b.now_us);
    expect(&b, LINK_ACKNOWLEDGE, 1);
    expect(&b, LINK_ACKNOWLEDGE, 2);
    ck_assert_int_eq(b.link.state, LINK_UP);
    /* Its own answer does not acknowledge it twice. */
    tell(&b, BROKER_DELIVERED, 1, 0);
    ck_assert_uint_eq(first(&b), 3);
    expect(&b, LINK_PUBLISH, 0);
    ck_assert_uint_eq(b.link.stats.n_late, 2);
}
END_TEST

/* Messages 1 and 2 fly again on a second connection; a late answer is on its way. */
static struct broker_event make_late(struct bench *b)
{
    come_up(b, 0);
    publish(b, 1, 2);
    struct broker_event late = { .kind = BROKER_DELIVERED, .epoch = b->link.epoch, .token = 1 };
    tell(b, BROKER_LOST, 0, 0);
    come_up(b, 0);
    publish(b, 1, 2);
    return late;
}

START_TEST(what_was_acknowledged_late_is_not_sent_again_when_refused)
{
    struct bench b = make_bench(2);
    struct broker_event late = make_late(&b);
    link_event(&b.link, &late, b.now_us);
    tell(&b, BROKER_FAILED, 1, 0x97);
    expect(&b, LINK_ACKNOWLEDGE, 1);
    expect_rest(&b, LINK_ACK_TIMEOUT_US);
    ck_assert_uint_eq(first(&b), 0);
}
END_TEST

START_TEST(what_was_refused_and_then_acknowledged_late_is_settled)
{
    struct bench b = make_bench(2);
    struct broker_event late = make_late(&b);
    tell(&b, BROKER_FAILED, 1, 0x97);
    link_event(&b.link, &late, b.now_us);
    expect(&b, LINK_ACKNOWLEDGE, 1);
    tell(&b, BROKER_DELIVERED, 2, 0);
    expect(&b, LINK_ACKNOWLEDGE, 2);
    b.now_us += 2 * S;
    expect_rest(&b, LINK_IDLE_US);
    ck_assert_uint_eq(b.link.n_flights, 0);
}
END_TEST

START_TEST(what_was_answered_on_both_connections_is_acknowledged_once)
{
    struct bench b = make_bench(2);
    struct broker_event late = make_late(&b);
    tell(&b, BROKER_DELIVERED, 1, 0);
    link_event(&b.link, &late, b.now_us);
    expect(&b, LINK_ACKNOWLEDGE, 1);
    expect_rest(&b, LINK_ACK_TIMEOUT_US);
    ck_assert_uint_eq(b.link.stats.n_stray, 1);
}
END_TEST

START_TEST(an_overdue_acknowledgement_hangs_up_and_dials_again)
{
    struct bench b = make_bench(1);
    come_up(&b, 0);
    publish(&b, 1, 1);
    b.now_us += LINK_ACK_TIMEOUT_US - 1;
    expect_rest(&b, 1);
    b.now_us += 1;
    expect(&b, LINK_HANG_UP, 0);
    ck_assert_int_eq(b.link.state, LINK_DOWN);
    come_up(&b, 0);
    publish(&b, 1, 1);
    ck_assert_uint_eq(b.link.stats.n_hang_ups, 1);
}
END_TEST

START_TEST(a_dial_without_an_answer_is_given_up)
{
    struct bench b = make_bench(0);
    expect(&b, LINK_DIAL, 0);
    b.now_us += LINK_DIAL_TIMEOUT_US;
    expect(&b, LINK_HANG_UP, 0);
    /* It comes up after all: nobody waits for it any more. */
    tell(&b, BROKER_UP, 0, 0);
    expect(&b, LINK_HANG_UP, 0);
    ck_assert_int_eq(b.link.state, LINK_DOWN);
}
END_TEST

START_TEST(a_message_refused_for_now_is_kept_and_sent_again_after_a_pause)
{
    static const uint8_t reasons[] = { 0x97, 0x83, 0x80, 0x00 };
    for (size_t i = 0; i < sizeof reasons; i++) {
        struct bench b = make_bench(5);
        come_up(&b, 0);
        publish(&b, 1, 5);
        for (uint64_t seq = 1; seq <= 5; seq++)
            tell(&b, seq == 2 ? BROKER_FAILED : BROKER_DELIVERED, seq, seq == 2 ? reasons[i] : 0);
        for (uint64_t seq = 1; seq <= 5; seq++)
            if (seq != 2)
                expect(&b, LINK_ACKNOWLEDGE, seq);
        struct link_order order = next(&b);
        ck_assert_int_eq(order.kind, LINK_REST);
        ck_assert(order.wait_us >= 1 * S && order.wait_us <= 2 * S);
        b.now_us += order.wait_us;
        publish(&b, 2, 2);
        tell(&b, BROKER_DELIVERED, 2, 0);
        expect(&b, LINK_ACKNOWLEDGE, 2);
        /* The others were delivered once and are not sent again. */
        expect_rest(&b, LINK_IDLE_US);
        ck_assert_uint_eq(first(&b), 0);
    }
}
END_TEST

/* The wait ends in the pause of a refusal. */
static void wait_out(struct bench *b)
{
    struct link_order order = next(b);
    ck_assert_int_eq(order.kind, LINK_REST);
    ck_assert_int_le(order.wait_us, 60 * S);
    b->now_us += order.wait_us;
}

START_TEST(a_message_refused_for_good_is_tried_three_times_then_a_dead_letter)
{
    static const uint8_t reasons[] = { 0x87, 0x90, 0x95, 0x99 };
    for (size_t i = 0; i < sizeof reasons; i++) {
        struct bench b = make_bench(4);
        come_up(&b, 2);
        publish(&b, 1, 1);
        for (int tries = 1; tries <= 2; tries++) {
            tell(&b, BROKER_FAILED, 1, reasons[i]);
            wait_out(&b);
            publish(&b, 1, 1);
        }
        tell(&b, BROKER_FAILED, 1, reasons[i]);
        struct link_order order = next(&b);
        ck_assert_int_eq(order.kind, LINK_DEAD_LETTER);
        ck_assert_uint_eq(order.seq, 1);
        ck_assert_uint_eq(order.reason, reasons[i]);
        for (uint64_t seq = 2; seq <= 4; seq++) {
            publish(&b, seq, seq);
            tell(&b, BROKER_DELIVERED, seq, 0);
            expect(&b, LINK_ACKNOWLEDGE, seq);
        }
    }
}
END_TEST

START_TEST(tries_are_remembered_across_a_loss)
{
    struct bench b = make_bench(1);
    come_up(&b, 0);
    publish(&b, 1, 1);
    for (int tries = 1; tries <= 2; tries++) {
        tell(&b, BROKER_FAILED, 1, 0x87);
        tell(&b, BROKER_LOST, 0, 0);
        come_up(&b, 0);
        publish(&b, 1, 1);
    }
    tell(&b, BROKER_FAILED, 1, 0x87);
    expect(&b, LINK_DEAD_LETTER, 1);
}
END_TEST

START_TEST(a_window_refused_as_one_is_one_pause_and_is_retried_in_order)
{
    struct bench b = make_bench(20);
    come_up(&b, 0);
    publish(&b, 1, 16);
    for (uint64_t seq = 16; seq >= 1; seq--)
        tell(&b, BROKER_FAILED, seq, 0x97);
    ck_assert_uint_eq(b.link.n_pauses, 1);
    wait_out(&b);
    for (uint64_t seq = 1; seq <= 16; seq++) {
        publish(&b, seq, seq);
        if (seq < 16) /* one at a time, until all is well again */
            expect_rest(&b, LINK_ACK_TIMEOUT_US);
        tell(&b, BROKER_DELIVERED, seq, 0);
        if (seq < 16)
            expect(&b, LINK_ACKNOWLEDGE, seq);
    }
    expect(&b, LINK_ACKNOWLEDGE, 16);
    publish(&b, 17, 20);
}
END_TEST

START_TEST(a_refused_message_that_storage_dropped_is_not_waited_for)
{
    for (uint64_t backlog = 0; backlog <= 20; backlog += 20) {
        struct bench b = make_bench(2);
        b.backlog = backlog;
        come_up(&b, 0);
        publish(&b, 1, 2);
        tell(&b, BROKER_DELIVERED, 2, 0);
        tell(&b, BROKER_FAILED, 1, 0x97);
        expect(&b, LINK_ACKNOWLEDGE, 2);
        wait_out(&b);
        b.gone[1] = true;
        if (backlog ==
            0) /* nothing waits: that ends the caution; a backlog's next message does, too */
            expect_rest(&b, LINK_IDLE_US);
        b.newest = 14;
        publish(&b, 3, 14);
    }
}
END_TEST

START_TEST(a_backlog_leaves_places_for_live_messages)
{
    static const struct {
        uint16_t receive_maximum;
        uint32_t backlog, all;
    } cases[] = { { 0, 12, 16 }, { 1, 1, 1 }, { 2, 1, 1 }, { 3, 1, 2 }, { 5, 3, 4 }, { 9, 6, 8 } };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct bench b = make_bench(100);
        b.backlog = 100;
        come_up(&b, cases[i].receive_maximum);
        ck_assert_uint_eq(link_backlog_window(&b.link), cases[i].backlog);
        publish(&b, 1, cases[i].backlog);
        expect_rest(&b, LINK_ACK_TIMEOUT_US);
        b.backlog = 0; /* what storage names first now is news */
        publish(&b, cases[i].backlog + 1, cases[i].all);
        expect_rest(&b, LINK_ACK_TIMEOUT_US);
    }
}
END_TEST

START_TEST(nothing_is_handed_over_while_storage_has_not_answered)
{
    struct bench b = make_bench(5);
    come_up(&b, 0);
    ck_assert_int_eq(link_next(&b.link, LINK_OFFER_UNKNOWN, b.now_us).kind, LINK_REST);
    publish(&b, 1, 5);
}
END_TEST

START_TEST(a_message_the_library_does_not_take_is_offered_again_soon)
{
    struct bench b = make_bench(1);
    come_up(&b, 0);
    for (int64_t wait_us = 10000; wait_us <= 640000; wait_us *= 2) {
        hand_over(&b, true);
        expect_rest(&b, wait_us);
        b.now_us += wait_us;
    }
    hand_over(&b, true);
    expect_rest(&b, 1 * S);
}
END_TEST

START_TEST(back_off_is_one_to_sixty_seconds_and_spread)
{
    struct bench b = make_bench(0);
    int64_t longest_us = 0, ceiling_us = 2 * S;
    for (int i = 0; i < 200; i++) {
        expect(&b, LINK_DIAL, 0);
        tell(&b, BROKER_REFUSED, 0, 0x88);
        struct link_order order = next(&b);
        ck_assert_int_eq(order.kind, LINK_REST);
        ck_assert_int_ge(order.wait_us, 1 * S);
        ck_assert_int_le(order.wait_us, ceiling_us);
        ceiling_us = ceiling_us * 2 < 60 * S ? ceiling_us * 2 : 60 * S;
        if (order.wait_us > longest_us)
            longest_us = order.wait_us;
        b.now_us += order.wait_us;
    }
    ck_assert_int_gt(longest_us, 55 * S);
}
END_TEST

START_TEST(gateways_of_different_seed_return_at_different_moments)
{
    int64_t waits_us[32];
    for (uint64_t seed = 0; seed < 32; seed++) {
        struct link link;
        link_init(&link, seed);
        for (int i = 0; i < 6; i++) {
            ck_assert_int_eq(link_next(&link, LINK_OFFER_NONE, link.retry_us).kind, LINK_DIAL);
            struct broker_event no = { .kind = BROKER_REFUSED, .epoch = link.epoch };
            link_event(&link, &no, 0);
        }
        waits_us[seed] = link.retry_us;
        for (uint64_t other = 0; other < seed; other++)
            ck_assert_int_ne(waits_us[seed], waits_us[other]);
    }
}
END_TEST

START_TEST(a_broker_that_accepts_and_drops_is_not_hammered)
{
    struct bench b = make_bench(0);
    int64_t begin_us = b.now_us;
    for (int i = 0; i < 100; i++) {
        come_up(&b, 0);
        tell(&b, BROKER_LOST, 0, 0);
    }
    ck_assert_int_gt(b.now_us - begin_us, 100 * 10 * S);
    come_up(&b, 0);
    b.now_us += LINK_STEADY_US;
    tell(&b, BROKER_LOST, 0, 0);
    ck_assert_int_le(next(&b).wait_us, 2 * S);
}
END_TEST

START_TEST(one_end_told_twice_is_one_end)
{
    struct bench b = make_bench(0);
    come_up(&b, 0);
    tell(&b, BROKER_LOST, 0, 0);
    tell(&b, BROKER_REFUSED, 0, 0); /* Paho reports a loss as a failed connect, too */
    ck_assert_uint_eq(b.link.stats.n_lost, 1);
    ck_assert_uint_eq(b.link.stats.n_refused, 0);
    ck_assert_uint_eq(b.link.n_failures, 1);
}
END_TEST

START_TEST(a_week_without_a_broker_is_a_loop)
{
    struct bench b = make_bench(3);
    int64_t end_us = b.now_us + 7 * 86400 * S;
    int n_dials = 0;
    while (b.now_us < end_us) {
        struct link_order order = next(&b);
        if (order.kind == LINK_DIAL) {
            n_dials++;
            tell(&b, BROKER_REFUSED, 0, 0);
        } else {
            ck_assert_int_eq(order.kind, LINK_REST);
            b.now_us += order.wait_us;
        }
    }
    /* Every half minute on average. */
    ck_assert(n_dials > 7 * 86400 / 60 && n_dials < 7 * 86400 / 20);
    come_up(&b, 0);
    publish(&b, 1, 3);
}
END_TEST

MW_SUITE("uplink/link", the_first_dial_is_at_once_and_the_broker_is_greeted_once,
         the_window_is_one_below_the_receive_maximum_and_sixteen_at_most,
         a_delivered_message_is_acknowledged_and_makes_room,
         an_unheard_message_is_delivered_and_counted,
         repeated_and_unknown_acknowledgements_are_ignored_and_counted,
         after_a_loss_what_was_not_acknowledged_is_sent_again,
         a_late_event_of_an_older_connection_may_acknowledge_but_never_fail,
         what_was_acknowledged_late_is_not_sent_again_when_refused,
         what_was_refused_and_then_acknowledged_late_is_settled,
         what_was_answered_on_both_connections_is_acknowledged_once,
         an_overdue_acknowledgement_hangs_up_and_dials_again, a_dial_without_an_answer_is_given_up,
         a_message_refused_for_now_is_kept_and_sent_again_after_a_pause,
         a_message_refused_for_good_is_tried_three_times_then_a_dead_letter,
         tries_are_remembered_across_a_loss,
         a_window_refused_as_one_is_one_pause_and_is_retried_in_order,
         a_refused_message_that_storage_dropped_is_not_waited_for,
         a_backlog_leaves_places_for_live_messages,
         nothing_is_handed_over_while_storage_has_not_answered,
         a_message_the_library_does_not_take_is_offered_again_soon,
         back_off_is_one_to_sixty_seconds_and_spread,
         gateways_of_different_seed_return_at_different_moments,
         a_broker_that_accepts_and_drops_is_not_hammered, one_end_told_twice_is_one_end,
         a_week_without_a_broker_is_a_loop)
