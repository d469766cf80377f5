/* SPDX-License-Identifier: Apache-2.0 */
#include "fieldbus/device.h"
#include "base/result.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#define DEFAULT_BAUD               19200
#define DEFAULT_PORT               502
#define DEFAULT_TIMEOUT_US         300000
#define DEFAULT_TURNAROUND_US      2000000
#define DEFAULT_CONNECT_TIMEOUT_US 3000000
#define DEFAULT_RETRIES            1
#define DEFAULT_MAX_REGISTERS      125 /* Modbus Application Protocol V1.1b3, 6.3 */
#define DEFAULT_MAX_GAP            8
#define LONGEST_EXCHANGE_BYTES     (8 + 255) /* a read request and a reply of 125 registers */
#define REQUEST_BYTES              8
#define THINKING_US                100000 /* what a slow slave takes before its first byte */

#define MINUTE_US INT64_C(60000000)

/* Adds a complaint about a number; returns MW_ERR_INVALID. */
static int complain_int(const struct mw_complaints *to, const char *setting, int64_t value,
                        const char *rule)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRId64, value);
    return mw_complain(to, setting, text, rule);
}

static int complain_us(const struct mw_complaints *to, const char *setting, int64_t value_us,
                       const char *rule)
{
    char text[32];
    snprintf(text, sizeof text, "%gms", (double)value_us / 1000.0);
    return mw_complain(to, setting, text, rule);
}

static int complain_double(const struct mw_complaints *to, const char *setting, double value,
                           const char *rule)
{
    char text[32];
    snprintf(text, sizeof text, "%g", value);
    return mw_complain(to, setting, text, rule);
}

/* The rates Linux and libmodbus 3.1.6 both know. libmodbus opens any other at 9600 baud without
 * a word. */
static bool baud_known(uint32_t baud)
{
    static const uint32_t known[] = { 110,     300,     600,     1200,    2400,    4800,
                                      9600,    19200,   38400,   57600,   115200,  230400,
                                      460800,  500000,  576000,  921600,  1000000, 1152000,
                                      1500000, 2500000, 3000000, 3500000, 4000000 };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (known[i] == baud)
            return true;
    return false;
}

bool bus_speaks_rtu(const struct bus_config *bus)
{
    return bus->kind == BUS_RTU || bus->framing == FRAMING_RTU;
}

struct serial_config bus_serial(const struct bus_config *bus)
{
    return (struct serial_config){ bus->baud, bus->parity, bus->stop_bits };
}

bool serial_equal(const struct serial_config *a, const struct serial_config *b)
{
    return a->baud == b->baud && a->parity == b->parity && a->stop_bits == b->stop_bits;
}

static int64_t character_us(const struct serial_config *serial, uint8_t data_bits)
{
    int64_t bits = 1 + data_bits + (serial->parity == 'N' ? 0 : 1) + serial->stop_bits;
    return (bits * 1000000 + serial->baud - 1) / serial->baud;
}

int64_t bus_character_us(const struct bus_config *bus)
{
    if (bus->kind != BUS_RTU || bus->baud == 0)
        return 0;
    struct serial_config serial = bus_serial(bus);
    return character_us(&serial, bus->data_bits);
}

/* Modbus over Serial Line V1.02, 2.5.1.1: 3.5 characters, fixed at 1.75 ms above 19200. */
static int64_t silence_us(uint32_t baud, int64_t a_character_us)
{
    return baud > 19200 ? 1750 : (a_character_us * 7 + 1) / 2;
}

