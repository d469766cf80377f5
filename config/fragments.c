/* SPDX-License-Identifier: Apache-2.0 */
#include "config/fragments.h"

#include "base/result.h"
#include "config/build.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FOLDER "conf.d"
#define SUFFIX ".yaml"

static bool is_fragment(const char *name)
{
    size_t n = strlen(name);
    return name[0] != '.' && n > strlen(SUFFIX) && strcmp(name + n - strlen(SUFFIX), SUFFIX) == 0;
}

static int add(struct fragments *f, const char *folder, const char *name)
{
    struct fragment *items = realloc(f->items, (f->n + 1) * sizeof *items);
    if (!items)
        return MW_ERR_NO_MEMORY;
    f->items = items;
    size_t cap = strlen(folder) + strlen(name) + 2;
    char *file = malloc(cap);
    if (!file)
        return MW_ERR_NO_MEMORY;
    snprintf(file, cap, "%s/%s", folder, name);
    f->items[f->n++] = (struct fragment){ .file = file };
    return MW_OK;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct fragment *)a)->file, ((const struct fragment *)b)->file);
}

/* The names alone, sorted as strcmp has them, whatever the locale. */
static int list_folder(struct fragments *f, const char *folder, struct report *report)
{
    DIR *dir = opendir(folder);
    if (!dir && (errno == ENOENT || errno == ENOTDIR))
        return MW_OK;
    if (!dir) {
        report_at(report, folder, 0, 0, "", "cannot be read: %s", strerror(errno));
        return MW_ERR_IO;
    }
    int result = MW_OK;
    for (struct dirent *entry; result == MW_OK && (entry = readdir(dir)) != NULL;) {
        if (!is_fragment(entry->d_name))
            continue;
        if (f->n == FRAGMENTS_MAX) {
            report_at(report, folder, 0, 0, "", "holds more than %d files", FRAGMENTS_MAX);
            result = MW_ERR_TOO_BIG;
        } else {
            result = add(f, folder, entry->d_name);
        }
    }
    closedir(dir);
    if (f->n > 0)
        qsort(f->items, f->n, sizeof f->items[0], by_name);
    return result;
}

static int read_one(struct fragment *fragment, struct report *report)
{
    size_t n_bytes = 0;
    int result = file_read(fragment->file, CONFIG_MAX_FILE_BYTES, &fragment->bytes, &n_bytes);
    if (result == MW_ERR_NO_MEMORY)
        return result;
    if (result < 0) {
        report_at(report, fragment->file, 0, 0, "", "%s",
                  result == MW_ERR_TOO_BIG     ? "the file is larger than 256 KiB"
                  : result == MW_ERR_NOT_FOUND ? "there is no such file"
                                               : "cannot be read, or is no regular file");
        return result;
    }
    return document_read(&fragment->document, fragment->file, fragment->bytes, n_bytes, report);
}

int fragments_read(struct fragments *f, const char *folder, struct report *report)
{
    size_t cap = (folder ? strlen(folder) : 0) + sizeof "/" FOLDER;
    char *path = malloc(cap);
    if (!path)
        return MW_ERR_NO_MEMORY;
    snprintf(path, cap, "%s%s%s", folder ? folder : "", folder ? "/" : "", FOLDER);
    int result = list_folder(f, path, report);
    free(path);
    for (size_t i = 0; i < f->n && result != MW_ERR_NO_MEMORY; i++) {
        int one = read_one(&f->items[i], report);
        result = one == MW_ERR_NO_MEMORY || result == MW_OK ? one : result;
    }
    return result;
}

/* ---- into one tree ---- */

static struct node *child_of(struct node *node, const char *key)
{
    for (struct node *child = node->first; child; child = child->next)
        if (strcmp(child->key, key) == 0)
            return child;
    return NULL;
}

/* Moves one value behind the others; it stays a child of its own file, for paths. */
static void move(struct node *to, struct node *child)
{
    child->next = NULL;
    if (to->last)
        to->last->next = child;
    else
        to->first = child;
    to->last = child;
    to->n_children++;
}

static void move_all(struct node *to, struct node *from)
{
    for (struct node *child = from->first, *next; child; child = next) {
        next = child->next;
        move(to, child);
    }
}

/* A version is each file's own and must be the same. */
static void check_version(const struct node *own, const struct node *its, struct report *report)
{
    if (own->text && its->text && strcmp(own->text, its->text) == 0)
        return;
    char place[REPORT_PLACE_BYTES];
    report_place(place, its, own, own->line);
    report_node(report, its, NULL, "is another version than that of %s", place);
}

static void merge_root(struct node *root, struct node *its_root, struct report *report)
{
    for (struct node *child = its_root->first, *next; child; child = next) {
        next = child->next;
        struct node *own = child_of(root, child->key);
        if (own && strcmp(child->key, "version") == 0)
            check_version(own, child, report);
        else if (!own)
            move(root, child);
        else if (node_is_nothing(child))
            continue; /* a section whose settings are all commented out */
        else if (node_is_nothing(own) || (own->kind == child->kind && own->kind != NODE_SCALAR)) {
            if (own->kind == NODE_SCALAR) {
                own->kind = child->kind;
                own->text = NULL;
            }
            move_all(own, child);
        } else {
            move(root, child);
        }
    }
}

void fragments_merge(struct fragments *f, struct node *root, struct report *report)
{
    for (size_t i = 0; i < f->n; i++)
        if (f->items[i].document.root)
            merge_root(root, f->items[i].document.root, report);
}

void fragments_finish(struct fragments *f)
{
    for (size_t i = 0; i < f->n; i++) {
        document_finish(&f->items[i].document);
        free(f->items[i].bytes);
        free(f->items[i].file);
    }
    free(f->items);
    *f = (struct fragments){ 0 };
}
