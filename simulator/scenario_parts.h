/* SPDX-License-Identifier: Apache-2.0 */
/* Between the parts of the scenario reader; nobody else includes this. */
#ifndef MW_SIMULATOR_SCENARIO_PARTS_H
#define MW_SIMULATOR_SCENARIO_PARTS_H

#include "simulator/field.h"
#include "simulator/scenario.h"

#define FIELDS(table) (sizeof(table) / sizeof(table)[0])

/* The list under this key; no list and 0 entries where the key is not given. False and a
 * complaint where it is something else, empty or longer than max. */
bool parts_list(struct field_reader *reader, yaml_node map, const char *key, size_t max,
                yaml_node *ret_list, size_t *ret_n);

/* One entry of buses. */
void parts_read_wire(struct field_reader *reader, yaml_node node, struct scenario *scenario);

/* One entry of devices, one of faults; buses and machines are already in the scenario. */
void parts_read_slave(struct field_reader *reader, yaml_node node, struct scenario *scenario);
void parts_read_fault(struct field_reader *reader, yaml_node node, struct scenario *scenario);

#endif
