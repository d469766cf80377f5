/* SPDX-License-Identifier: Apache-2.0 */
/* A bounded queue between one producer thread and one consumer thread, without locks: the only
 * thing threads share. A full ring refuses the push and counts it; nothing blocks. */
#ifndef MW_BASE_RING_H
#define MW_BASE_RING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mw_ring {
    uint8_t *items; /* borrowed until the ring is no longer used: capacity * item_bytes */
    size_t item_bytes;
    uint32_t capacity; /* a power of two */
    _Atomic uint32_t head, tail;
    _Atomic uint64_t n_dropped;
};

/* items  at least capacity * item_bytes; capacity a power of two up to 2^31. */
void mw_ring_init(struct mw_ring *ring, void *items, size_t item_bytes, uint32_t capacity);

/* The capacity for n items at least: a power of two, at most the given one, which is another. */
uint32_t mw_ring_room(int64_t n, uint32_t most);

/* Producer only. Copies one item in; false and one more n_dropped where the ring is full. */
bool mw_ring_push(struct mw_ring *ring, const void *item);

/* Producer only. As push, but a full ring is not counted as a drop: the caller keeps the item. */
bool mw_ring_offer(struct mw_ring *ring, const void *item);

/* Consumer only. Copies the oldest item out; false where the ring is empty. */
bool mw_ring_pop(struct mw_ring *ring, void *ret_item);

/* Consumer only. Copies out the item at index places behind the oldest, without taking it; false
 * where fewer items wait. Pop takes it once it is dealt with. */
bool mw_ring_peek(struct mw_ring *ring, uint32_t index, void *ret_item);

/* Either side: items waiting; exact for the caller's own side. */
uint32_t mw_ring_count(struct mw_ring *ring);

uint64_t mw_ring_dropped(struct mw_ring *ring);

#endif
