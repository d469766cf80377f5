# SPDX-License-Identifier: Apache-2.0
"""The database's folder is on a file system that is read-only at the start, or becomes so under the daemon.

    read_only.py PROGRAMS FUNCTION…

Needs root and a loop device, for a small ext4 of its own.
"""
import contextlib
import os
import signal
import sqlite3
import struct
import subprocess
import sys
import tempfile
import time

here = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(here, "../support"), os.path.join(here, "../../simulator")]
sys.dont_write_bytecode = True
from ext4 import Ext4, call  # noqa: E402
from plant import wait_until  # noqa: E402
from wave_plant import PROFILES, WavePlant  # noqa: E402

HALF_WAVE = 25  # rows of 20 ms: an alarm comes or goes every half second
TRIES = 4       # to store something, a second apart, while the disk takes nothing


@contextlib.contextmanager
def a_plant_with_a_card():
    with tempfile.TemporaryDirectory() as folder:
        card = Ext4(folder, 32)
        plant = WavePlant(sys.argv[1], folder)
        try:
            plant.start_field(HALF_WAVE)
            plant.start_broker()
            messages = plant.subscribe()
            plant.configure_cable(store_folder=card.folder)
            yield plant, card, messages
        except BaseException:
            if os.path.exists(plant.path("millwrightd.log")):
                print(log_of(plant)[-2000:])
            raise
        finally:
            plant.close()
            card.close()


def log_of(plant):
    return open(plant.path("millwrightd.log")).read()


def store(plant):
    return plant.status()["store"]


def start_is_refused(plant, card, what):
    assert card.mount("ro"), "mounted read-only"
    before = sorted(os.listdir(card.folder))
    ended = subprocess.run([os.path.join(plant.programs, "millwrightd"), "--config", plant.path("millwright.yaml"),
                            "--profiles", PROFILES], capture_output=True, text=True, timeout=30)
    assert ended.returncode == 74, (what, ended)
    assert ended.stderr == f"millwrightd: {card.folder}/store.db: Read-only file system\n", (what, ended.stderr)
    assert sorted(os.listdir(card.folder)) == before
    assert card.mount()
    print(f"{what}: 74, {ended.stderr.strip()}")


def the_start_is_refused_in_one_line_that_names_file_and_reason():
    with a_plant_with_a_card() as (plant, card, messages):
        start_is_refused(plant, card, "no database yet")
        plant.start_gateway(PROFILES)
        wait_until(lambda: messages.alerts(), 20, "an alert")
        assert plant.stop_gateway() == 0
        start_is_refused(plant, card, "a database")
        plant.start_gateway(PROFILES)
        n = len(messages.alerts())
        wait_until(lambda: len(messages.alerts()) > n, 20, "another alert")
        plant.stop_gateway(signal.SIGKILL)
        assert os.path.exists(f"{card.folder}/store.db-wal")
        start_is_refused(plant, card, "a database with a WAL")
        plant.start_gateway(PROFILES)
        n = len(messages.alerts())
        wait_until(lambda: len(messages.alerts()) > n, 20, "alerts go on")
        assert plant.stop_gateway() == 0
        check_first_deliveries(messages)


def first_deliveries(messages):
    """The alerts in the order they came in first; one id never has two contents."""
    first = {}
    for alert in messages.alerts():
        known = first.setdefault(alert["id"], alert)
        for field in ("seq", "alarm_id", "event", "ts_ms", "class"):
            assert alert[field] == known[field], f"one id, two contents: {known} {alert}"
    return list(first.values())


def check_first_deliveries(messages):
    alerts = first_deliveries(messages)
    seqs = [a["seq"] for a in alerts]
    assert seqs == list(range(seqs[0], seqs[0] + len(seqs))), f"a gap: {seqs}"
    events = [a["event"] for a in alerts if a["class"] == "machine"]
    assert all(a != b for a, b in zip(events, events[1:])), events
    return alerts


def wait_for_failing_store(plant):
    """Polls go on, the trouble is in the status, and told once however often it is tried."""
    wait_until(lambda: not store(plant)["well"], 20, "a store that is not well")
    errors, polls = store(plant)["errors"], plant.status()["polls"]
    wait_until(lambda: store(plant)["errors"] >= errors + TRIES, 30, "further tries")
    status = plant.status()
    assert status["polls"] >= polls + 100, "polling stopped with the disk"
    assert plant.gateway.poll() is None
    assert log_of(plant).count("; polling and detection go on") == 1, "told again and again"
    print("while it is read-only:", status["store"]["text"])


