/* SPDX-License-Identifier: Apache-2.0 */
/* The link against an oracle: an outbox, a broker and a library that lose, refuse, repeat and delay
 * in seeded random order. What must hold at every step, and that all is delivered in the end. Rows
 * belong to machines; what comes while the connection is up overtakes other machines' backlog. */
#include "support/suite.h"
#include "uplink/link.h"

#include <stdio.h>
#include <string.h>

#define S         INT64_C(1000000)
#define N_ROWS    16384
#define N_LIBRARY 256
#define N_STEPS   100000
#define MACHINES  5

/* Check marks every assertion with a system call, which is too much for each of 10^5 steps. */
#define HOLDS(condition)                    \
    do {                                    \
        if (!(condition))                   \
            ck_abort_msg("%s", #condition); \
    } while (0)

enum row { ROW_NONE = 0, ROW_WAITING, ROW_ACKNOWLEDGED, ROW_DEAD };

/* A message the library took and has not answered. */
struct taken {
    uint64_t seq;
    uint32_t epoch;
    bool wanted; /* the broker will take it: decided when handed over */
    bool gone;   /* the broker has it, and only the answer is missing */
};

struct world {
    struct link link;
    uint64_t seed;
    int64_t now_us;
    enum row rows[N_ROWS + 1];
    uint32_t received[N_ROWS + 1]; /* by the broker, times */
    uint32_t refusals[N_ROWS + 1]; /* of any kind */
    uint32_t faults[N_ROWS + 1];   /* refusals for good */
    uint64_t newest;
    uint64_t low[MACHINES]; /* of a machine, all below have been received or refused */
    uint64_t done;          /* none up to here waits */
    uint64_t live_above;
    uint64_t n_overtaken;
    bool up;        /* as the library sees it */
    bool calm;      /* the broker has become reliable */
    uint32_t epoch; /* connect calls */
    bool dialled;
    uint16_t receive_maximum;
    struct taken library[N_LIBRARY];
    uint32_t n_library;
    uint64_t n_dead, n_late_acks, n_losses, n_hang_ups, n_resent;
};

static uint32_t pick(struct world *w, uint32_t n)
{
    w->seed = w->seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(w->seed >> 33) % n;
}

static uint64_t machine_of(uint64_t seq)
{
    return seq * 7 % 11 % MACHINES;
}

static bool flies(const struct world *w, uint64_t seq)
{
    for (uint32_t i = 0; i < w->link.n_flights; i++)
        if (w->link.flights[i].seq == seq)
            return true;
    return false;
}

/* As storage/outbox.h says: the lowest of a machine with news, else the lowest; 0: none. */
static uint64_t first(struct world *w, enum link_offer *ret_offer)
{
    uint64_t hot = 0, lowest = 0;
    while (w->done < w->newest && w->rows[w->done + 1] != ROW_WAITING)
        w->done++;
    for (uint64_t s = w->newest; s > w->done && s > w->live_above; s--)
        if (w->rows[s] == ROW_WAITING)
            hot |= UINT64_C(1) << machine_of(s);
    for (uint64_t s = w->done + 1; s <= w->newest; s++) {
        if (w->rows[s] != ROW_WAITING || flies(w, s))
            continue;
        lowest = lowest ? lowest : s;
        if (hot == 0 || (hot >> machine_of(s) & 1)) {
            *ret_offer = hot ? LINK_OFFER_LIVE : LINK_OFFER_BACKLOG;
            w->n_overtaken += s != lowest;
            return s;
        }
    }
    *ret_offer = lowest ? LINK_OFFER_BACKLOG : LINK_OFFER_NONE;
    return lowest;
}

static uint32_t in_air(const struct world *w)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < w->n_library; i++)
        n += w->library[i].epoch == w->epoch;
    return n;
}

static void tell(struct world *w, enum broker_event_kind kind, uint32_t epoch, uint64_t token,
                 uint8_t reason)
{
    struct broker_event event = { .kind = kind, .epoch = epoch, .token = token, .reason = reason };
    event.receive_maximum = w->receive_maximum;
    link_event(&w->link, &event, w->now_us);
}

/* One row in forty is refused for good whenever it comes, the others now and then. */
static bool is_wanted(struct world *w, uint64_t seq)
{
    return seq % 40 != 39 && (w->calm || pick(w, 8) != 0);
}

