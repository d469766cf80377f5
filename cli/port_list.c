/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/port_list.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static bool is_listed(const struct port_list *list, const char *path)
{
    struct stat a, b;
    if (stat(path, &a) != 0)
        return true; /* leads nowhere */
    for (size_t i = 0; i < list->n; i++)
        if (stat(list->names[i], &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino)
            return true;
    return false;
}

static int is_visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static int is_port(const struct dirent *entry)
{
    static const char *const KINDS[] = { "ttyUSB", "ttyACM", "ttyAMA", "ttySC", "ttyO", "ttymxc" };
    for (size_t i = 0; i < sizeof KINDS / sizeof KINDS[0]; i++)
        if (strncmp(entry->d_name, KINDS[i], strlen(KINDS[i])) == 0)
            return 1;
    return 0;
}

static void add_folder(struct port_list *list, const char *folder,
                       int (*wanted)(const struct dirent *entry))
{
    struct dirent **entries = NULL;
    int n = scandir(folder, &entries, wanted, alphasort);
    for (int i = 0; i < n; i++) {
        char path[sizeof list->names[0]];
        int length = snprintf(path, sizeof path, "%s/%s", folder, entries[i]->d_name);
        if (length > 0 && (size_t)length < sizeof path && list->n < PORT_LIST_MAX &&
            !is_listed(list, path))
            memcpy(list->names[list->n++], path, (size_t)length + 1);
        free(entries[i]);
    }
    free(entries);
}

void port_list(const char *dev, struct port_list *ret_list)
{
    char folder[200];
    ret_list->n = 0;
    snprintf(folder, sizeof folder, "%s/serial/by-id", dev);
    add_folder(ret_list, folder, is_visible);
    snprintf(folder, sizeof folder, "%s/rs485", dev);
    add_folder(ret_list, folder, is_visible);
    add_folder(ret_list, dev, is_port);
}
