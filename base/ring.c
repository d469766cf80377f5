/* SPDX-License-Identifier: Apache-2.0 */
#include "base/ring.h"

#include <assert.h>
#include <string.h>

void mw_ring_init(struct mw_ring *ring, void *items, size_t item_bytes, uint32_t capacity)
{
    assert(capacity > 0 && (capacity & (capacity - 1)) == 0);
    ring->items = items;
    ring->item_bytes = item_bytes;
    ring->capacity = capacity;
    atomic_init(&ring->head, 0);
    atomic_init(&ring->tail, 0);
    atomic_init(&ring->n_dropped, 0);
}

bool mw_ring_offer(struct mw_ring *ring, const void *item)
{
    uint32_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
    uint32_t tail = atomic_load_explicit(&ring->tail, memory_order_acquire);
    if (head - tail == ring->capacity)
        return false;
    memcpy(ring->items + (head & (ring->capacity - 1)) * ring->item_bytes, item, ring->item_bytes);
    atomic_store_explicit(&ring->head, head + 1, memory_order_release);
    return true;
}

uint32_t mw_ring_room(int64_t n, uint32_t most)
{
    uint32_t room = 1;
    while (room < most && room < n)
        room *= 2;
    return room;
}

bool mw_ring_push(struct mw_ring *ring, const void *item)
{
    if (mw_ring_offer(ring, item))
        return true;
    atomic_fetch_add_explicit(&ring->n_dropped, 1, memory_order_relaxed);
    return false;
}

bool mw_ring_peek(struct mw_ring *ring, uint32_t index, void *ret_item)
{
    uint32_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
    uint32_t head = atomic_load_explicit(&ring->head, memory_order_acquire);
    if (head - tail <= index)
        return false;
    memcpy(ret_item, ring->items + ((tail + index) & (ring->capacity - 1)) * ring->item_bytes,
           ring->item_bytes);
    return true;
}

bool mw_ring_pop(struct mw_ring *ring, void *ret_item)
{
    if (!mw_ring_peek(ring, 0, ret_item))
        return false;
    uint32_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
    atomic_store_explicit(&ring->tail, tail + 1, memory_order_release);
    return true;
}

uint32_t mw_ring_count(struct mw_ring *ring)
{
    return atomic_load_explicit(&ring->head, memory_order_acquire) -
           atomic_load_explicit(&ring->tail, memory_order_acquire);
}

uint64_t mw_ring_dropped(struct mw_ring *ring)
{
    return atomic_load_explicit(&ring->n_dropped, memory_order_relaxed);
}
