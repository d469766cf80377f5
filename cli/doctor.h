/* SPDX-License-Identifier: Apache-2.0 */
/* millwright doctor: what is wrong with this gateway, and the remedy. Gatherers (doctor_host.c,
 * doctor_serial.c, doctor_store.c, doctor_broker.c, doctor_tls.c, doctor_daemon.c) find facts and
 * judge nothing; doctor_judge*.c say what the facts mean, and look at nothing but them. Nothing is
 * written but a nameless file in the data folder; every wait has an end. */
#ifndef MW_CLI_DOCTOR_H
#define MW_CLI_DOCTOR_H

#include "config/config.h"
#include "storage/examine.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* ---- the report ---- */

/* Rising: the worst is the report's, but what was skipped does not count. */
enum doctor_verdict { DOCTOR_SKIPPED = 0, DOCTOR_OK, DOCTOR_WARNING, DOCTOR_FAULT };

struct doctor_finding {
    enum doctor_verdict verdict;
    const char *check; /* a word of --only; static */
    char subject[64];  /* which bus, setting, library; may be empty */
    char text[320], remedy[480];
};

struct doctor_report {
    struct doctor_finding *findings;
    size_t n, cap;
    bool no_memory;
};

void doctor_say(struct doctor_report *report, enum doctor_verdict verdict, const char *check,
                const char *subject, const char *format, ...) __attribute__((format(printf, 5, 6)));
