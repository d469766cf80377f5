/* links: config */
/* SPDX-License-Identifier: Apache-2.0 */
/* A profile is foreign bytes: whatever they are, it loads with settled points, or at least one
 * error is reported. */
#include "config/catalogue.h"

#include "base/result.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static void hear(void *ctx, const struct config_error *error)
{
    if (!error->message[0])
        abort();
    ++*(size_t *)ctx;
}

static void check(const char *dir, const char *variant)
{
    struct profile_view view;
    size_t n_errors = 0;
    int result = profile_view_load(&view, dir, "p", variant, hear, &n_errors);
    if ((result == MW_OK) != (n_errors == 0))
        abort();
    if (result != MW_OK)
        return;
    if (!view.vendor || !view.model || !view.level || view.n_variants > PROFILE_MAX_VARIANTS)
        abort();
    for (size_t i = 0; i < view.n_points; i++)
        if (!view.points[i].name[0] || !value_registers(view.points[i].type))
            abort();
    for (size_t i = 0; i < view.n_variants; i++)
        if (!view.variants[i].name || !view.variants[i].note)
            abort();
    profile_view_finish(&view);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    char dir[] = "/tmp/mw-fuzz-profile-XXXXXX", path[sizeof dir + 8];
    if (!mkdtemp(dir))
        abort();
    (void)snprintf(path, sizeof path, "%s/p.yaml", dir);
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(bytes, 1, n, file) != n || fclose(file) != 0)
        abort();
    check(dir, NULL);
    check(dir, "new");
    (void)unlink(path);
    (void)rmdir(dir);
    return 0;
}
