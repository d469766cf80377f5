/* SPDX-License-Identifier: Apache-2.0 */
/* The content of the disk in memory, and the way along a recording. */
#include "support/power_disk.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_metadata(const struct power_op *op)
{
    return op->kind == POWER_CREATE || op->kind == POWER_UNLINK || op->kind == POWER_RENAME;
}

/* Not by realloc: a test that makes allocations fail does not mean the disk's. */
static void need(struct power_node *node, size_t n)
{
    if (n <= node->cap)
        return;
    size_t cap = (n + n / 2 + 4096) / 64 * 64;
    uint8_t *bytes = aligned_alloc(64, cap);
    if (!bytes)
        abort();
    if (node->n_stored > 0)
        memcpy(bytes, node->bytes, node->n_stored);
    free(node->bytes);
    node->bytes = bytes;
    node->cap = cap;
}

static void node_write(struct power_node *node, const uint8_t *bytes, size_t n, int64_t at)
{
    size_t end = (size_t)at + n;
    if (n == 0)
        return;
    need(node, end);
    if (node->n_stored < (size_t)at)
        memset(node->bytes + node->n_stored, 0, (size_t)at - node->n_stored);
    memcpy(node->bytes + at, bytes, n);
    if (node->n_stored < end)
        node->n_stored = end;
    if (node->size < (int64_t)end)
        node->size = (int64_t)end;
}

static void node_truncate(struct power_node *node, int64_t size)
{
    node->size = size;
    if (node->n_stored > (size_t)size)
        node->n_stored = (size_t)size;
}

static int find_entry(const struct power_files *files, const char *name)
{
    for (int i = 0; i < files->n_entries; i++)
        if (strcmp(files->entries[i].name, name) == 0)
            return i;
    return -1;
}

int power_files_find(const struct power_files *files, const char *name)
{
    int i = find_entry(files, name);
    return i < 0 ? -1 : files->entries[i].node;
}

static void forget(struct power_files *files, const char *name)
{
    int i = find_entry(files, name);
    if (i >= 0)
        files->entries[i] = files->entries[--files->n_entries];
}

static void name_node(struct power_files *files, const char *name, int node)
{
    assert(files->n_entries < POWER_NAMES_MAX);
    struct power_entry *entry = &files->entries[files->n_entries++];
    *entry = (struct power_entry){ .node = node };
    snprintf(entry->name, sizeof entry->name, "%s", name);
}

void power_files_apply(struct power_files *files, const struct power_op *op, size_t n_bytes)
{
    int node = op->node;
    if (node >= files->n_nodes)
        files->n_nodes = node + 1;
    switch (op->kind) {
    case POWER_WRITE:
        node_write(&files->nodes[node], op->bytes, n_bytes < op->n_bytes ? n_bytes : op->n_bytes,
                   op->at);
        break;
    case POWER_TRUNCATE: node_truncate(&files->nodes[node], op->at); break;
    case POWER_CREATE: name_node(files, op->name, node); break;
    case POWER_UNLINK: forget(files, op->name); break;
    case POWER_RENAME:
        node = power_files_find(files, op->name);
        forget(files, op->to);
        forget(files, op->name);
        if (node >= 0)
            name_node(files, op->to, node);
        break;
    case POWER_SYNC:
    case POWER_SYNC_FOLDER:
    case POWER_MARK: break;
    }
}

void power_files_copy(struct power_files *to, const struct power_files *from)
{
    for (int i = 0; i < to->n_nodes; i++)
        to->nodes[i].n_stored = 0, to->nodes[i].size = 0;
    for (int i = 0; i < from->n_nodes; i++) {
        const struct power_node *was = &from->nodes[i];
        struct power_node *is = &to->nodes[i];
        need(is, was->n_stored);
        if (was->n_stored > 0)
            memcpy(is->bytes, was->bytes, was->n_stored);
        is->n_stored = was->n_stored;
        is->size = was->size;
    }
    to->n_nodes = from->n_nodes; /* the buffers behind stay for the next time */
    memcpy(to->entries, from->entries, sizeof to->entries);
    to->n_entries = from->n_entries;
}

void power_files_free(struct power_files *files)
{
    for (int i = 0; i < POWER_NODES_MAX; i++)
        free(files->nodes[i].bytes);
    *files = (struct power_files){ 0 };
}

void power_files_spoil(struct power_files *files, const char *name)
{
    int i = power_files_find(files, name);
    assert(i >= 0);
    for (size_t at = 0; at + 8 <= files->nodes[i].n_stored; at += 4096)
        memset(files->nodes[i].bytes + at, 0x5a, 8);
}

