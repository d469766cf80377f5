/* SPDX-License-Identifier: Apache-2.0 */
/* Facts of the computer: users and their rights, clock, versions, processor. */
#define _DEFAULT_SOURCE /* adjtimex, getgrouplist */
#include "cli/doctor.h"
#include "config/host_cpu.h"
#include "fieldbus/modbus_line.h"
#include "inference/cpu.h"
#include "inference/dense_kernel.h"
#include "uplink/certificate.h"
#include "uplink/paho_broker.h"

#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/timex.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#define SERVICE_USER "millwright" /* systemd/sysusers.conf */

/* ---- users and rights ---- */

static void take_passwd(const struct passwd *passwd, struct doctor_user *ret_user)
{
    *ret_user = (struct doctor_user){ .uid = passwd->pw_uid, .n_groups = 64 };
    (void)snprintf(ret_user->name, sizeof ret_user->name, "%s", passwd->pw_name);
    if (getgrouplist(passwd->pw_name, passwd->pw_gid, ret_user->groups, &ret_user->n_groups) < 0)
        ret_user->n_groups = 64; /* the first of many more */
}

/* The own groups are those of the process: the unit's Group= and su(1) may have set others. */
static void take_self(struct doctor_user *ret_user)
{
    const struct passwd *passwd = getpwuid(geteuid());
    *ret_user = (struct doctor_user){ .uid = geteuid() };
    if (passwd)
        (void)snprintf(ret_user->name, sizeof ret_user->name, "%s", passwd->pw_name);
    else
        (void)snprintf(ret_user->name, sizeof ret_user->name, "%lu", (unsigned long)geteuid());
    int n = getgroups(63, ret_user->groups);
    ret_user->n_groups = n > 0 ? n : 0;
    ret_user->groups[ret_user->n_groups++] = getegid();
}

bool doctor_find_user(const char *name, uid_t daemon_uid, struct doctor_user *ret_user)
{
    bool running = daemon_uid != (uid_t)-1;
    const struct passwd *passwd = name      ? getpwnam(name)
                                  : running ? getpwuid(daemon_uid)
                                            : getpwnam(SERVICE_USER);
    if (passwd && passwd->pw_uid != geteuid())
        take_passwd(passwd, ret_user);
    else if (passwd || !name)
        take_self(ret_user);
    return passwd || !name;
}

static bool in_group(const struct doctor_user *user, gid_t group)
{
    for (int i = 0; i < user->n_groups; i++)
        if (user->groups[i] == group)
            return true;
    return false;
}

/* want: bits 4, 2, 1 as in a mode. */
static bool allows(const struct doctor_user *user, const struct stat *file, unsigned want)
{
    unsigned mode = file->st_mode & 0777;
    if (user->uid == 0)
        return !(want & 1) || S_ISDIR(file->st_mode) || (mode & 0111);
    if (user->uid == file->st_uid)
        return (mode >> 6 & want) == want;
    return ((in_group(user, file->st_gid) ? mode >> 3 : mode) & want) == want;
}

static enum doctor_access trouble(int error)
{
    return error == ENOENT || error == ENOTDIR || error == ENXIO || error == ENODEV
               ? ACCESS_MISSING
               : ACCESS_SEEN_NOT;
}

enum doctor_access doctor_may(const struct doctor_user *user, const char *path, int want)
{
    char whole[PATH_MAX], *real = realpath(path, NULL);
    struct stat file;
    if (!real)
        return trouble(errno);
    (void)snprintf(whole, sizeof whole, "%s", real);
    free(real);
    for (char *slash = whole + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = '\0';
        bool seen = stat(whole, &file) == 0;
        if (!seen)
            return trouble(errno);
        if (!allows(user, &file, 1))
            return ACCESS_NO;
        *slash = '/';
    }
    if (stat(whole, &file) != 0)
        return trouble(errno);
    unsigned bits = (want & R_OK ? 4u : 0) | (want & W_OK ? 2u : 0) | (want & X_OK ? 1u : 0);
    return allows(user, &file, bits) ? ACCESS_YES : ACCESS_NO;
}

