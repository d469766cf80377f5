/* SPDX-License-Identifier: Apache-2.0 */
/* The files that a configuration names, on this computer. They are read, never written; a right
 * configuration may be wrong here and right in the cabinet. */
#include "base/result.h"
#include "config/build.h"
#include "uplink/secret.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PASSWORD_MAX 256 /* with its terminator, as the broker's adapter keeps it */

/* What is wrong with a file that is to be read; NULL: nothing. */
static const char *fault_of_file(const char *path)
{
    struct stat status;
    if (stat(path, &status) != 0)
        return errno == ENOENT || errno == ENOTDIR ? "does not exist" : "cannot be reached";
    if (!S_ISREG(status.st_mode))
        return "is no regular file";
    return access(path, R_OK) == 0 ? NULL : "cannot be read by this user";
}

#define OPEN_TO_OTHERS "can be read by others; it must be its owner's alone (mode 0600)"

static const char *fault_of_key(const char *path)
{
    const char *fault = fault_of_file(path);
    return !fault && secret_check(path) == MW_ERR_REFUSED ? OPEN_TO_OTHERS : fault;
}

static const char *fault_of_secret(const char *path)
{
    const char *fault = fault_of_file(path);
    if (fault)
        return fault;
    char secret[PASSWORD_MAX];
    int result = secret_read(secret, sizeof secret, path);
    secret_wipe(secret, sizeof secret);
    switch (result) {
    case MW_OK: return NULL;
    case MW_ERR_REFUSED: return OPEN_TO_OTHERS;
    case MW_ERR_FORMAT: return "must hold one line of 1 to 255 bytes";
    default: return "cannot be read";
    }
}

static void check_mqtt(struct build *b)
{
    const struct mqtt_config *m = &b->config->mqtt;
    const struct node *node = node_get(b->document.root, "mqtt");
    const struct {
        const char *key, *path;
    } files[] = {
        { "ca_file", m->ca_file },
        { "cert_file", m->cert_file },
    };
    if (!m->uri[0]) /* then nobody reads them */
        return;
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        const char *fault = files[i].path[0] ? fault_of_file(files[i].path) : NULL;
        if (fault)
            report_node(b->report, node, files[i].key, "'%s' %s", files[i].path, fault);
    }
    const char *key_fault = m->key_file[0] ? fault_of_key(m->key_file) : NULL;
    if (key_fault)
        report_node(b->report, node, "key_file", "'%s' %s", m->key_file, key_fault);
    const char *fault = m->password_file[0] ? fault_of_secret(m->password_file) : NULL;
    if (fault)
        report_node(b->report, node, "password_file", "'%s' %s", m->password_file, fault);
}

/* Whether a certificate or password was replaced shows in this alone. */
static void digest_mqtt(struct config *config)
{
    const struct mqtt_config *m = &config->mqtt;
    const char *const paths[] = { m->ca_file, m->cert_file, m->key_file, m->password_file };
    struct mw_sha256 sha;
    mw_sha256_init(&sha);
    for (size_t i = 0; m->uri[0] && i < sizeof paths / sizeof paths[0]; i++) {
        uint8_t *bytes = NULL;
        size_t n = 0;
        if (!paths[i][0] || file_read(paths[i], CONFIG_MAX_FILE_BYTES, &bytes, &n) < 0)
            continue;
        mw_sha256_feed(&sha, bytes, n);
        secret_wipe((char *)bytes, n);
        free(bytes);
    }
    mw_sha256_finish(&sha, config->mqtt_files);
}

/* Installs the model as the daemon would. */
static int try_model(const struct mw_detector_config *config, const uint8_t *bytes, size_t n_bytes,
                     struct mw_model_fault *ret_why)
{
    size_t n_memory = 0;
    int result = mw_detector_measure(bytes, n_bytes, &n_memory, ret_why);
    if (result < 0)
        return result;
    struct mw_detector *detector = malloc(sizeof *detector);
    void *state = malloc(mw_detector_bytes(config));
    void *memory = malloc(n_memory + 1);
    result = MW_ERR_NO_MEMORY;
    if (detector && state && memory) {
        mw_detector_init(detector, config, state);
        result = mw_detector_install(detector, bytes, n_bytes, memory, n_memory, ret_why);
    }
    free(memory);
    free(state);
    free(detector);
    return result;
}

/* The model section that names the file: the machine's own, else its type's. */
static const struct node *model_section(const struct build *b, size_t machine)
{
    const struct node *entry = node_item(node_get(b->document.root, "machines"), machine);
    const struct node *own = node_get(entry, "model");
    if (node_get(own, "file"))
        return own;
    const char *type = b->raw->machines[machine].type;
    struct names types = { b->types[0].machine.name, b->n_types, sizeof b->types[0] };
    int64_t i = type ? find_name(&types, type) : -1;
    const struct node *list = node_get(b->document.root, "machine_types");
    return i < 0 ? own : node_get(node_item(list, (size_t)i), "model");
}

static void check_model(struct build *b, size_t i)
{
    const struct machine_config *machine = &b->config->machines[i];
    const char *path = machine->model_file;
    const char *fault = fault_of_file(path);
    struct mw_model_fault why = { "" };
    uint8_t *bytes = NULL;
    size_t n_bytes = 0;
    int result = fault ? MW_OK : file_read(path, MW_MODEL_MAX_BYTES, &bytes, &n_bytes);
    if (result == MW_OK && !fault)
        result = try_model(&machine->detector, bytes, n_bytes, &why);
    free(bytes);
    if (result == MW_ERR_NO_MEMORY)
        b->no_memory = true;
    else if (result < 0 && why.text[0])
        report_node(b->report, model_section(b, i), "file", "'%s' is no model for machine '%s': %s",
                    path, machine->name, why.text);
    else if (result < 0)
        fault = result == MW_ERR_TOO_BIG ? "is larger than 4 MiB" : "cannot be read as a model";
    if (fault)
        report_node(b->report, model_section(b, i), "file", "'%s' %s", path, fault);
}

void build_here(struct build *b)
{
    b->report->warning = b->here == CONFIG_HERE_WARNS;
    check_mqtt(b);
    digest_mqtt(b->config);
    b->report->warning = b->here != CONFIG_HERE;
    for (size_t i = 0; i < b->config->n_machines && !b->no_memory; i++)
        if (b->config->machines[i].model_file[0])
            check_model(b, i);
    b->report->warning = false;
}