static uint64_t mix(uint64_t h, uint64_t word)
{
    h = (h ^ word) * UINT64_C(0x9e3779b97f4a7c15);
    return h ^ h >> 29;
}

static uint64_t digest_bytes(uint64_t h, const uint8_t *bytes, size_t n)
{
    uint64_t word;
    for (; n >= sizeof word; n -= sizeof word, bytes += sizeof word) {
        memcpy(&word, bytes, sizeof word);
        h = mix(h, word);
    }
    word = n;
    memcpy(&word, bytes, n);
    return mix(h, word);
}

uint64_t power_files_digest(const struct power_files *files)
{
    uint64_t sum = 0; /* the order of the names says nothing */
    for (int i = 0; i < files->n_entries; i++) {
        const struct power_entry *entry = &files->entries[i];
        const struct power_node *node = &files->nodes[entry->node];
        uint64_t h = digest_bytes(1, (const uint8_t *)entry->name, strlen(entry->name));
        h = mix(h, (uint64_t)node->size);
        size_t n = node->n_stored;
        while (n > 0 && node->bytes[n - 1] == 0)
            n--;
        sum += n > 0 ? digest_bytes(h, node->bytes, n) : h;
    }
    return sum;
}

/* ---- the way along a recording ---- */

void power_walk_init(struct power_walk *walk, const struct power_disk *disk,
                     const struct power_files *from)
{
    walk->disk = disk;
    walk->files = (struct power_files){ 0 };
    walk->next = walk->n_pending = 0;
    walk->promised = 0;
    power_files_copy(&walk->files, from);
}

void power_walk_finish(struct power_walk *walk)
{
    power_files_free(&walk->files);
}

/* A file without a name that nothing pending speaks of will never be seen again. */
static void drop_unnamed(struct power_walk *walk)
{
    bool used[POWER_NODES_MAX] = { false };
    for (int i = 0; i < walk->files.n_entries; i++)
        used[walk->files.entries[i].node] = true;
    for (size_t i = 0; i < walk->n_pending; i++)
        used[walk->disk->ops[walk->pending[i]].node] = true;
    for (int i = 0; i < walk->files.n_nodes; i++)
        if (!used[i])
            walk->files.nodes[i].n_stored = 0, walk->files.nodes[i].size = 0;
}

/* Makes durable what the sync covers: a file's content, or (node < 0) the folder. */
static void settle(struct power_walk *walk, int node)
{
    size_t n = 0;
    for (size_t i = 0; i < walk->n_pending; i++) {
        const struct power_op *op = &walk->disk->ops[walk->pending[i]];
        bool covered = is_metadata(op) ? node < 0 : op->node == node;
        if (covered)
            power_files_apply(&walk->files, op, op->n_bytes);
        else
            walk->pending[n++] = walk->pending[i];
    }
    walk->n_pending = n;
    if (node < 0)
        drop_unnamed(walk);
}

bool power_walk_step(struct power_walk *walk, bool *ret_changed)
{
    if (walk->next == walk->disk->n_ops)
        return false;
    const struct power_op *op = &walk->disk->ops[walk->next];
    *ret_changed = op->kind != POWER_MARK;
    switch (op->kind) {
    case POWER_SYNC: settle(walk, op->node); break;
    case POWER_SYNC_FOLDER: settle(walk, -1); break;
    case POWER_MARK: walk->promised = op->at; break;
    case POWER_WRITE:
    case POWER_TRUNCATE:
    case POWER_CREATE:
    case POWER_UNLINK:
    case POWER_RENAME:
        assert(walk->n_pending < POWER_PENDING_MAX);
        walk->pending[walk->n_pending++] = walk->next;
        break;
    }
    walk->next++;
    return true;
}

void power_walk_build(const struct power_walk *walk, const bool *kept, size_t n_torn,
                      struct power_files *ret_files)
{
    bool in_order = true; /* metadata: nothing after the first that is missing */
    power_files_copy(ret_files, &walk->files);
    for (size_t i = 0; i < walk->n_pending; i++) {
        const struct power_op *op = &walk->disk->ops[walk->pending[i]];
        if (is_metadata(op))
            in_order = in_order && kept[i];
        if (is_metadata(op) ? in_order : kept[i])
            power_files_apply(ret_files, op, i + 1 == walk->n_pending ? n_torn : op->n_bytes);
    }
}
