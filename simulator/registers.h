/* SPDX-License-Identifier: Apache-2.0 */
/* Register maps: where a device keeps which quantity, and how a value becomes registers. Pure. */
#ifndef MW_SIMULATOR_REGISTERS_H
#define MW_SIMULATOR_REGISTERS_H

#include "base/sample.h"
#include "simulator/quantity.h"

#include <stddef.h>
#include <stdint.h>

/* The four tables of Modbus, each numbered by the function code that reads it (Modbus Application
 * Protocol V1.1b3, 4.3 and 6.1 to 6.4). */
enum table { TABLE_COILS = 1, TABLE_DISCRETE, TABLE_HOLDING, TABLE_INPUT };

enum cell_type { CELL_INT16 = 0, CELL_UINT16, CELL_INT32, CELL_UINT32, CELL_FLOAT32, CELL_BIT };

/* How the bytes of a 32-bit value ABCD stand on the wire. */
enum cell_order { CELL_ABCD = 0, CELL_CDAB, CELL_BADC, CELL_DCBA };

struct cell {
    char name[MW_NAME_MAX + 1]; /* unique within its device */
    enum quantity quantity;
    uint32_t machine; /* index of the machine it is measured on */
    enum table table;
    uint16_t address; /* zero-based protocol address */
    enum cell_type type;
    enum cell_order order;
    double scale, offset; /* value in the quantity's unit = raw * scale + offset */
};

enum register_map { MAP_NONE = 0, MAP_QM30VT2, MAP_WTVB01, MAP_LIST, MAP_COUNT };

/* "qm30vt2", "wtvb01", "list"; "" outside the enum. */
const char *map_name(enum register_map map);

/* The cells of a real sensor's block, machine 0; NULL and 0 for MAP_LIST, whose cells the scenario
 * gives. QM30VT2: holding 5200 to 5221. WTVB01: holding 52 to 70, velocity in 1/100 mm/s. */
const struct cell *map_cells(enum register_map map, size_t *ret_n_cells);

/* Registers (or bits) that a value takes: 1 or 2. */
uint16_t cell_width(enum cell_type type);

/* The value as registers, rounded to the nearest step and held within the type's range.
 *   ret_words  uint16 [cell_width(type)] */
void cell_encode(const struct cell *cell, double value, uint16_t *ret_words);

#endif
