/* SPDX-License-Identifier: Apache-2.0 */
/* millwright plan FILE: every request that the daemon will send, what it costs on the wire, and
 * how busy each bus will be. Touches no device. */
#include "fieldbus/plan.h"
#include "base/result.h"
#include "cli/loaded.h"
#include "cli/verbs.h"
#include "fieldbus/frame.h"

#include <getopt.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>

#define HIGH_LOAD 0.8 /* of a bus; above, retries have little room */

/* Modbus over Serial Line V1.02, 2.3: unit, PDU, CRC. Messaging on TCP/IP V1.0b, 3.1.3: MBAP. */
#define RTU_REQUEST_BYTES (FRAME_REQUEST_BYTES + 2)
#define RTU_AROUND_BYTES  5
#define MBAP_AROUND_BYTES 9

static const char *const KINDS[] = { "none", "holding", "input", "coil", "discrete" };

struct cost {
    uint32_t out_bytes, back_bytes;
};

static struct cost cost_of(const struct bus_config *bus, const struct plan_poll *poll)
{
    struct line_request request = { .kind = poll->kind, .count = poll->count };
    uint32_t data = (uint32_t)frame_data_bytes(&request);
    if (bus_speaks_rtu(bus))
        return (struct cost){ RTU_REQUEST_BYTES, RTU_AROUND_BYTES + data };
    return (struct cost){ MBAP_REQUEST_BYTES, MBAP_AROUND_BYTES + data };
}

/* What is said of one bus, in words or as JSON. */
struct listing {
    const struct config *config;
    json_t *requests; /* NULL: in words */
    double bytes_per_s;
    size_t n;
};

static void list_poll(struct listing *l, const struct bus_config *bus,
                      const struct device_config *device, const struct plan_poll *poll)
{
    struct cost cost = cost_of(bus, poll);
    double period_s = (double)poll->period_us / 1e6;
    l->bytes_per_s += (cost.out_bytes + cost.back_bytes) / period_s;
    l->n++;
    if (l->requests)
        json_array_append_new(
            l->requests,
            json_pack("{ss ss si ss si si si si sf si si}", "bus", bus->name, "device",
                      device->name, "unit", (int)device->unit, "kind", KINDS[poll->kind],
                      "function", (int)frame_function(poll->kind), "address", (int)poll->address,
                      "count", (int)poll->count, "points", (int)poll->n, "period_s", period_s,
                      "request_bytes", (int)cost.out_bytes, "reply_bytes", (int)cost.back_bytes));
    else
        printf("  %-24s %4u  %02u %-8s %5u %5u %6u %9.3f %5u %5u\n", device->name, device->unit,
               frame_function(poll->kind), KINDS[poll->kind], poll->address, poll->count, poll->n,
               period_s, cost.out_bytes, cost.back_bytes);
}

static void head(const struct bus_config *bus)
{
    if (bus->kind == BUS_RTU)
        printf("bus %s: RTU, %u baud %u%c%u, silence %lld us\n", bus->name, bus->baud,
               bus->data_bits, bus->parity, bus->stop_bits, (long long)bus->frame_gap_us);
    else
        printf("bus %s: TCP%s\n", bus->name, bus_speaks_rtu(bus) ? ", RTU frames" : "");
    printf("  %-24s %4s  %-11s %5s %5s %6s %9s %5s %5s\n", "DEVICE", "UNIT", "FUNCTION", "ADDR",
           "COUNT", "POINTS", "PERIOD s", "OUT", "BACK");
}

static void say_bus(const struct listing *l, const struct bus_config *bus, double load)
{
    printf("  %zu requests, %.1f bytes/s", l->n, l->bytes_per_s);
    if (bus->kind == BUS_RTU)
        printf(", predicted load %.1f %%", load * 100);
    puts("\n");
    if (load > HIGH_LOAD)
        fprintf(stderr,
                "millwright: warning: bus %s will be busy %.0f %% of the time: above 80 %% retries "
                "have little room; a longer period or a higher baud rate helps\n",
                bus->name, load * 100);
}

