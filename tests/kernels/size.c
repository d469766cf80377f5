/* SPDX-License-Identifier: Apache-2.0 */
/* What an application needs of the smallest engine: measured by its size, not run. */
#include "millwright_engine.h"

extern const uint8_t model_bytes[];
extern const size_t n_model_bytes;
extern uint8_t model_memory[];
extern const size_t n_model_memory;
extern struct mw_model model;
extern int8_t model_x[], model_y[];
int size_start(void);

int size_start(void)
{
    struct mw_model_fault why;
    int result = mw_model_init(&model, model_bytes, n_model_bytes, MW_ROUNDING_DOUBLE, model_memory,
                               n_model_memory, &why);
    if (result == 0)
        mw_model_run(&model, model_x, model_y);
    return result;
}
