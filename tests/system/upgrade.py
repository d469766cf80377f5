# SPDX-License-Identifier: Apache-2.0
"""A database of an earlier release: the daemon takes all of it over, an alarm that was active is not told
again, and what waited is delivered. Then one of a later release: refused in clear words, with a status that
systemd does not try again, and not a byte of it changed; the later release finds everything.

usage: upgrade.py PROGRAMS                      the test
       upgrade.py --record OLD_PROGRAMS FILE    how schema-N.sql was made, with the programs of that release
"""
import hashlib
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time

here = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(here, "../../simulator")]
sys.dont_write_bytecode = True
from plant import Plant, wait_until  # noqa: E402

PROFILES = os.path.join(here, "../../fieldbus/profiles")
CONFIG = """
version: 1
gateway: {{name: gw, site: test, spool: {folder}/spool, socket: {folder}/control}}
buses:
  - {{name: field, tcp: {{host: 127.0.0.1, port: {field}}}, timeout: 1s}}
devices:
  - name: sensor
    bus: field
    unit: 1
    points:
      - {{name: wave, address: 0, type: float32}}
      - {{name: noise, address: 2, type: float32}}
machines:
  - name: pump
    device: sensor
    period: 50ms
    channels:
      - {{point: wave, stuck: never, limits: {{high: 10, delay: 0s, deadband: 0.5}}}}
      - {{point: noise, stuck: never}}
    trend: {{enabled: false}}
mqtt: {{uri: "mqtt://127.0.0.1:{broker}", client_id: upgrade, keepalive: 5s}}
store: {{path: {folder}/store.db, history: 3660d, block: 1s}}
"""
# What a row is known by, and what of it a later release does not change: times may be corrected, columns be added.
ROWS = {
    "machine": "id, name",
    "state": "kind, name",
    "block": "id, machine, n_frames, bytes",
    "alert": "id, subject, bytes",
    "outbox": "seq, at_us, severity, bytes",
    "dead_letter": "seq, at_us, severity, reason, bytes",
    "model": "machine, digest, state, bytes",
}


def rows(path):
    """Of a copy: SQLite would take the WAL into the file on closing."""
    with tempfile.TemporaryDirectory() as folder:
        for end in ("", "-wal"):
            if os.path.exists(path + end):
                shutil.copy(path + end, f"{folder}/copy{end}")
        database = sqlite3.connect(f"{folder}/copy")
        found = {table: set(database.execute(f"SELECT {columns} FROM {table}")) for table, columns in ROWS.items()}
        database.close()
        return found


def schema(path):
    source = sqlite3.connect(path)
    version, = source.execute("PRAGMA user_version").fetchone()
    source.close()
    return version


def high_for_good(plant, broker):
    """The first channel is above its limit all the time: one alarm, which never goes."""
    with open(plant.path("wave.csv"), "w") as f:
        f.write("datetime;wave;noise\n")
        f.writelines(f"2026-01-01 00:00:00;20.5;{row % 7}\n" for row in range(70))
    where = plant.simulate("--csv", plant.path("wave.csv"), "--tcp", "0", "--loop", "yes")
    plant.write_config(CONFIG.format(folder=plant.folder, field=next(iter(where.values())), broker=broker))


def record(programs, file):
    """Three seconds of a release with no broker there."""
    with tempfile.TemporaryDirectory() as folder:
        plant = Plant(programs, folder)
        try:
            high_for_good(plant, 9)
            plant.start_gateway(PROFILES)
            wait_until(lambda: plant.status()["store"]["outbox_waiting"] >= 1, 20, "the alarm")
            wait_until(lambda: plant.status()["polls"] >= 60, 20, "polls")
            assert plant.stop_gateway() == 0
        finally:
            plant.close()
        source = sqlite3.connect(plant.path("store.db"))
        with open(file, "w") as f:
            print(*source.iterdump(), f"PRAGMA application_id = {0x4d574442};",
                  f"PRAGMA user_version = {schema(plant.path('store.db'))};", sep="\n", file=f)


def restore(file, path):
    database = sqlite3.connect(path)
    with open(file) as f:
        database.executescript(f.read())
    database.close()


def missing(before, now, delivered=frozenset()):
    """By table: how many of the rows from before are gone, but for messages that were delivered."""
    gone = {table: before[table] - now[table] for table in ROWS}
    gone["outbox"] = {row for row in gone["outbox"] if row[0] not in delivered}
    return {table: len(n) for table, n in gone.items() if n}


