/* SPDX-License-Identifier: Apache-2.0 */
/* Facts to verdicts, pure: disk and database. */
#include "base/result.h"
#include "cli/doctor.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define MIB (INT64_C(1) << 20)

/* ---- disk ---- */

/* An alarm is stored, and with it sent, after one sync; acknowledgements are stored five times a
 * second. Above a fifth of a second they hold each other up. */
#define SYNC_SLOW_US 200000
#define RESERVE      (4 * MIB) /* below, the daemon cannot keep its reserve */

static void judge_medium(struct doctor_report *report, const struct doctor_disk *d)
{
    static const char *const why[] = {
        [MEDIUM_DISK] = "",
        [MEDIUM_RAM] = "is memory: alarms not yet sent and models are gone after a power cut",
        [MEDIUM_OVERLAY] = "may be thrown away with the image: unsent alarms and models go with it",
        [MEDIUM_NETWORK] = "is another computer's: its locks and syncs are not what SQLite needs",
        [MEDIUM_FAT] = "has no journal: a power cut may take the whole folder",
    };
    if (d->medium == MEDIUM_DISK) {
        doctor_say(report, DOCTOR_OK, "disk", "filesystem", "%s", d->kind);
        return;
    }
    doctor_say(report, DOCTOR_WARNING, "disk", "filesystem", "%s (%s) %s", d->folder, d->kind,
               why[d->medium]);
    doctor_remedy(report, "store.path on a local disk with ext4 or f2fs; or, where nothing is to "
                          "be kept, store.history: ram");
}

static void judge_room(struct doctor_report *report, const struct doctor_disk *d)
{
    int64_t room = d->free_bytes + d->used_bytes;
    if (d->free_bytes < RESERVE) {
        doctor_say(report, DOCTOR_FAULT, "disk", "room", "%s is full: %" PRId64 " KiB free",
                   d->folder, d->free_bytes / 1024);
        doctor_remedy(report, "du -xh --max-depth=2 / | sort -h | tail; journalctl "
                              "--vacuum-size=50M; apt clean");
    } else if (room < d->max_bytes) {
        doctor_say(report, DOCTOR_WARNING, "disk", "room",
                   "room for a database of %" PRId64 " MiB, store.max_size is %" PRId64 " MiB",
                   room / MIB, d->max_bytes / MIB);
        doctor_remedy(report, "store.max_size: %" PRId64 "MiB, or make room in %s",
                      room / MIB > 8 ? room / MIB / 2 : 4, d->folder);
    } else {
        doctor_say(report, DOCTOR_OK, "disk", "room",
                   "%" PRId64 " MiB free for a database of at most %" PRId64 " MiB",
                   d->free_bytes / MIB, d->max_bytes / MIB);
    }
}

static void judge_sync(struct doctor_report *report, const struct doctor_disk *d)
{
    if (!d->timed && d->sync_error == 0) {
        doctor_say(report, DOCTOR_SKIPPED, "disk", "fsync",
                   "this user may not write to %s: run as root, or runuser -u %s -- millwright "
                   "doctor",
                   d->folder, d->user);
    } else if (!d->timed) {
        doctor_say(report, DOCTOR_FAULT, "disk", "fsync", "writing to %s fails: %s", d->folder,
                   strerror(d->sync_error));
        doctor_remedy(report, "make room, or dmesg | tail: a card that fails is to be replaced");
    } else if (d->p99_us > SYNC_SLOW_US) {
        doctor_say(report, DOCTOR_WARNING, "disk", "fsync",
                   "a page written and synced takes %.1f ms (p50), %.1f ms (p99), above 200 ms: "
                   "acknowledgements, stored five times a second, hold alarms up",
                   (double)d->p50_us / 1000, (double)d->p99_us / 1000);
        doctor_remedy(report, "an industrial card, eMMC or SSD; until then store.block: 5min, and "
                              "nothing else that writes to this disk");
    } else {
        doctor_say(report, DOCTOR_OK, "disk", "fsync",
                   "a page written and synced takes %.2f ms (p50), %.2f ms (p99 of %u)",
                   (double)d->p50_us / 1000, (double)d->p99_us / 1000, (unsigned)d->n_syncs);
    }
}

void judge_disk(struct doctor_report *report, const struct doctor_disk *d)
{
    if (d->access == ACCESS_MISSING) {
        doctor_say(report, DOCTOR_FAULT, "disk", "", "the folder %s does not exist", d->folder);
        doctor_remedy(report, "install -d -m 0750 -o %s %s", d->user, d->folder);
        return;
    }
    if (d->access == ACCESS_SEEN_NOT || !d->has_figures) {
        doctor_say(report, DOCTOR_SKIPPED, "disk", "",
                   "%s cannot be looked at by this user: run as root", d->folder);
        return;
    }
    judge_medium(report, d);
    if (d->read_only) {
        doctor_say(report, DOCTOR_FAULT, "disk", "", "%s is mounted read-only", d->folder);
        doctor_remedy(report,
                      "mount -o remount,rw $(findmnt -no TARGET -T %s); if it was remounted "
                      "by itself, dmesg says why",
                      d->folder);
        return;
    }
    if (d->access == ACCESS_NO) {
        doctor_say(report, DOCTOR_FAULT, "disk", "", "user %s may not write to %s", d->user,
                   d->folder);
        doctor_remedy(report, "chown -R %s %s", d->user, d->folder);
    }
    if (d->outside) {
        doctor_say(report, DOCTOR_WARNING, "disk", "",
                   "the unit lets the daemon write below /var/lib/millwright alone");
        doctor_remedy(report,
                      "systemctl edit millwrightd: [Service] ReadWritePaths=%s; then systemctl "
                      "restart millwrightd",
                      d->folder);
    }
    judge_room(report, d);
    judge_sync(report, d);
}