static void hand_over(struct world *w, uint64_t seq, enum link_offer offer)
{
    HOLDS(w->up);
    HOLDS(seq != 0); /* asked only where there is one */
    if (!w->calm && pick(w, 20) == 0) {
        link_published(&w->link, seq, offer, true, w->now_us);
        return;
    }
    uint32_t allowed = w->receive_maximum == 0 ? 65535 : w->receive_maximum;
    allowed = allowed > 1 ? allowed - 1 : 1;
    HOLDS(in_air(w) < allowed && in_air(w) < LINK_WINDOW_MAX);
    HOLDS(offer == LINK_OFFER_LIVE || in_air(w) < link_backlog_window(&w->link));
    HOLDS(w->n_library < N_LIBRARY);
    w->library[w->n_library++] = (struct taken){ seq, w->epoch, is_wanted(w, seq), false };
    w->n_resent += w->received[seq] > 0;
    link_published(&w->link, seq, offer, false, w->now_us);
}

/* The broker takes a message. First deliveries of a machine are in order: nothing overtakes a lower
 * one, unless the broker itself refused that. */
static void receive(struct world *w, struct taken *taken)
{
    uint64_t *low = &w->low[machine_of(taken->seq)];
    for (uint64_t seq = *low > 0 ? *low : 1; w->received[taken->seq] == 0 && seq < taken->seq;
         seq++)
        HOLDS(machine_of(seq) != machine_of(taken->seq) || w->received[seq] > 0 ||
              w->refusals[seq] > 0);
    if (taken->seq > *low)
        *low = taken->seq;
    w->received[taken->seq]++;
    taken->gone = true;
}

static void refuse(struct world *w, const struct taken *t)
{
    static const uint8_t reasons[] = { 0x97, 0x83, 0x80, 0x87, 0x90, 0x95, 0x99 };
    uint32_t i = t->seq % 40 == 39 ? 3 + pick(w, 4) : pick(w, 7);
    w->refusals[t->seq]++;
    w->faults[t->seq] += i >= 3;
    tell(w, BROKER_FAILED, t->epoch, t->seq, reasons[i]);
}

/* The library answers the oldest of what it took; after a loss the old ones mix with the new. */
static void answer(struct world *w, uint32_t i)
{
    struct taken t = w->library[i];
    memmove(w->library + i, w->library + i + 1, (w->n_library - i - 1) * sizeof t);
    w->n_library--;
    bool present = t.epoch == w->epoch && w->up;
    if (present && t.wanted)
        receive(w, &t);
    if (present && !t.wanted) {
        refuse(w, &t);
    } else if (!t.gone || (!present && pick(w, 3) == 0)) {
        tell(w, BROKER_FAILED, t.epoch, t.seq, 0);
    } else {
        tell(w, BROKER_DELIVERED, t.epoch, t.seq, pick(w, 50) == 0 ? 0x10 : 0);
        if (pick(w, 20) == 0) /* repeated */
            tell(w, BROKER_DELIVERED, t.epoch, t.seq, 0);
    }
}

/* A stream breaks: the broker has the first of what was under way, and not the rest. */
static void cut(struct world *w)
{
    uint32_t n = pick(w, LINK_WINDOW_MAX + 1);
    for (uint32_t i = 0; i < w->n_library; i++) {
        struct taken *t = &w->library[i];
        if (t->epoch != w->epoch || n == 0)
            continue;
        n--;
        if (t->wanted)
            receive(w, t);
        else
            w->refusals[t->seq]++; /* refused, and the link will never know */
    }
    w->up = w->dialled = false;
}

static void obey(struct world *w)
{
    for (int i = 0; i < 200; i++) {
        enum link_offer offer;
        uint64_t seq = first(w, &offer);
        if (!w->calm && pick(w, 8) == 0)
            offer = LINK_OFFER_UNKNOWN;
        struct link_order order = link_next(&w->link, offer, w->now_us);
        switch (order.kind) {
        case LINK_REST:
            HOLDS(order.wait_us >= 0);
            /* Never idle while up with something waiting and nothing in the air or held. */
            HOLDS(order.wait_us <= LINK_IDLE_US);
            return;
        case LINK_DIAL:
            HOLDS(!w->up);
            w->epoch++;
            w->dialled = true;
            break;
        case LINK_HANG_UP:
            w->n_hang_ups++;
            cut(w);
            break;
        case LINK_ANNOUNCE: w->live_above = w->newest; break;
        case LINK_PUBLISH: hand_over(w, seq, offer); break;
        case LINK_ACKNOWLEDGE:
            HOLDS(w->rows[order.seq] == ROW_WAITING); /* once, and never a dead one */
            HOLDS(w->received[order.seq] > 0);        /* the broker has it */
            w->rows[order.seq] = ROW_ACKNOWLEDGED;
            break;
        case LINK_DEAD_LETTER:
            HOLDS(w->rows[order.seq] == ROW_WAITING);
            HOLDS(w->faults[order.seq] >= LINK_REFUSALS_MAX);
            w->rows[order.seq] = ROW_DEAD;
            w->n_dead++;
            break;
        }
    }
    ck_abort_msg("the link never rests");
}