def what_waits_is_stored_and_delivered_once_it_can_be_written_again():
    """ext4 refuses each write of an open file that is immutable, as it does where all of it is read-only, and
    unlike a remount this may be done and undone under an open file."""
    with a_plant_with_a_card() as (plant, card, messages):
        plant.start_gateway(PROFILES)
        wait_until(lambda: len(messages.alerts()) >= 4, 30, "alerts before")
        files = [f"{card.folder}/store.db", f"{card.folder}/store.db-wal"]
        changed = call("chattr", "+i", *files)
        if changed.returncode != 0:
            print(f"chattr: {changed.stderr}: skipped")
            sys.exit(77)
        begin_ms = time.time() * 1000 + 500  # an alarm of before may just be on its way
        wait_for_failing_store(plant)
        end_ms, n = time.time() * 1000, len(messages.alerts())
        assert call("chattr", "-i", *files).returncode == 0
        wait_until(lambda: store(plant)["well"], 20, "a well store")
        wait_until(lambda: len(messages.alerts()) > n and messages.alerts()[-1]["ts_ms"] > end_ms, 30, "alerts after")
        assert log_of(plant).count("store: well again") == 1
        assert plant.stop_gateway() == 0
        waited = [a for a in check_first_deliveries(messages) if begin_ms < a["ts_ms"] < end_ms]
        assert len(waited) >= TRIES, f"raised meanwhile and delivered: {len(waited)}"
        print(f"{len(waited)} changes waited in memory and were delivered")


def stored_alerts(path):
    """What the outbox holds, by base/alert.c: {seq: (event, number, milliseconds)}."""
    db = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    rows = [row[0] for row in db.execute("SELECT bytes FROM outbox ORDER BY seq")]
    db.close()
    words = {1: "raised", 5: "cleared"}
    found = {}
    for row in rows:
        seq, number, at_us = struct.unpack_from("<QIq", row, 10)
        found[seq] = (words.get(row[1], row[1]), number, at_us // 1000)
    return found


def what_was_stored_before_the_file_system_failed_is_delivered_after_its_check():
    with a_plant_with_a_card() as (plant, card, messages):
        plant.start_gateway(PROFILES)
        wait_until(lambda: len(messages.alerts()) >= 4, 30, "alerts before")
        plant.cable.cut()
        wait_until(lambda: store(plant)["outbox_waiting"] >= 6, 30, "alerts that wait")
        card.fails()
        stored = store(plant)["outbox_waiting"]  # the status is at most a second old and only grows
        wait_for_failing_store(plant)
        assert call("mount", "-i", "-o", "remount,rw", card.folder).returncode != 0 or not can_write(card.folder), \
            "a remount is enough here: what waits would have to be stored"
        plant.cable.mend()  # what is stored can still be read and sent; that it arrived cannot be stored
        n = len(messages.alerts())
        wait_until(lambda: len(messages.alerts()) >= n + 6, 60, "stored alerts from a read-only file system")
        assert plant.gateway.poll() is None
        assert plant.stop_gateway() == 0, "it stops as asked"
        card.close()
        print("e2fsck:", card.check())
        assert card.mount()
        waiting = stored_alerts(f"{card.folder}/store.db")
        assert len(waiting) >= stored, (stored, waiting)
        plant.start_gateway(PROFILES)
        wait_until(lambda: set(waiting) <= {a["seq"] for a in messages.alerts()}, 60, "what was stored")
        end_ms = time.time() * 1000
        wait_until(lambda: messages.alerts()[-1]["ts_ms"] > end_ms, 30, "alerts after")
        assert plant.stop_gateway() == 0
        delivered = {a["seq"]: a for a in check_first_deliveries(messages)}
        for seq, (event, number, at_ms) in waiting.items():
            alert = delivered[seq]
            assert (alert["event"], alert["ts_ms"]) == (event, at_ms), (alert, waiting[seq])
            assert alert["alarm_id"].endswith(f"/{number:06}"), (alert, number)
        assert log_of(plant).count("; polling and detection go on") == 1
        print(f"{len(waiting)} stored alerts delivered as they were, {len(delivered)} in all")


def can_write(folder):
    try:
        with open(f"{folder}/probe", "w") as f:
            f.write("x")
        return True
    except OSError:
        return False


for name in sys.argv[2:]:
    globals()[name]()
    print("ok", name, flush=True)