/* ---- the unit ---- */

bool doctor_is_of_unit(const struct doctor_user *user)
{
    static const char *const folders[] = { "/etc/systemd/system", "/lib/systemd/system",
                                           "/usr/local/lib/systemd/system" };
    char path[80];
    bool installed = false;
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
        (void)snprintf(path, sizeof path, "%s/millwrightd.service", folders[i]);
        installed |= access(path, F_OK) == 0;
    }
    return installed && strcmp(user->name, SERVICE_USER) == 0 &&
           access("/etc/systemd/system/millwrightd.service.d", F_OK) != 0;
}

bool doctor_is_credential(const char *path)
{
    return strncmp(path, "/run/credentials/", 17) == 0;
}

/* ---- clock ---- */

static int64_t read_us(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

int64_t doctor_mono_us(void)
{
    return read_us(CLOCK_MONOTONIC);
}

void doctor_pause(int64_t for_us)
{
    const struct timespec t = { (time_t)(for_us / 1000000), (long)(for_us % 1000000) * 1000 };
    nanosleep(&t, NULL);
}

/* As the daemon decides: the kernel's word, or timesyncd's. */
static bool is_synced(void)
{
    struct timex t = { 0 };
    int state = adjtimex(&t);
    if (state < 0 || state == TIME_ERROR || (t.status & STA_UNSYNC))
        return access("/run/systemd/timesync/synchronized", F_OK) == 0;
    return true;
}

void doctor_read_clock(struct doctor_clock *ret_clock)
{
    struct doctor_clock clock = { .utc_s = read_us(CLOCK_REALTIME) / 1000000,
                                  .synced = is_synced(),
                                  .has_rtc = access("/sys/class/rtc/rtc0", F_OK) == 0 };
    FILE *file = fopen("/sys/class/rtc/rtc0/since_epoch", "re");
    char text[32], *end = text;
    if (file && fgets(text, sizeof text, file))
        clock.rtc_s = strtoll(text, &end, 10);
    clock.rtc_read = end != text;
    if (file)
        fclose(file);
    *ret_clock = clock;
}

/* ---- versions and processor ---- */

size_t doctor_versions(struct doctor_version *ret_versions, size_t cap)
{
    struct utsname system = { 0 };
    char modbus[16];
    uname(&system);
    modbus_line_library_version(modbus, sizeof modbus);
    const struct {
        const char *name, *text;
    } all[] = {
        { "kernel", system.release },
        { "libmodbus", modbus },
        { "Paho", paho_broker_library_version() },
        { "SQLite", db_library_version() },
        { "OpenSSL", certificate_library_version() },
        { "libcyaml", config_library_version() },
    };
    size_t n = sizeof all / sizeof all[0];
    for (size_t i = 0; i < n && i < cap; i++) {
        ret_versions[i].name = all[i].name;
        (void)snprintf(ret_versions[i].text, sizeof ret_versions[i].text, "%s", all[i].text);
    }
    return n < cap ? n : cap;
}

void doctor_processor(char *ret_words, size_t cap)
{
    static const struct {
        uint32_t bit;
        const char *name;
    } features[] = {
        { MW_CPU_AVX2, "avx2" },
        { MW_CPU_AVX512_VNNI, "avx512-vnni" },
        { MW_CPU_NEON, "neon" },
        { MW_CPU_DOTPROD, "dotprod" },
    };
    uint32_t cpu = host_cpu();
    const struct mw_dense_kernel *best = mw_dense_kernel_best(cpu);
    char had[64] = "";
    for (size_t i = 0; i < sizeof features / sizeof features[0]; i++) {
        size_t n = strlen(had);
        if (cpu & features[i].bit)
            (void)snprintf(had + n, sizeof had - n, "%s%s", n ? ", " : "", features[i].name);
    }
    (void)snprintf(ret_words, cap, "kernel %s; the processor has %s", best->name,
                   had[0] ? had : "none of the vector units that the engine knows");
}
