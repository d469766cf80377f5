/* SPDX-License-Identifier: Apache-2.0 */
/* One run of the doctor: what it was asked, what it knows so far, and each check as a step. */
#ifndef MW_CLI_DOCTOR_CHECKS_H
#define MW_CLI_DOCTOR_CHECKS_H

#include "cli/doctor.h"

struct patient {
    const char *file, *only;
    bool file_given, has_config;
    struct doctor_report report;
    struct config *config; /* NULL: none that loads */
    struct doctor_user user;
    struct doctor_daemon daemon;
    struct doctor_status *status; /* NULL: no daemon that answers */
    bool daemon_hidden;           /* there is one, and this user may not ask it */
    uint32_t n_models_wrong;
};

/* Of what takes long, on a terminal. */
void doctor_progress(const char *what);
int64_t doctor_utc_us(void);
/* Whether the list "a,b" names the check; NULL names all. */
bool doctor_is_wanted(const char *only, const char *check);

/* Loads the configuration and says what came of it. */
void doctor_load(struct patient *patient, const char *profiles);

/* Those that need one have patient->config. */
void check_models(struct patient *patient);
void check_secrets(struct patient *patient);
void check_certificates(struct patient *patient);
void check_serial(struct patient *patient);
void check_tcp(struct patient *patient);
void check_clock(struct patient *patient);
void check_disk(struct patient *patient);
void check_database(struct patient *patient);
void check_broker(struct patient *patient);
void check_daemon(struct patient *patient);
void check_engine(struct patient *patient);
void check_versions(struct patient *patient);

#endif
