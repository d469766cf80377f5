/* SPDX-License-Identifier: Apache-2.0 */
/* A scenario: a hall as its author wrote it, checked. docs/SPEC-scenario.md documents every key.
 * Loaded once at start-up by the command line; nothing here runs. */
#ifndef MW_SIMULATOR_SCENARIO_H
#define MW_SIMULATOR_SCENARIO_H

#include "simulator/disturbance.h"
#include "simulator/fault.h"
#include "simulator/machine.h"
#include "simulator/registers.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SCENARIO_MAX_BUSES    1024
#define SCENARIO_MAX_MACHINES 64
#define SCENARIO_MAX_SLAVES   2048
#define SCENARIO_MAX_FAULTS   64
#define SLAVE_MAX_CELLS       128

struct ambient {
    double mean_degc, swing_k; /* mean + swing * cos(2 pi (time of day - warmest) / day) */
    int64_t day_us, warmest_us;
    int64_t start_us; /* time of day at the start */
};

struct wire_config {
    char name[MW_NAME_MAX + 1];
    char rtu[256];         /* path of the symlink to the pseudo-terminal; or empty */
    char host[64];         /* TCP: numeric address to listen on; default 127.0.0.1 */
    uint16_t port;         /* TCP: 0 lets the system choose */
    bool rtu_over_tcp;     /* TCP: RTU frames without the header of Modbus TCP */
    uint32_t baud;         /* RTU: character times and silence as on a wire; 0: none */
    char parity;           /* 'N', 'E', 'O' */
    uint8_t stop_bits;     /* 1 or 2; 0: 1 with parity, 2 without */
    int64_t turnaround_us; /* a slave's silence before its answer; default RTU 2 ms, TCP 0 */
    int64_t spread_us;     /* up to this is added by chance */
    bool has_seed;
    uint64_t seed; /* of spread and disturbances; without: by the scenario's */
    struct disturbance disturbances[DISTURBANCE_MAX];
    uint32_t n_disturbances;
};

/* One device on a bus. */
struct slave_config {
    char name[MW_NAME_MAX + 1];
    uint32_t wire; /* index */
    uint8_t unit;  /* 1 .. 247; TCP also 0 and 255 */
    enum register_map map;
    bool refuse_holes; /* a read across an unused register is refused; else it reads 0 */
    double noise;      /* 1: as quantity_noise says; 0: none */
    uint32_t n_cells;
    struct cell cells[SLAVE_MAX_CELLS];
};

struct scenario {
    uint64_t seed;
    int64_t tick_us;         /* step of the world */
    int64_t faults_after_us; /* start of the fault clock */
    struct ambient ambient;
    struct wire_config wires[SCENARIO_MAX_BUSES];
    struct machine_plan machines[SCENARIO_MAX_MACHINES];
    struct slave_config slaves[SCENARIO_MAX_SLAVES];
    struct fault faults[SCENARIO_MAX_FAULTS];
    uint32_t n_wires, n_machines, n_slaves, n_faults;
};

/* One broken rule; line is 1-based, 0 where the file could not be read at all. */
typedef void scenario_error_fn(void *ctx, int line, const char *message);

/* Reads a whole scenario. Every error is reported, in the order they are found. MW_OK and
 * *ret_scenario to be given to scenario_free; or MW_ERR_INVALID, MW_ERR_FORMAT, MW_ERR_TOO_BIG,
 * MW_ERR_NOT_FOUND, MW_ERR_IO, MW_ERR_NO_MEMORY after at least one error was reported. */
int scenario_load(struct scenario **ret_scenario, const char *path, scenario_error_fn *report,
                  void *ctx);

/* The same from text in memory. */
int scenario_parse(struct scenario **ret_scenario, const char *text, size_t n_bytes,
                   scenario_error_fn *report, void *ctx);

void scenario_free(struct scenario *scenario);

/* The machine a fault is about; FAULT_NOWHERE where its slave measures several. */
uint32_t scenario_fault_machine(const struct scenario *scenario, const struct fault *fault);

/* True where this fault changes what this cell of this slave reads. */
bool scenario_fault_touches(const struct scenario *scenario, const struct fault *fault,
                            uint32_t slave, uint32_t cell);

#endif
