/* SPDX-License-Identifier: Apache-2.0 */
/* millwright init: a bus is searched, a person is asked, a configuration is written. */
#include "cli/init.h"
#include "cli/verbs.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

static const char USAGE[] =
    "usage: millwright init [--output FILE] [options]\n\n"
    "Asks which bus there is, searches it, proposes profiles for whoever answers, asks for\n"
    "machines, limits and the broker, and writes a commented configuration, checked before it\n"
    "has its name. Each answer can be given as an option; then it is not asked. Nothing is ever\n"
    "written to a device, no password into the file; Ctrl-C and an input that ends leave nothing\n"
    "behind.\n\n"
    "  --output FILE    instead of " MW_CONFDIR "/millwright.yaml; - for standard output\n"
    "  --force          replace a file that is there; it is kept as FILE.old\n"
    "  --yes            ask nothing: what no option answers has its default\n\n"
    "The bus:\n"
    "  --bus BUS        a serial port, or HOST[:PORT] of a Modbus TCP device or gateway\n"
    "  --baud N         of a serial port, or auto (default): the usual ones until somebody "
    "answers\n"
    "  --parity N|E|O   of a serial port, with --baud N\n"
    "  --framing KIND   over TCP: mbap (default), or rtu for RTU frames over TCP\n"
    "  --units LIST     such as 1-32,80\n"
    "  --timeout TIME   wait so long for an answer, 10ms to 60s\n\n"
    "Who answers, each as often as needed; UNIT is the address:\n"
    "  --machine UNIT=NAME       also NAME.ROLE of a further device of one machine; - leaves it "
    "out\n"
    "  --profile UNIT=NAME       also NAME:VARIANT; 0 for none\n"
    "  --point 'UNIT NAME KIND ADDRESS TYPE ...'  a register of its manual, as asked for\n\n"
    "The rest:\n"
    "  --limits HIGH,HIGH_HIGH   of vibration velocity, mm/s RMS; or none\n"
    "  --gateway NAME   --site NAME      as topics name them\n"
    "  --broker HOST[:PORT]      also mqtt://... or mqtts://...; or none\n"
    "  --tls YES        yes or no\n"
    "  --ca-file FILE   of the authority that signs the broker's certificate\n"
    "  --user NAME      at the broker; or none\n"
    "  --password-file FILE      where the password will be; never the password\n"
    "  --profiles DIR   instead of " MW_PROFILE_DIR "\n"
    "  --socket PATH    the daemon's control socket, if it polls this bus already\n\n"
    "Exit status: 0 written, 64 usage, 66 the input ended or no such port, 69 nobody answered or\n"
    "no connection, 73 the file cannot be made or is there, 75 the port is another's, 77 no\n"
    "permission, 78 what conf.d beside the file holds does not go with it.\n";

enum { OPTION_TEXT = 1000, OPTION_LIST };

static const struct option OPTIONS[] = {
    { "output", required_argument, NULL, OPTION_TEXT },
    { "bus", required_argument, NULL, OPTION_TEXT },
    { "baud", required_argument, NULL, OPTION_TEXT },
    { "parity", required_argument, NULL, OPTION_TEXT },
    { "framing", required_argument, NULL, OPTION_TEXT },
    { "units", required_argument, NULL, OPTION_TEXT },
    { "timeout", required_argument, NULL, OPTION_TEXT },
    { "limits", required_argument, NULL, OPTION_TEXT },
    { "gateway", required_argument, NULL, OPTION_TEXT },
    { "site", required_argument, NULL, OPTION_TEXT },
    { "broker", required_argument, NULL, OPTION_TEXT },
    { "tls", required_argument, NULL, OPTION_TEXT },
    { "ca-file", required_argument, NULL, OPTION_TEXT },
    { "user", required_argument, NULL, OPTION_TEXT },
    { "password-file", required_argument, NULL, OPTION_TEXT },
    { "profiles", required_argument, NULL, OPTION_TEXT },
    { "socket", required_argument, NULL, OPTION_TEXT },
    { "machine", required_argument, NULL, OPTION_LIST },
    { "profile", required_argument, NULL, OPTION_LIST },
    { "point", required_argument, NULL, OPTION_LIST },
    { "force", no_argument, NULL, 'f' },
    { "yes", no_argument, NULL, 'y' },
    { "help", no_argument, NULL, 'h' },
    { 0 },
};

