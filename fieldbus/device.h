/* SPDX-License-Identifier: Apache-2.0 */
/* Settings of buses, devices and points. config/ fills them in from YAML; zero means "not given".
 * The settle functions fill in defaults, cascading bus to device to point, and check every range.
 */
#ifndef MW_FIELDBUS_DEVICE_H
#define MW_FIELDBUS_DEVICE_H

#include "base/alert.h"
#include "base/complaint.h"
#include "base/sample.h"

#include <stdbool.h>
#include <stdint.h>

#define POINT_MAX_SENTINELS 8
#define DEVICE_MAX_RANGES   8
#define DEVICE_NO_GAP       UINT16_MAX /* max_gap: never read across unused registers */

enum bus_kind { BUS_NONE = 0, BUS_RTU, BUS_TCP };

/* Of a TCP bus: Modbus TCP, or RTU frames with their checksum, as serial device servers pass them
 * on. */
enum bus_framing { FRAMING_MBAP = 0, FRAMING_RTU };

/* Who turns an RS-485 driver on while a request is sent: nobody (the adapter by itself), libmodbus
 * by raising or lowering RTS, or the kernel's own RS-485 mode. */
enum rts_mode { RTS_NONE = 0, RTS_UP, RTS_DOWN, RTS_KERNEL };

/* What may differ between the devices of one serial line. */
struct serial_config {
    uint32_t baud;
    char parity; /* 'N', 'E', 'O' */
    uint8_t stop_bits;
};

struct bus_config {
    char name[MW_NAME_MAX + 1];
    enum bus_kind kind;
    /* RTU */
    char device[256];     /* any tty; a stable name such as /dev/serial/by-id/... */
    uint32_t baud;        /* default 19200 */
    char parity;          /* 'N', 'E', 'O'; default 'E' (Modbus over Serial Line V1.02, 2.5.1) */
    uint8_t data_bits;    /* 7 or 8; default 8 */
    uint8_t stop_bits;    /* 1 or 2; default 1 with parity, 2 without */
    int64_t frame_gap_us; /* silence between frames; default 3.5 characters, 1750 above 19200 */
    enum rts_mode rts;    /* default none */
    int64_t rts_delay_us; /* RTS up and down: before and after a request; default 1 character */
    /* TCP */
    char host[256];
    uint16_t port;              /* default 502 */
    enum bus_framing framing;   /* default MBAP */
    int64_t connect_timeout_us; /* default 3 s */
    /* both; defaults for its devices */
    int64_t timeout_us; /* of one exchange, request to last byte; default 300 ms, and on lines
                           below 19200 baud what the longest frames need; RTS up and down: twice
                           rts_delay_us more, and one given must be longer than sending takes */
    int64_t
        turnaround_us; /* longest lateness of a reply; the line is drained this long; default 2 s */
    uint32_t retries;  /* default 1; UINT32_MAX: not given */
};

enum register_kind {
    REGISTER_NONE = 0,
    REGISTER_HOLDING,
    REGISTER_INPUT,
    REGISTER_COIL,
    REGISTER_DISCRETE
};

enum value_type {
    VALUE_NONE = 0,
    VALUE_BIT,
    VALUE_INT16,
    VALUE_UINT16,
    VALUE_INT32,
    VALUE_UINT32,
    VALUE_INT64,
    VALUE_UINT64,
    VALUE_FLOAT32,
    VALUE_FLOAT64,
};

/* Order of the bytes of a 32-bit value ABCD on the wire; 64-bit values alike, word by word. */
enum word_order { ORDER_NONE = 0, ORDER_ABCD, ORDER_CDAB, ORDER_BADC, ORDER_DCBA };

struct point_config {
    char name[MW_NAME_MAX + 1];
    enum register_kind kind; /* default holding */
    uint16_t address;        /* zero-based protocol address */
    enum value_type type;    /* default int16; bit for coils and discrete inputs */
    enum word_order order;   /* default ABCD */
    int8_t bit;              /* 0 .. 15: this bit of a 16-bit register; -1: the whole (also
                                "not given": zero is a bit) */
    double scale, offset;    /* value = raw * scale + offset; scale default 1 */
    char unit[MW_UNIT_MAX + 1];
    uint64_t sentinels[POINT_MAX_SENTINELS]; /* raw values that mean "no value", as unsigned bits */
    uint8_t n_sentinels;
    bool has_range;
    double range_min, range_max; /* plausible values, in the unit; outside: quality INVALID */
    int64_t period_us; /* set by config/ to the shortest period of the machines using it */
};

/* Registers, or bits, of one kind that are next to each other. */
struct register_range {
    enum register_kind kind; /* default holding */
    uint16_t address;        /* zero-based */
    uint16_t count;
};

struct device_config {
    char name[MW_NAME_MAX + 1];
    uint32_t bus;                                     /* index */
    uint8_t unit;                                     /* 1 .. 247; MBAP also 0 and 255 */
    uint16_t max_registers;                           /* in one request; default 125 (bits: 2000) */
    uint16_t max_gap;                                 /* unused registers read across; default 8 */
    struct register_range no_read[DEVICE_MAX_RANGES]; /* never read, whatever lies around them */
    struct register_range blocks[DEVICE_MAX_RANGES];  /* to be read by just this request */
    uint8_t n_no_read, n_blocks;
    int64_t timeout_us, turnaround_us; /* 0: the bus's */
    int64_t pause_us;                  /* silence the device wants before each request; default 0 */
    struct serial_config serial;       /* RTU: the bus's where not given; the line is set anew */
    int64_t frame_gap_us;              /* settled: what the bus and its own rate both want */
    int64_t character_us;              /* settled: at its own rate; 0 on TCP */
    uint32_t retries;                  /* UINT32_MAX: the bus's */
    uint32_t first_point, n_points;    /* its points in the configuration's point list */
};

/* Fill in defaults, then check; every broken rule is reported. MW_OK or MW_ERR_INVALID. Values in
 * complaints are numbers as given, times in ms; config/ finds the place by the setting's key. Names
 * are not looked at: what a name may be holds for all modules. */
int bus_settle(struct bus_config *bus, const struct mw_complaints *to);
int device_settle(struct device_config *device, const struct bus_config *bus,
                  const struct mw_complaints *to);
int point_settle(struct point_config *point, const struct mw_complaints *to);

/* Frames without a transaction number and with a checksum: a serial line, or RTU over TCP. Only
 * there can a late answer pass for the answer to the next request. */
bool bus_speaks_rtu(const struct bus_config *bus);

/* How the characters of a settled RTU bus look. */
struct serial_config bus_serial(const struct bus_config *bus);
bool serial_equal(const struct serial_config *a, const struct serial_config *b);

/* How long one character takes on a settled RTU bus, rounded up; 0 on TCP. */
int64_t bus_character_us(const struct bus_config *bus);

/* Registers (or bits) a value of this type takes: 1, 2 or 4. */
uint16_t value_registers(enum value_type type);

#endif