/* EX_OK, EX_OSERR. json: the object to add to, or NULL. */
static int plan_bus(const struct config *config, size_t index, json_t *buses, json_t *requests)
{
    const struct bus_config *bus = &config->buses[index];
    struct listing l = { .config = config, .requests = requests };
    struct plan plan = { 0 };
    size_t n_devices = 0;
    struct device_config *devices = loaded_devices(config, index, &n_devices);
    int result = MW_ERR_NO_MEMORY;
    if (devices)
        result = plan_init(&plan, devices, n_devices, config->points, 0);
    if (result == MW_OK) {
        double load = config_bus_load(config, index);
        if (!requests)
            head(bus);
        for (size_t i = 0; i < plan.n_polls; i++)
            list_poll(&l, bus, &devices[plan.polls[i].device], &plan.polls[i]);
        if (!requests)
            say_bus(&l, bus, load);
        else
            json_array_append_new(
                buses, json_pack("{ss ss si sf so sb}", "name", bus->name, "kind",
                                 bus->kind == BUS_RTU ? "rtu" : "tcp", "requests", (int)l.n,
                                 "bytes_per_s", l.bytes_per_s, "load_pct",
                                 bus->kind == BUS_RTU ? json_real(load * 100) : json_null(),
                                 "warning", (int)(load > HIGH_LOAD)));
    }
    plan_finish(&plan);
    free(devices);
    return result == MW_OK ? EX_OK : EX_OSERR;
}

static int plan_all(const struct config *config, bool json)
{
    json_t *buses = json ? json_array() : NULL, *requests = json ? json_array() : NULL;
    int status = EX_OK;
    for (size_t i = 0; i < config->n_buses && status == EX_OK; i++)
        status = plan_bus(config, i, buses, requests);
    if (!json) {
        if (config->n_buses == 0)
            puts("no bus: nothing is polled");
        return status;
    }
    json_t *root = json_pack("{so so}", "buses", buses, "requests", requests);
    if (!root)
        return EX_OSERR;
    json_dumpf(root, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(root);
    return status;
}

static void usage(FILE *to)
{
    fputs("usage: millwright plan FILE [--json] [--profiles DIR]\n\n"
          "Every request that the daemon will send with this configuration: bus, device, unit,\n"
          "function, address, count, points in it, period, and its bytes both ways; and how busy\n"
          "each serial bus will be: characters, silence, pauses and answering times. Above 80 %\n"
          "a warning follows. No device is touched.\n\n"
          "  --json          buses and requests as one JSON object\n"
          "  --profiles DIR  instead of " MW_PROFILE_DIR "\n\n"
          "Exit status: 0 done, 66 no such file, 74 it cannot be read, 78 it is wrong.\n",
          to);
}

int verb_plan(int argc, char **argv)
{
    static const struct option OPTIONS[] = { { "json", no_argument, NULL, 'j' },
                                             { "profiles", required_argument, NULL, 'p' },
                                             { "help", no_argument, NULL, 'h' },
                                             { 0 } };
    const char *profiles = MW_PROFILE_DIR;
    bool json = false;
    optind = 1;
    for (int o; (o = getopt_long(argc, argv, "h", OPTIONS, NULL)) != -1;) {
        switch (o) {
        case 'h': usage(stdout); return EX_OK;
        case 'j': json = true; break;
        case 'p': profiles = optarg; break;
        default: usage(stderr); return EX_USAGE;
        }
    }
    if (optind + 1 != argc) {
        usage(stderr);
        return EX_USAGE;
    }
    struct config *config = NULL;
    int status = loaded_config(argv[optind], profiles, &config);
    if (status == EX_OK)
        status = plan_all(config, json);
    config_free(config);
    return status;
}