/* In the order of OPTIONS. */
static void take_text(struct init_options *o, int index, const char *value)
{
    const char **const TEXTS[] = {
        &o->output,  &o->bus,    &o->baud,          &o->parity,   &o->framing, &o->units,
        &o->timeout, &o->limits, &o->gateway,       &o->site,     &o->broker,  &o->tls,
        &o->ca_file, &o->user,   &o->password_file, &o->profiles, &o->socket,
    };
    if ((size_t)index < sizeof TEXTS / sizeof TEXTS[0])
        *TEXTS[index] = value;
}

static bool take_list(struct init_options *o, const char *name, const char *value)
{
    struct init_repeated *list = strcmp(name, "machine") == 0   ? &o->machines
                                 : strcmp(name, "profile") == 0 ? &o->profile
                                                                : &o->points;
    char *end = NULL;
    unsigned long unit = strtoul(value, &end, 10);
    if (end == value || unit > 255 || *end != (list == &o->points ? ' ' : '=')) {
        fprintf(stderr, "millwright: '%s' is no value for --%s, which begins with UNIT%s\n", value,
                name, list == &o->points ? " and a blank" : "=");
        return false;
    }
    if (list->n == INIT_MAX_REPEATED) {
        fprintf(stderr, "millwright: more than %d times --%s\n", INIT_MAX_REPEATED, name);
        return false;
    }
    list->values[list->n++] = value;
    return true;
}

/* What is given for units that were not found is no answer to anything. */
static bool is_found(const struct search *search, const char *value)
{
    for (size_t i = 0; i < search->n_found; i++)
        if (search->found[i].unit == strtoul(value, NULL, 10))
            return true;
    return false;
}

static void warn_of_absent(const struct init *in)
{
    const struct init_repeated *const LISTS[] = { &in->options.machines, &in->options.profile,
                                                  &in->options.points };
    for (size_t l = 0; l < sizeof LISTS / sizeof LISTS[0]; l++)
        for (size_t i = 0; i < LISTS[l]->n; i++)
            if (!is_found(&in->search, LISTS[l]->values[i]))
                fprintf(stderr, "millwright: warning: '%s' is of a unit that did not answer\n",
                        LISTS[l]->values[i]);
}

static int run(struct init *in)
{
    int status = init_may_write(in);
    if (status == EX_OK)
        status = init_bus(in);
    if (status != EX_OK)
        return status;
    warn_of_absent(in);
    status = init_machines(in);
    reach_close(&in->reach);
    if (status == EX_OK)
        status = init_gateway(in);
    return status == EX_OK ? init_write(in) : status;
}

int verb_init(int argc, char **argv)
{
    struct init *in = calloc(1, sizeof *in);
    int index = 0, status = in ? EX_OK : EX_OSERR;
    if (!in)
        return status;
    in->options = (struct init_options){ .output = MW_CONFIG_FILE, .profiles = MW_PROFILE_DIR };
    optind = 1;
    for (int o; status == EX_OK && (o = getopt_long(argc, argv, "h", OPTIONS, &index)) != -1;) {
        switch (o) {
        case 'h':
            fputs(USAGE, stdout);
            free(in);
            return EX_OK;
        case 'f': in->options.force = true; break;
        case 'y': in->options.yes = true; break;
        case OPTION_TEXT: take_text(&in->options, index, optarg); break;
        case OPTION_LIST:
            status = take_list(&in->options, OPTIONS[index].name, optarg) ? EX_OK : EX_USAGE;
            break;
        default: fputs(USAGE, stderr); status = EX_USAGE;
        }
    }
    if (status == EX_OK && optind < argc) {
        fputs(USAGE, stderr);
        status = EX_USAGE;
    }
    in->asker = (struct asker){ .yes = in->options.yes, .terminal = isatty(STDIN_FILENO) == 1 };
    if (status == EX_OK) {
        known_load(&in->known, in->options.profiles);
        status = run(in);
        known_free(&in->known);
    }
    free(in);
    return status;
}
