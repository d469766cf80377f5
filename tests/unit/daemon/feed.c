/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/feed.h"
#include "support/suite.h"

/* Answers the newest question with messages from..to, as far as they do not fly. */
static void answer(struct feed *f, const struct outbox_order *asked, uint64_t from, uint64_t to,
                   bool more)
{
    struct outbox_news news = { .kind = OUTBOX_MESSAGE, .request = asked->request };
    for (uint64_t seq = from; seq <= to; seq++) {
        bool flies = false;
        for (uint32_t i = 0; i < asked->ask.n_flying; i++)
            flies = flies || asked->ask.flying[i] == seq;
        news.message.seq = seq;
        if (!flies)
            feed_take(f, &news);
    }
    news.kind = OUTBOX_SERVED;
    news.more = more;
    feed_take(f, &news);
}

static struct outbox_order ask(struct feed *f, const struct link *link)
{
    struct outbox_order order;
    ck_assert(feed_should_ask(f));
    feed_ask(f, link, &order);
    ck_assert(!feed_should_ask(f)); /* one question at a time */
    return order;
}

static void hand_over(struct feed *f, uint64_t seq)
{
    ck_assert_ptr_nonnull(feed_first(f));
    ck_assert_uint_eq(feed_first(f)->seq, seq);
    feed_pass_first(f);
}

START_TEST(what_is_handed_over_while_a_question_is_open_is_not_handed_over_again)
{
    static struct feed f;
    static struct link link;
    f = (struct feed){ .highest = 100 };
    feed_connected(&f);
    ck_assert_int_eq(feed_offer(&f), LINK_OFFER_UNKNOWN);
    struct outbox_order first = ask(&f, &link);
    ck_assert_uint_eq(first.ask.live_above, 100);
    answer(&f, &first, 1, OUTBOX_BATCH, true);
    ck_assert_int_eq(feed_offer(&f), LINK_OFFER_BACKLOG);
    uint64_t seq = 1;
    while (!feed_should_ask(&f))
        hand_over(&f, seq++);
    link.flights[link.n_flights++].seq =
        1; /* one of them flies yet, the others were acknowledged */
    struct outbox_order second = ask(&f, &link);
    hand_over(&f, seq); /* from what is left of the first answer */
    hand_over(&f, seq + 1);
    for (uint64_t done = 2; done < seq; done++)
        feed_drop(&f, done); /* no obstacle, whatever they are */
    answer(&f, &second, seq, seq + OUTBOX_BATCH - 1, true);
    hand_over(&f, seq + 2);
    hand_over(&f, seq + 3);
}
END_TEST

START_TEST(an_answer_of_before_a_refusal_or_a_connection_is_ignored)
{
    static struct feed f;
    static struct link link;
    f = (struct feed){ .highest = 9 };
    feed_connected(&f);
    struct outbox_order order = ask(&f, &link);
    feed_forget(&f);
    answer(&f, &order, 1, 9, false);
    ck_assert_int_eq(feed_offer(&f), LINK_OFFER_UNKNOWN);
    order = ask(&f, &link);
    answer(&f, &order, 2, 9, false);
    hand_over(&f, 2);
    feed_forget(&f); /* refused: what is in the cache does not count either */
    ck_assert_ptr_null(feed_first(&f));
    order = ask(&f, &link);
    answer(&f, &order, 2, 2, false);
    answer(&f, &order, 3, 3, false); /* the same again: ignored */
    hand_over(&f, 2);
    ck_assert_int_eq(feed_offer(&f), LINK_OFFER_NONE);
}
END_TEST

START_TEST(news_is_asked_for_at_once_and_late_acknowledgements_leave)
{
    static struct feed f;
    static struct link link;
    f = (struct feed){ .highest = 5 };
    feed_connected(&f);
    struct outbox_order order = ask(&f, &link);
    answer(&f, &order, 1, 5, false);
    ck_assert(!feed_should_ask(&f));
    feed_drop(&f, 3);
    hand_over(&f, 1);
    hand_over(&f, 2);
    hand_over(&f, 4);
    feed_take(&f, &(struct outbox_news){ .kind = OUTBOX_HIGHEST, .highest = 6 });
    order = ask(&f, &link);
    ck_assert_uint_eq(order.ask.live_above, 5);
    hand_over(&f, 5);
    answer(&f, &order, 5, 6, false);
    hand_over(&f, 6);
    ck_assert_int_eq(feed_offer(&f), LINK_OFFER_NONE);
}
END_TEST

MW_SUITE("daemon/feed", what_is_handed_over_while_a_question_is_open_is_not_handed_over_again,
         an_answer_of_before_a_refusal_or_a_connection_is_ignored,
         news_is_asked_for_at_once_and_late_acknowledgements_leave)
