/* SPDX-License-Identifier: Apache-2.0 */
/* The world behind the slaves of one wire: requests in, its registers out. Pure. */
#ifndef MW_SIMULATOR_HALL_H
#define MW_SIMULATOR_HALL_H

#include "simulator/pdu.h"
#include "simulator/world.h"

struct hall {
    const struct scenario *scenario; /* both borrowed while the bank is in use */
    const struct world *world;
    uint32_t wire;
    uint64_t n_served;     /* reads answered with values */
    uint16_t of_unit[256]; /* number of the slave, from 1; 0: no such unit. By hall_bank */
};

/* The port that servers ask; *hall must stay where it is, its first three fields are set. */
struct pdu_bank hall_bank(struct hall *hall);

#endif