static int settle_rtu(struct bus_config *bus, const struct mw_complaints *to)
{
    int result = MW_OK;
    bus->baud = bus->baud ? bus->baud : DEFAULT_BAUD;
    bus->parity = bus->parity ? bus->parity : 'E';
    bus->data_bits = bus->data_bits ? bus->data_bits : 8;
    if (bus->stop_bits == 0)
        bus->stop_bits = bus->parity == 'N' ? 2 : 1;

    if (bus->device[0] == '\0')
        result = mw_complain(to, "device", NULL, "is missing: an rtu bus needs a tty");
    if (bus->host[0] != '\0')
        result = mw_complain(to, "host", bus->host, "is for tcp; this bus is rtu");
    if (bus->port != 0)
        result = complain_int(to, "port", bus->port, "is for tcp; this bus is rtu");
    if (bus->framing != FRAMING_MBAP)
        result = mw_complain(to, "framing", NULL, "is for tcp; this bus is rtu");
    if (!baud_known(bus->baud))
        result =
            complain_int(to, "baud", bus->baud, "is not a standard rate such as 9600 or 19200");
    if (bus->parity != 'N' && bus->parity != 'E' && bus->parity != 'O')
        result = mw_complain(to, "parity", (char[]){ bus->parity, '\0' }, "is not N, E or O");
    if (bus->data_bits != 7 && bus->data_bits != 8)
        result = complain_int(to, "data_bits", bus->data_bits, "is not 7 or 8");
    if (bus->stop_bits != 1 && bus->stop_bits != 2)
        result = complain_int(to, "stop_bits", bus->stop_bits, "is not 1 or 2");

    if (bus->frame_gap_us == 0)
        bus->frame_gap_us = silence_us(bus->baud, bus_character_us(bus));
    if (bus->frame_gap_us < 0 || bus->frame_gap_us > 1000000)
        result = complain_us(to, "frame_gap", bus->frame_gap_us, "is not in 0 to 1s");
    bool by_us = bus->rts == RTS_UP || bus->rts == RTS_DOWN;
    if (bus->rts_delay_us != 0 && !by_us)
        result = complain_us(to, "rts_delay", bus->rts_delay_us, "is only for rts: up or down");
    else if (bus->rts_delay_us < 0 || bus->rts_delay_us > 100000)
        result = complain_us(to, "rts_delay", bus->rts_delay_us, "is not in 0 to 100ms");
    else if (by_us && bus->rts_delay_us == 0)
        bus->rts_delay_us = bus_character_us(bus);
    return result;
}

static int settle_tcp(struct bus_config *bus, const struct mw_complaints *to)
{
    int result = MW_OK;
    bus->port = bus->port ? bus->port : DEFAULT_PORT;
    if (bus->connect_timeout_us == 0)
        bus->connect_timeout_us = DEFAULT_CONNECT_TIMEOUT_US;

    if (bus->host[0] == '\0')
        result = mw_complain(to, "host", NULL, "is missing: a tcp bus needs a host");
    if (bus->device[0] != '\0')
        result = mw_complain(to, "device", bus->device, "is for rtu; this bus is tcp");
    if (bus->baud != 0)
        result = complain_int(to, "baud", bus->baud, "is for rtu; this bus is tcp");
    if (bus->connect_timeout_us < 10000 || bus->connect_timeout_us > MINUTE_US)
        result =
            complain_us(to, "connect_timeout", bus->connect_timeout_us, "is not in 10ms to 60s");
    return result;
}

static bool switches_rts(const struct bus_config *bus)
{
    return bus->kind == BUS_RTU && (bus->rts == RTS_UP || bus->rts == RTS_DOWN);
}

/* Slow lines get the time their longest frames take, and those whose RTS is switched that of its
 * delays: a timeout counts from when a request is handed over. */
static int64_t default_timeout_us(const struct bus_config *bus, int64_t a_character_us)
{
    int64_t slow_us = THINKING_US + LONGEST_EXCHANGE_BYTES * a_character_us;
    return (slow_us > DEFAULT_TIMEOUT_US ? slow_us : DEFAULT_TIMEOUT_US) +
           (switches_rts(bus) ? 2 * bus->rts_delay_us : 0);
}

/* Sending alone takes this long where RTS is switched; an answer comes after it. */
static int check_rts_delay(const struct bus_config *bus, int64_t timeout_us, int64_t a_character_us,
                           const struct mw_complaints *to)
{
    int64_t sending_us = 2 * bus->rts_delay_us + REQUEST_BYTES * a_character_us;
    if (!switches_rts(bus) || timeout_us > sending_us)
        return MW_OK;
    return complain_us(to, "timeout", timeout_us,
                       "is over before a request is out: rts_delay twice, and the request");
}

