# SPDX-License-Identifier: Apache-2.0
"""Runs in the container of debian/try-upgrade, with this.deb, earlier.deb and next.deb in its folder.

A simulated hall of eight machines, five with an alarm that never goes, one with a learned model; history,
and a broker that is away around each change of release, so that messages wait. Shown:

1. earlier -> this: every row is there, polls go on, what waited is delivered, no alarm is told again;
2. a reload with a changed limit applies it, one of a bad file changes nothing and says so;
3. this -> next schema: the same as 1;
4. next -> this: refused in words, not restarted again and again, no byte of the database changed;
5. this -> next again: every row is there, and what had waited is delivered.
"""
import hashlib
import json
import os
import pathlib
import re
import shutil
import signal
import sqlite3
import subprocess
import time

HERE = pathlib.Path(__file__).resolve().parent
CONFIG = pathlib.Path("/etc/millwright/millwright.yaml")
STORE = pathlib.Path("/var/lib/millwright/millwright.db")
MESSAGES = HERE / "messages"
PUMPS = {"pump-1", "pump-2", "pump-3"}
OTHERS = {"motor-1", "fan-1", "fan-2", "conveyor-1", "compressor-1"}
WELL, NEVER = "high: 90, high_high: 110", "high: 1, high_high: 110"  # degC
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


def run(*command, expect=0, timeout=120):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=timeout, check=False)
    assert expect is None or done.returncode == expect, f"{command}: {done.returncode} {done.stdout}{done.stderr}"
    return done.stdout + done.stderr


def wait_until(condition, seconds, what):
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, f"{what}: not within {seconds} s\n" + journal()[-4000:]
        time.sleep(0.2)
    return value


def journal():
    return run("journalctl", "-b", "-u", "millwrightd", "--no-pager", "-o", "cat", expect=None)


def show(name):
    return run("systemctl", "show", "millwrightd", "-p", name, "--value").strip()


def status():
    done = subprocess.run(["millwright", "status", "--json"], capture_output=True, text=True, timeout=20, check=False)
    return json.loads(done.stdout) if done.returncode == 0 else None


def waiting():
    now = status()
    return now and now["store"]["outbox_waiting"]


def install(name):
    run("dpkg", "--force-confold", "-i", HERE / f"{name}.deb", timeout=200)


def arrived(topic_end):
    lines = MESSAGES.read_text().splitlines() if MESSAGES.exists() else []
    return [json.loads(line.split("\t", 1)[1]) for line in lines if f"{topic_end}\t" in line]


def alerts():
    return arrived("/alert")


def raised():
    return {a["machine"] for a in alerts() if a["event"] == "raised"}


def snapshot(name):
    """The files as a power cut would leave them now; the daemon stands still for that moment."""
    pid = int(show("MainPID"))
    copy = HERE / name
    copy.mkdir()
    if pid:
        os.kill(pid, signal.SIGSTOP)
    for file in (STORE, pathlib.Path(f"{STORE}-wal")):
        if file.exists():
            shutil.copy(file, copy)
    if pid:
        os.kill(pid, signal.SIGCONT)
    return copy / STORE.name


def rows(path):
    database = sqlite3.connect(path)
    found = {table: set(database.execute(f"SELECT {columns} FROM {table}")) for table, columns in ROWS.items()}
    schema, = database.execute("PRAGMA user_version").fetchone()
    database.close()
    return schema, found


def compare(what, before, now):
    """Rows are there, but for messages that were delivered."""
    (old, rows_before), (new, rows_now) = rows(before), rows(now)
    delivered = {a["seq"] for a in alerts()}
    for table in ROWS:
        gone = rows_before[table] - rows_now[table]
        if table == "outbox":
            gone = {row for row in gone if row[0] not in delivered}
        print(f"{what}: schema {old} -> {new}, {table}: {len(rows_before[table])} before, {len(rows_now[table])} after,"
              f" {len(gone)} lost")
        assert not gone, table
    assert rows_before["block"] and rows_before["alert"] and rows_before["outbox"] and rows_before["model"]


def judge_messages():
    """Every number arrived, each with one content; no alarm was raised twice without an end."""
    by_seq = {}
    for alert in alerts():
        content = {k: v for k, v in alert.items() if k not in ("published_ts_ms", "replayed", "clock_synced")}
        assert by_seq.setdefault(alert["seq"], content) == content, alert
    numbers = sorted(by_seq)
    n_raised = {}
    for seq in numbers:
        key = (by_seq[seq].get("machine"), by_seq[seq]["class"], by_seq[seq]["point"])
        if by_seq[seq]["event"] == "raised":
            n_raised[key] = n_raised.get(key, 0) + 1
        elif by_seq[seq]["event"] == "cleared":
            n_raised.pop(key, None)
    events = {event["seq"] for event in arrived("/event")}  # alerts and events share one sequence
    missing = set(range(1, max(events | set(numbers)) + 1)) - set(numbers) - events
    once = sorted(key[0] for key, n in n_raised.items() if n == 1)
    print(f"messages: {len(alerts())} alerts arrived, {len(numbers)} different, {len(events)} events, missing:",
          f"{sorted(missing) or 'none'}; active, raised once: {once}")
    assert not missing and set(n_raised.values()) == {1}


def messages_wait(*machines):
    """The broker goes away, and somebody acknowledges alarms: so many messages wait."""
    run("systemctl", "stop", "mosquitto")
    for machine in machines:
        run("millwright", "ack", machine)
    wait_until(lambda: (waiting() or 0) >= len(machines), 30, "messages that wait")


