/* links: simulator base */
/* SPDX-License-Identifier: Apache-2.0 */
/* Scenario files. What is accepted can be run: a short while of it must not trip anything. */
#include "base/result.h"
#include "simulator/world.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static void hear(void *ctx, int line, const char *message)
{
    int *n_heard = ctx;
    (*n_heard)++;
    if (line < 0 || !message)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct scenario *s;
    struct world *w;
    int n_heard = 0;
    if (scenario_parse(&s, (const char *)bytes, n, hear, &n_heard) != MW_OK) {
        if (n_heard == 0)
            abort(); /* refused without a word */
        return 0;
    }
    if (world_create(&w, s, s->seed, false) == MW_OK) {
        uint16_t words[2];
        world_advance(w, 5 * s->tick_us);
        for (uint32_t i = 0; i < s->n_slaves; i++)
            for (uint32_t c = 0; c < s->slaves[i].n_cells; c++)
                world_registers(w, i, c, words);
        world_destroy(w);
    }
    scenario_free(s);
    return 0;
}