/* ---- database ---- */

static void judge_version_of(struct doctor_report *report, const struct doctor_database *d)
{
    const struct db_examined *f = &d->found;
    if (f->version > f->newest) {
        doctor_say(report, DOCTOR_FAULT, "database", "",
                   "%s is of schema %d, this release knows %d at most: the daemon does not start",
                   d->path, f->version, f->newest);
        doctor_remedy(report, "install the newer release again; or begin anew: mv %s %s.newer",
                      d->path, d->path);
        return;
    }
    doctor_say(report, DOCTOR_FAULT, "database", "", "%s is a database of another program",
               d->path);
    doctor_remedy(report, "another store.path, or mv %s %s.other", d->path, d->path);
}

static void judge_corrupt(struct doctor_report *report, const struct doctor_database *d)
{
    doctor_say(report, DOCTOR_FAULT, "database", "", "%s is corrupt: %s", d->path,
               d->found.trouble[0] ? d->found.trouble : "no database of SQLite");
    doctor_remedy(report,
                  "systemctl restart millwrightd: it is put aside as %s.corrupt-TIME and a new one "
                  "begun; then look for the cause (dmesg, the card)",
                  d->path);
}

static void judge_whole(struct doctor_report *report, const struct doctor_database *d)
{
    const struct db_examined *f = &d->found;
    char what[48];
    (void)snprintf(what, sizeof what, "schema %d, %.1f MiB", (int)f->version,
                   (double)(f->n_bytes + f->n_wal_bytes) / (double)MIB);
    if (f->version == 0) /* the first commits are in its WAL alone */
        (void)snprintf(what, sizeof what, "%.1f MiB", (double)f->n_wal_bytes / (double)MIB);
    if (d->by_daemon && !d->well)
        return; /* the daemon's own words follow in its check */
    if (d->by_daemon)
        doctor_say(report, DOCTOR_OK, "database", "",
                   "%s; the daemon has it open and has checked it at its start", what);
    else if (f->held)
        doctor_say(report, DOCTOR_SKIPPED, "database", "",
                   "%s; process %ld has it open, so it was not checked", what, f->holder);
    else if (f->checked)
        doctor_say(report, DOCTOR_OK, "database", "", "%s, whole%s", what,
                   f->version < f->newest ? "; the next start brings it up" : "");
    else if (f->n_bytes == 0)
        doctor_say(report, DOCTOR_OK, "database", "", "empty: the next start makes it");
    else
        doctor_say(report, DOCTOR_SKIPPED, "database", "",
                   "%s; checking it takes longer than a doctor may", what);
}

static void judge_beside(struct doctor_report *report, const struct doctor_database *d)
{
    if (d->found.quarantined_s > 0) {
        doctor_say(report, DOCTOR_WARNING, "database", "put aside",
                   "a corrupt database was put aside: %s.corrupt-%" PRId64, d->path,
                   d->found.quarantined_s);
        doctor_remedy(report,
                      "if it comes again, replace the storage; rm %s.corrupt-%" PRId64
                      "* once nobody wants to look into it",
                      d->path, d->found.quarantined_s);
    }
    if (d->found.n_bytes > 0 && !d->has_reserve) {
        doctor_say(report, DOCTOR_WARNING, "database", "reserve",
                   "%s-reserve is missing: it was given to a full disk", d->path);
        doctor_remedy(report, "make room: the daemon makes it anew once 4 MiB are free (df -h %s)",
                      d->path);
    }
}

static void judge_examined(struct doctor_report *report, const struct doctor_database *d,
                           int result)
{
    switch (result) {
    case MW_OK: judge_whole(report, d); break;
    case MW_ERR_UNSUPPORTED: judge_version_of(report, d); break;
    case MW_ERR_CORRUPT:
    case MW_ERR_FORMAT: judge_corrupt(report, d); break;
    case MW_ERR_STATE:
        doctor_say(report, DOCTOR_SKIPPED, "database", "", "another program has just opened %s",
                   d->path);
        break;
    case MW_ERR_INVALID:
        doctor_say(report, DOCTOR_FAULT, "database", "", "%s is no regular file", d->path);
        doctor_remedy(report, "a store.path in the folder of the state, /var/lib/millwright");
        break;
    default:
        doctor_say(report, DOCTOR_FAULT, "database", "", "%s cannot be read: %s", d->path,
                   d->found.trouble[0] ? d->found.trouble : mw_result_text(result));
        doctor_remedy(report, "dmesg | tail: a card that fails is to be replaced");
    }
}

void judge_database(struct doctor_report *report, const struct doctor_database *d)
{
    if (d->access == ACCESS_MISSING) {
        doctor_say(report, DOCTOR_OK, "database", "", "none yet: the first start makes %s",
                   d->path);
    } else if (d->access == ACCESS_SEEN_NOT || d->access == ACCESS_NO) {
        doctor_say(report, DOCTOR_SKIPPED, "database", "",
                   "%s cannot be read by this user: run as root", d->path);
    } else {
        judge_examined(report, d, d->result);
        judge_beside(report, d);
    }
}