def taken_over(plant, file):
    """Returns the rows that there are afterwards."""
    plant.start_broker()
    messages = plant.subscribe()
    high_for_good(plant, plant.cable.port)
    restore(file, plant.path("store.db"))
    old, before = schema(plant.path("store.db")), rows(plant.path("store.db"))
    assert before["block"] and before["alert"] and before["outbox"] and before["state"], "an empty fixture"
    plant.start_gateway(PROFILES)
    wait_until(lambda: plant.status()["store"]["outbox_waiting"] == 0, 30, "what waited is delivered")
    polls = plant.status()["polls"]
    wait_until(lambda: plant.status()["polls"] >= polls + 40, 30, "polls go on")
    assert plant.stop_gateway() == 0
    new, now = schema(plant.path("store.db")), rows(plant.path("store.db"))
    assert new > old, (old, new)
    log = open(plant.path("millwrightd.log")).read()
    assert f"schema {old} migrated to {new}" in log, log
    alerts = messages.alerts()
    assert {row[0] for row in before["outbox"]} == {a["seq"] for a in alerts if a["seq"] <= max(
        row[0] for row in before["outbox"])}, alerts
    raised = [a["id"] for a in alerts if a["event"] == "raised"]
    assert len(raised) == 1, f"told again: {alerts}"
    lost = missing(before, now, {a["seq"] for a in alerts})
    assert not lost, lost
    print(f"schema {old} to {new}:", {table: len(r) for table, r in before.items()}, "none lost,", len(raised), "raised")
    return now


def digests(plant):
    names = sorted(n for n in os.listdir(plant.folder) if n.startswith("store.db"))
    return {n: hashlib.sha256(open(plant.path(n), "rb").read()).hexdigest() for n in names}


def as_left_by_a_later_release(path, version):
    """It ended in a power cut: what it wrote last is in the WAL alone."""
    subprocess.run([sys.executable, "-c", f"""
import os, sqlite3
db = sqlite3.connect({path!r}, isolation_level=None)
db.execute("PRAGMA journal_mode = WAL")
db.execute("CREATE TABLE later (id INTEGER PRIMARY KEY) STRICT")
db.execute("PRAGMA user_version = {version}")
os._exit(0)
"""], check=True, timeout=60)
    assert os.path.getsize(path + "-wal") > 0


def tables(path):
    source = sqlite3.connect(path)
    found = set(source.execute("SELECT type, name, sql FROM sqlite_schema"))
    source.close()
    return found


def begin_anew(plant, migrated):
    """As OPERATING.md says: numbers go on above the old ones; the file is taken back by the reverse. A database begun
    now and one that was migrated have the same tables: no released step was changed since."""
    path = plant.path("store.db")
    aside = f"{path}.corrupt-{int(time.time())}"
    os.rename(path, aside)
    os.rename(path + "-wal", aside + "-wal")
    plant.start_gateway(PROFILES)
    wait_until(lambda: len([a for a in plant.messages.alerts() if a["event"] == "raised"]) == 2, 30, "a new alarm")
    assert plant.stop_gateway() == 0
    numbers = [a["seq"] for a in plant.messages.alerts()]
    assert numbers[-1] > 65536 * 1000000000 > max(numbers[:-1]), numbers
    assert tables(path) == migrated, tables(path) ^ migrated
    os.unlink(path)
    os.rename(aside, path)
    os.rename(aside + "-wal", path + "-wal")


def refused(plant, before):
    path = plant.path("store.db")
    known, migrated = schema(path), tables(path)
    as_left_by_a_later_release(path, known + 1)
    files = digests(plant)
    for _ in range(2):
        done = subprocess.run([os.path.join(plant.programs, "millwrightd"), "--config",
                               plant.path("millwright.yaml"), "--profiles", PROFILES],
                              capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 65, (done.returncode, done.stderr)
        assert re.search(rf"{re.escape(path)}: a newer release wrote it \(schema {known + 1}, this one knows {known}\)",
                         done.stderr), done.stderr
        assert digests(plant) == files, "the database was touched"
    print("refused:", done.stderr.strip())
    begin_anew(plant, migrated)
    assert {n: d for n, d in digests(plant).items() if n in ("store.db", "store.db-wal")} == {
        n: d for n, d in files.items() if n in ("store.db", "store.db-wal")}
    lost = missing(before, rows(path))
    assert not lost, lost
    later = sqlite3.connect(path)  # the later release, back again: what it had changed is taken back
    later.execute("DROP TABLE later")
    later.execute(f"PRAGMA user_version = {known}")
    later.close()
    plant.start_gateway(PROFILES)
    assert plant.status()["store"]["well"] is True
    assert plant.stop_gateway() == 0
    lost = missing(before, rows(path))
    assert not lost, lost


def main():
    if sys.argv[1] == "--record":
        return record(os.path.abspath(sys.argv[2]), sys.argv[3])
    for name in sorted(n for n in os.listdir(here) if re.fullmatch(r"schema-\d+\.sql", n)):
        with tempfile.TemporaryDirectory() as folder:
            plant = Plant(sys.argv[1], folder)
            try:
                refused(plant, taken_over(plant, os.path.join(here, name)))
            finally:
                plant.close()


if __name__ == "__main__":
    main()