def broker_is_back():
    run("systemctl", "start", "mosquitto")
    wait_until(lambda: waiting() == 0, 60, "delivery of what waited")


def begin():
    pathlib.Path("/etc/mosquitto/conf.d/here.conf").write_text("listener 1883 127.0.0.1\nallow_anonymous true\n")
    run("systemctl", "restart", "mosquitto")
    install("earlier")
    shutil.copy("/usr/bin/millwright", HERE / "simulator")  # it outlives the package
    run("systemd-run", "--quiet", "--unit=hall", "-p", "User=millwright", "-p", "Group=dialout", "-p",
        "RuntimeDirectory=hall", "-p", "WorkingDirectory=/run/hall", HERE / "simulator", "simulate", HERE / "hall.yaml",
        "--speed", "60", "--faults-on-signal")
    # Its session outlives the broker's absence.
    run("systemd-run", "--quiet", "--unit=counter", "-p", "Restart=always", "-p", f"StandardOutput=append:{MESSAGES}",
        "mosquitto_sub", "-h", "127.0.0.1", "-i", "counter", "-c", "-q", "1", "-t", "millwright/v1/#", "-F", "%t\t%p")
    plant = (HERE / "hall-millwright.yaml").read_text()
    plant = plant.replace("/run/field.rtu", "/run/hall/field.rtu")
    plant = plant.replace("millwright.db}", "millwright.db, block: 5s}")
    pumps, others = plant.split("- name: drive", 1)
    assert pumps.count(WELL) == 1 and others.count(WELL) == 2
    CONFIG.write_text(pumps + "- name: drive" + others.replace(WELL, NEVER))
    run("systemctl", "restart", "millwrightd")
    wait_until(lambda: raised() == OTHERS, 90, "five alarms")
    wait_until(lambda: "the model is at work" in run("millwright", "learn", "pump-1", expect=None, timeout=300), 240,
               "a model of pump-1")
    print("plant:", run("millwright", "status").splitlines()[:3])


def upgrade(name, *machines):
    """Returns a snapshot of after."""
    messages_wait(*machines)
    before = snapshot(f"before-{name}")
    pid, n_migrated = show("MainPID"), journal().count(" migrated to ")
    install(name)
    wait_until(status, 30, "the daemon")
    assert show("MainPID") != pid and show("NRestarts") == "0"
    assert journal().count(" migrated to ") == n_migrated + 1, journal()
    polls = status()["polls"]
    wait_until(lambda: status()["polls"] > polls + 200, 30, "polls after the upgrade")
    broker_is_back()
    after = snapshot(f"after-{name}")
    compare(name, before, after)
    judge_messages()


def reload():
    pid = show("MainPID")
    assert CONFIG.read_text().count(WELL) == 1  # the pumps'
    CONFIG.write_text(CONFIG.read_text().replace(WELL, NEVER))
    run("systemctl", "reload", "millwrightd")
    wait_until(lambda: raised() == OTHERS | PUMPS, 30, "the pumps' new limit has its alarms")
    good, n_alerts = CONFIG.read_text(), len(alerts())
    CONFIG.write_text(good.replace("high: 1, ", "high: hot, "))
    said = run("systemctl", "reload", "millwrightd", expect=None)
    refused = [line for line in journal().splitlines() if "refused" in line and "configuration" in line]
    assert refused, journal()[-3000:]
    polls = status()["polls"]
    wait_until(lambda: status()["polls"] > polls + 200, 30, "polls after the refusal")
    assert len(alerts()) == n_alerts and show("MainPID") == pid and show("ActiveState") == "active"
    CONFIG.write_text(good)
    print("reload:", *[line for line in journal().splitlines() if "onfiguration" in line or "high: hot" in line][-6:],
          said.strip(), sep="\n  ")


def digests():
    files = sorted(STORE.parent.glob(STORE.name + "*"))
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def downgrade():
    messages_wait("conveyor-1")
    before = snapshot("before-downgrade")
    install("this")
    assert show("ActiveState") == "failed" and show("ExecMainStatus") == "65", run("systemctl", "status", "millwrightd",
                                                                                  expect=None)
    files = digests()
    said = [line for line in journal().splitlines() if "a newer release wrote it" in line]
    assert re.search(r"schema (\d+), this one knows (\d+)", said[-1]), said
    time.sleep(10)  # five times RestartSec=
    assert show("NRestarts") == "0" and show("ActiveState") == "failed"
    run("systemctl", "start", "millwrightd", expect=None)  # somebody tries
    assert show("ExecMainStatus") == "65" and digests() == files, "the database was touched"
    print("downgrade:", said[-1])
    compare("downgrade", before, snapshot("after-downgrade"))


def upgrade_again():
    install("next")
    wait_until(status, 30, "the daemon")
    broker_is_back()
    compare("next again", HERE / "before-downgrade" / STORE.name, snapshot("after-next-again"))
    judge_messages()


def main():
    try:
        begin()
        upgrade("this", "motor-1", "fan-1")
        reload()
        upgrade("next", "fan-2", "pump-2")
        downgrade()
        upgrade_again()
        run("systemctl", "stop", "millwrightd")
        assert show("Result") == "success"
    finally:
        (HERE / "journal").write_text(journal())
    print("no row lost, no alarm told again")


if __name__ == "__main__":
    main()