int bus_settle(struct bus_config *bus, const struct mw_complaints *to)
{
    int result = MW_OK;
    if (bus->kind == BUS_RTU)
        result = settle_rtu(bus, to);
    else if (bus->kind == BUS_TCP)
        result = settle_tcp(bus, to);
    else
        result = mw_complain(to, "kind", NULL, "is missing: a bus is rtu or tcp");

    if (bus->timeout_us == 0)
        bus->timeout_us = default_timeout_us(bus, bus_character_us(bus));
    if (bus->turnaround_us == 0)
        bus->turnaround_us = DEFAULT_TURNAROUND_US;
    if (bus->retries == UINT32_MAX)
        bus->retries = DEFAULT_RETRIES;

    if (bus->timeout_us < 1000 || bus->timeout_us > MINUTE_US)
        result = complain_us(to, "timeout", bus->timeout_us, "is not in 1ms to 60s");
    else if (check_rts_delay(bus, bus->timeout_us, bus_character_us(bus), to) != MW_OK)
        result = MW_ERR_INVALID;
    if (bus->turnaround_us < 0 || bus->turnaround_us > MINUTE_US)
        result = complain_us(to, "turnaround", bus->turnaround_us, "is not in 0 to 60s");
    if (bus->retries > 10)
        result = complain_int(to, "retries", bus->retries, "is not in 0 to 10");
    return result;
}

/* Modbus over Serial Line V1.02, 2.2: 0 is for all of a line, 248 to 255 are reserved; it is the
 * same line behind a device server that passes RTU frames on. */
static int check_unit(const struct device_config *device, const struct bus_config *bus,
                      const struct mw_complaints *to)
{
    bool serial = bus->kind != BUS_TCP || bus_speaks_rtu(bus);
    if (!serial && device->unit > 247 && device->unit != 255)
        return complain_int(to, "unit", device->unit, "is not a Modbus unit, 0 to 247 or 255");
    if (serial && (device->unit < 1 || device->unit > 247))
        return complain_int(to, "unit", device->unit, "is not a Modbus unit, 1 to 247");
    return MW_OK;
}

/* A device with a rate of its own shares the line with those that hear it as noise: the silence
 * suits the slower of the two. */
static int settle_serial(struct device_config *device, const struct bus_config *bus,
                         const struct mw_complaints *to)
{
    struct serial_config *own = &device->serial;
    bool given = own->baud || own->parity || own->stop_bits;
    if (bus->kind != BUS_RTU)
        return given ? mw_complain(to, "serial", NULL, "is for rtu; this device's bus is tcp")
                     : MW_OK;
    if (own->stop_bits == 0)
        own->stop_bits = own->parity == 0 ? bus->stop_bits : own->parity == 'N' ? 2 : 1;
    own->baud = own->baud ? own->baud : bus->baud;
    own->parity = own->parity ? own->parity : bus->parity;
    if (given && !baud_known(own->baud))
        return complain_int(to, "serial", own->baud, "is not a standard baud rate such as 9600");
    if (own->stop_bits > 2)
        return complain_int(to, "serial", own->stop_bits, "stop bits are not 1 or 2");

    device->character_us = character_us(own, bus->data_bits);
    int64_t gap_us = given ? silence_us(own->baud, device->character_us) : 0;
    device->frame_gap_us = gap_us > bus->frame_gap_us ? gap_us : bus->frame_gap_us;
    int64_t slow_us = given ? default_timeout_us(bus, device->character_us) : 0;
    if (device->timeout_us == 0 && slow_us > bus->timeout_us)
        device->timeout_us = slow_us;
    return MW_OK;
}