static void lose(struct world *w)
{
    cut(w);
    w->n_losses++;
    tell(w, BROKER_LOST, w->epoch, 0, 0);
    if (pick(w, 2))
        tell(w, BROKER_REFUSED, w->epoch, 0, 0);
}

static void connect_or_not(struct world *w)
{
    w->dialled = false;
    if (!w->calm && pick(w, 3) == 0) {
        tell(w, BROKER_REFUSED, w->epoch, 0, 0x88);
        return;
    }
    static const uint16_t maxima[] = { 0, 1, 2, 5, 16, 17, 20, 65535 };
    w->receive_maximum = maxima[pick(w, 8)];
    w->up = true;
    tell(w, BROKER_UP, w->epoch, 0, 0);
}

static void trouble(struct world *w)
{
    switch (pick(w, 12)) {
    case 0:
        if (w->up)
            lose(w);
        break;
    case 1: tell(w, BROKER_DELIVERED, w->epoch, N_ROWS + 1 + pick(w, 9), 0); break;
    case 2: tell(w, BROKER_FAILED, w->epoch, N_ROWS + 1 + pick(w, 9), 0x97); break;
    case 3: tell(w, BROKER_LOST, w->epoch - 1, 0, 0); break;
    case 4: w->now_us += pick(w, 30) * S; break;
    default: break;
    }
}

/* The first answer of this connection, or of any where it owes none. */
static uint32_t oldest_of(const struct world *w, uint32_t epoch)
{
    for (uint32_t i = 0; i < w->n_library; i++)
        if (w->library[i].epoch == epoch)
            return i;
    return 0;
}

static void step(struct world *w)
{
    w->now_us += pick(w, w->calm ? 1000000 : 300000);
    if (pick(w, 60) == 0) /* a burst */
        for (uint32_t n = 1 + pick(w, 20); n > 0 && w->newest < N_ROWS; n--)
            w->rows[++w->newest] = ROW_WAITING;
    if (w->dialled && pick(w, 4) == 0)
        connect_or_not(w);
    if (!w->calm && pick(w, 10) == 0)
        trouble(w);
    for (uint32_t n = pick(w, 3) ? 0 : pick(w, 8); n > 0 && w->n_library > 0; n--)
        answer(w, pick(w, 4) == 0 ? oldest_of(w, w->epoch) : 0);
    obey(w);
}

static bool waits(const struct world *w)
{
    for (uint64_t s = w->done + 1; s <= w->newest; s++)
        if (w->rows[s] == ROW_WAITING)
            return true;
    return false;
}

static void run(uint64_t seed, struct world *w)
{
    *w = (struct world){ .seed = seed, .now_us = 5 * S };
    link_init(&w->link, seed);
    for (int i = 0; i < N_STEPS; i++)
        step(w);
    /* From here on the broker is well: everything must leave. */
    w->calm = true;
    for (int i = 0; i < N_STEPS && (w->n_library + w->link.n_flights > 0 || waits(w)); i++)
        step(w);
    for (uint64_t seq = 1; seq <= w->newest; seq++) {
        ck_assert_int_ne(w->rows[seq], ROW_WAITING);
        if (w->rows[seq] == ROW_ACKNOWLEDGED)
            ck_assert_uint_gt(w->received[seq], 0);
    }
}

START_TEST(nothing_is_lost_the_window_holds_and_the_order_stays)
{
    static struct world w;
    for (uint64_t seed = 1; seed <= 8; seed++) {
        run(seed, &w);
        const struct link_stats *s = &w.link.stats;
        printf("seed %d: rows %d connects %d lost %d hang-ups %d resent %d dead %d late %d\n",
               (int)seed, (int)w.newest, (int)s->n_connects, (int)s->n_lost, (int)s->n_hang_ups,
               (int)w.n_resent, (int)w.n_dead, (int)s->n_late);
        /* The run was worth its name. */
        ck_assert_uint_gt(w.newest, 1000);
        ck_assert_uint_gt(s->n_lost, 100);
        ck_assert_uint_gt(w.n_resent, 300);
        ck_assert_uint_gt(w.n_overtaken, 100);
        ck_assert_uint_gt(s->n_late, 0);
        ck_assert_uint_gt(w.n_dead, 0);
    }
}
END_TEST

MW_SUITE("uplink/link_model", nothing_is_lost_the_window_holds_and_the_order_stays)