/* Of what was said last: a command or a setting. */
void doctor_remedy(struct doctor_report *report, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
enum doctor_verdict doctor_worst(const struct doctor_report *report);
size_t doctor_count(const struct doctor_report *report, enum doctor_verdict verdict);
const char *doctor_word(enum doctor_verdict verdict);
void doctor_finish(struct doctor_report *report);

/* ---- facts ---- */

/* The user that the daemon runs as, whose rights count. */
struct doctor_user {
    char name[32];
    uid_t uid;
    gid_t groups[64];
    int n_groups;
};

/* What this user may do with a file; SEEN_NOT: whoever runs the doctor cannot tell. */
enum doctor_access { ACCESS_YES = 0, ACCESS_NO, ACCESS_MISSING, ACCESS_SEEN_NOT };

struct doctor_clock {
    int64_t utc_s;
    bool synced, has_rtc, rtc_read;
    int64_t rtc_s; /* where rtc_read */
};

enum doctor_rs485 { RS485_UNKNOWN = 0, RS485_NONE, RS485_OFF, RS485_ON };

struct doctor_port {
    const char *bus, *device, *user;
    enum doctor_access access; /* for reading and writing */
    bool is_tty;
    char group[32];   /* that the device belongs to */
    unsigned mode;    /* of the device, 0777 */
    char stable[300]; /* a name that stays, where the device's own does not; may be empty */
    char driver[16];  /* "ttymxc": one that the unit's DeviceAllow= does not name; else empty */
    bool renamed;     /* its name is the kernel's and may be another after the next start */
    int latency_ms;   /* of the adapter; <= 0: it has no such setting */
    char latency_file[512];
    enum rts_mode rts;
    enum doctor_rs485 rs485;
    bool locked;    /* by someone */
    long owner_pid; /* who is known, or 0 */
    char owner[64];
    bool owner_is_daemon;
};

struct doctor_peer {
    const char *bus, *host;
    uint16_t port;
    bool by_daemon;                /* the daemon was asked, the device was not */
    uint32_t n_devices, n_offline; /* by the daemon */
    bool hidden; /* a daemon that may not be asked polls it, so it was not tried either */
    int result;  /* of the connection: MW_OK, MW_ERR_NOT_FOUND, MW_ERR_TIMEOUT, ... */
    int64_t took_us;
};

enum doctor_medium { MEDIUM_DISK = 0, MEDIUM_RAM, MEDIUM_OVERLAY, MEDIUM_NETWORK, MEDIUM_FAT };

struct doctor_disk {
    const char *folder, *user;
    enum doctor_access access; /* for writing */
    enum doctor_medium medium;
    char kind[24]; /* "ext4" */
    bool read_only, has_figures, timed;
    bool outside;                              /* of what the unit lets the daemon write to */
    int64_t free_bytes, used_bytes, max_bytes; /* used: by the database; max: store.max_size */
    uint32_t n_syncs;
    int64_t p50_us, p99_us; /* of a page written and synced; where timed */
    int sync_error;         /* errno; where not timed and tried */
};

struct doctor_database {
    const char *path;
    enum doctor_access access; /* for reading; MISSING: none yet */
    int result;                /* of db_examine */
    struct db_examined found;
    bool by_daemon; /* which has it open: it was not examined but for its header */
    bool well;      /* by the daemon */
    bool has_reserve;
};

enum doctor_tls_outcome {
    TLS_NOT_TRIED = 0,
    TLS_OK,
    TLS_EXPIRED,
    TLS_NOT_YET,
    TLS_UNTRUSTED,
    TLS_OTHER_NAME,
    TLS_WANTS_CERTIFICATE, /* of the client */
    TLS_DISLIKES_CERTIFICATE,
    TLS_NO_TLS, /* the peer speaks something else */
    TLS_SILENT,
    TLS_FILES, /* ours could not be used */
    TLS_FAILED,
};

struct doctor_tls {
    enum doctor_tls_outcome outcome;
    char words[128];      /* OpenSSL's */
    char protocol[16];    /* "TLSv1.3" */
    char names[128];      /* that the peer's certificate is for */
    int64_t not_after_us; /* of the peer's certificate; 0: not seen */
};

struct doctor_broker {
    const char *host;
    uint16_t port;
    bool tls;
    const char *ca_file, *username;
    int lookup; /* MW_OK, MW_ERR_NOT_FOUND, MW_ERR_TIMEOUT */
    int connected;
    int connect_errno;
    int64_t took_us;
    struct doctor_tls handshake;
    bool asked, up; /* MQTT CONNECT */
    bool daemon_up; /* the daemon is connected under its own client id */
    uint8_t reason;
    char words[96];
    char client_id[80];
    int64_t at_us; /* UTC now */
};

struct doctor_certificate {
    const char *setting, *path;
    int result;  /* of reading it: MW_OK, MW_ERR_IO, MW_ERR_FORMAT */
    bool unseen; /* it is there, but not to be read by whoever runs the doctor */
    int64_t not_after_us, at_us;
};

struct doctor_secret {
    const char *setting, *path, *user;
    enum doctor_access access; /* for reading */
    bool open_to_others, malformed;
    bool only_public; /* a certificate: others may read it */
    bool credential;  /* of systemd: it is there only while the daemon runs */
    bool hidden;      /* where the unit shows the daemon nothing */
};

struct doctor_daemon {
    const char *socket, *own_version;
    int connect_errno; /* 0: it answered, or was silent */
    uid_t uid;         /* whose process it is; (uid_t)-1: not known */
    long pid;          /* 0: not known */
    bool answered;
    char version[32], config_file[256];
    int64_t uptime_s, outbox_waiting;
    bool store_well;
    char store_text[160];
    char broker_state[16], broker_text[120];
    uint32_t n_machines, n_without_model;
    const char *other_config; /* what it has read, where that is not what the doctor has; or NULL */
};

struct doctor_polling {
    const char *bus;
    int64_t period_us, waited_us; /* the shortest period; between the two looks */
    uint64_t polls_before, polls_after;
    uint32_t n_devices, n_offline;
    char offline[64]; /* the first of them */
    bool overloaded;
};

/* A library or the kernel. */
struct doctor_version {
    const char *name; /* "libmodbus" */
    char text[64];    /* as linked: "3.1.6" */
};

/* ---- verdicts: pure ---- */

void judge_clock(struct doctor_report *report, const struct doctor_clock *clock);
void judge_port(struct doctor_report *report, const struct doctor_port *port);
void judge_peer(struct doctor_report *report, const struct doctor_peer *peer);
void judge_disk(struct doctor_report *report, const struct doctor_disk *disk);
void judge_database(struct doctor_report *report, const struct doctor_database *database);
void judge_broker(struct doctor_report *report, const struct doctor_broker *broker);
void judge_certificate(struct doctor_report *report, const struct doctor_certificate *certificate);
/* result: of certificate_fits_key. */
void judge_key(struct doctor_report *report, const char *cert_file, const char *key_file,
               int result);
void judge_secret(struct doctor_report *report, const struct doctor_secret *secret);
void judge_daemon(struct doctor_report *report, const struct doctor_daemon *daemon);
void judge_polling(struct doctor_report *report, const struct doctor_polling *polling);
void judge_version(struct doctor_report *report, const struct doctor_version *version);

/* ---- gatherers ---- */

/* name NULL: the user of daemon_uid where that is not (uid_t)-1, else millwright where there is
 * one, else whoever calls. False: no such user. */
bool doctor_find_user(const char *name, uid_t daemon_uid, struct doctor_user *ret_user);
/* want: R_OK, W_OK, X_OK bits. Access lists are not looked at. */
enum doctor_access doctor_may(const struct doctor_user *user, const char *path, int want);
/* Whether what the unit allows binds this user: it is the unit's, the unit is installed, and no
 * drop-in of the plant's own changes it. */
bool doctor_is_of_unit(const struct doctor_user *user);
/* A credential of systemd: below /run/credentials. */
bool doctor_is_credential(const char *path);
void doctor_read_clock(struct doctor_clock *ret_clock);
int64_t doctor_mono_us(void);
void doctor_pause(int64_t for_us);
/* All that are known; returns how many, at most cap. */
size_t doctor_versions(struct doctor_version *ret_versions, size_t cap);
void doctor_processor(char *ret_words, size_t cap);

/* daemon: one that polls, so that the port is not opened, pid 0 where it is not known; NULL: none.
 */
void doctor_look_at_port(const struct bus_config *bus, const struct doctor_user *user,
                         const struct doctor_daemon *daemon, struct doctor_port *ret_port);
/* USB adapters that are plugged in, as buses named after their tty; returns how many, at most cap.
 */
size_t doctor_adapters(struct bus_config *ret_buses, size_t cap);
/* All at once, within 4 s; peers' bus, host and port are given. */
void doctor_reach_peers(struct doctor_peer *peers, size_t n);

/* folder: at least PATH_MAX long, for facts->folder. */
void doctor_look_at_disk(const struct store_config *store, const struct doctor_user *user,
                         char *folder, struct doctor_disk *ret_disk);
void doctor_look_at_database(const struct store_config *store, const struct doctor_daemon *daemon,
                             struct doctor_database *ret_database);

/* host: at least 256 long, for facts->host. say: told before each wait. */
void doctor_ask_broker(const struct mqtt_config *mqtt, char *host, void (*say)(const char *what),
                       struct doctor_broker *ret_broker);
/* On a connected descriptor; within patience_us. */
void doctor_shake_hands(int fd, const struct mqtt_config *mqtt, const char *host,
                        int64_t patience_us, struct doctor_tls *ret_tls);

/* The daemon's whole status, jansson's json_t; NULL: none. */
struct doctor_status;
struct doctor_status *doctor_ask_daemon(const char *socket, struct doctor_daemon *ret_daemon);
void doctor_status_free(struct doctor_status *status);
/* What it says of one bus, twice where a poll is due within 3 s. polling->bus is given. */
void doctor_look_at_polls(const struct config *config, const char *socket,
                          const struct doctor_status *before, struct doctor_polling *ret_polls);

#endif