int device_settle(struct device_config *device, const struct bus_config *bus,
                  const struct mw_complaints *to)
{
    if (device->max_registers == 0)
        device->max_registers = DEFAULT_MAX_REGISTERS;
    if (device->max_gap == 0)
        device->max_gap = DEFAULT_MAX_GAP;
    int result = settle_serial(device, bus, to);
    if (device->timeout_us == 0)
        device->timeout_us = bus->timeout_us;
    if (device->turnaround_us == 0)
        device->turnaround_us = bus->turnaround_us;
    if (device->retries == UINT32_MAX)
        device->retries = bus->retries;

    if (check_unit(device, bus, to) != MW_OK)
        result = MW_ERR_INVALID;
    if (device->max_registers > DEFAULT_MAX_REGISTERS)
        result = complain_int(to, "max_registers", device->max_registers, "is not in 1 to 125");
    if (device->max_gap >= DEFAULT_MAX_REGISTERS && device->max_gap != DEVICE_NO_GAP)
        result = complain_int(to, "max_gap", device->max_gap, "is not in 0 to 124");
    if (device->timeout_us < 1000 || device->timeout_us > MINUTE_US)
        result = complain_us(to, "timeout", device->timeout_us, "is not in 1ms to 60s");
    else if (check_rts_delay(bus, device->timeout_us, device->character_us, to) != MW_OK)
        result = MW_ERR_INVALID;
    if (device->turnaround_us < 0 || device->turnaround_us > MINUTE_US)
        result = complain_us(to, "turnaround", device->turnaround_us, "is not in 0 to 60s");
    if (device->pause_us < 0 || device->pause_us > 10000000)
        result = complain_us(to, "pause", device->pause_us, "is not in 0 to 10s");
    if (device->retries > 10)
        result = complain_int(to, "retries", device->retries, "is not in 0 to 10");
    return result;
}

static bool is_bits(enum register_kind kind)
{
    return kind == REGISTER_COIL || kind == REGISTER_DISCRETE;
}

static void point_defaults(struct point_config *point)
{
    if (point->kind == REGISTER_NONE)
        point->kind = REGISTER_HOLDING;
    if (point->type == VALUE_NONE)
        point->type = is_bits(point->kind) || point->bit >= 0 ? VALUE_BIT : VALUE_INT16;
    if (point->order == ORDER_NONE)
        point->order = ORDER_ABCD;
    if (is_bits(point->kind))
        point->bit = -1;
    if (point->scale == 0.0)
        point->scale = 1.0;
}

static int check_type(const struct point_config *point, const struct mw_complaints *to)
{
    int result = MW_OK;
    uint32_t n_registers = value_registers(point->type);
    if (is_bits(point->kind) && point->type != VALUE_BIT)
        result = mw_complain(to, "type", NULL, "of a coil or discrete input can only be bit");
    if (point->bit > 15)
        result = complain_int(to, "bit", point->bit, "is not in 0 to 15");
    if (!is_bits(point->kind) && point->type == VALUE_BIT && point->bit < 0)
        result = mw_complain(to, "bit", NULL, "is missing: which of the register's 16 bits");
    if (n_registers > 1 && point->bit >= 0)
        result = complain_int(to, "bit", point->bit, "is only for values of one register");
    if (point->address + n_registers > 65536)
        result = complain_int(to, "address", point->address, "leaves no room for the whole value");
    return result;
}

int point_settle(struct point_config *point, const struct mw_complaints *to)
{
    point_defaults(point);
    int result = check_type(point, to);
    if (!isfinite(point->scale))
        result = complain_double(to, "scale", point->scale, "is not a finite number");
    if (!isfinite(point->offset))
        result = complain_double(to, "offset", point->offset, "is not a finite number");
    if (point->n_sentinels > POINT_MAX_SENTINELS)
        result = complain_int(to, "invalid", point->n_sentinels, "raw values are too many: 8");
    if (!point->has_range)
        return result;
    if (!isfinite(point->range_min) || !isfinite(point->range_max))
        result = mw_complain(to, "range", NULL, "needs two finite numbers");
    else if (point->range_min >= point->range_max)
        result = complain_double(to, "range", point->range_min, "is not below the upper end");
    return result;
}

uint16_t value_registers(enum value_type type)
{
    switch (type) {
    case VALUE_INT32:
    case VALUE_UINT32:
    case VALUE_FLOAT32: return 2;
    case VALUE_INT64:
    case VALUE_UINT64:
    case VALUE_FLOAT64: return 4;
    case VALUE_NONE:
    case VALUE_BIT:
    case VALUE_INT16:
    case VALUE_UINT16: break;
    }
    return 1;
}
