# SPDX-License-Identifier: Apache-2.0
"""A disk that fills up under the daemon and is emptied again: polling and alarms go on, and what was
raised meanwhile is stored and delivered once there is room. And a disk that stays full: what the reserve carries.

    disk_full.py PROGRAMS [FUNCTION…]

Needs root, for a small tmpfs, or an ext4 on a loop device."""
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time

here = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(here, "../support"), os.path.join(here, "../../simulator")]
sys.dont_write_bytecode = True
from ext4 import Ext4  # noqa: E402
from plant import wait_until  # noqa: E402
from wave_plant import PROFILES, WavePlant  # noqa: E402

HALF_WAVE = 25  # rows of 20 ms: an alarm comes or goes every half second
RESERVED = 300  # docs/OPERATING.md: changes of alarms that the reserve carries


def fill(disk):
    """Until not one more byte fits; what the daemon frees meanwhile is taken, too."""
    with open(f"{disk}/filler", "ab", buffering=0) as f:
        try:
            while f.write(bytes(4096)) == 4096:
                pass
        except OSError:
            pass


def check_order(messages):
    """None lost, none told twice under another number."""
    first = {}
    for alert in messages.alerts():
        first.setdefault(alert["id"], alert)
    states = [a["event"] for a in first.values() if a["class"] == "machine"]
    assert all(a != b for a, b in zip(states, states[1:])), states
    seqs = [a["seq"] for a in first.values()]
    assert seqs == list(range(seqs[0], seqs[0] + len(seqs))), f"a gap: {seqs}"
    return seqs


def run(plant, disk):
    plant.start_field(HALF_WAVE)
    plant.start_broker()
    messages = plant.subscribe()
    plant.configure_cable(store_folder=disk, store=", max_size: 4MiB, block: 1s")
    plant.start_gateway(PROFILES)
    wait_until(lambda: len(messages.alerts()) >= 4, 30, "alerts before")
    end = time.monotonic() + 8
    polls = plant.status()["polls"]
    while time.monotonic() < end:  # eight seconds in which nothing can be stored
        fill(disk)
        time.sleep(0.2)
    status = plant.status()
    assert status["polls"] > polls + 100, "polling stopped with the disk"
    print("full:", status["store"])
    os.unlink(f"{disk}/filler")
    wait_until(lambda: plant.status()["store"]["well"], 60, "a well store")
    before = len(messages.alerts())
    wait_until(lambda: len(messages.alerts()) >= before + 4, 60, "alerts after")
    seqs = check_order(messages)
    frames = plant.status()["store"]["history_frames"]
    wait_until(lambda: plant.status()["store"]["history_frames"] > frames, 90, "history again")
    assert plant.stop_gateway() == 0
    print(f"{len(seqs)} alerts, none lost, none twice; history goes on")


def waiting_in(disk, folder):
    """The numbers in the outbox of a killed daemon, read from a copy: SQLite would want room."""
    os.mkdir(folder)
    for name in ("store.db", "store.db-wal"):
        if os.path.exists(f"{disk}/{name}"):
            shutil.copy(f"{disk}/{name}", folder)
    db = sqlite3.connect(f"{folder}/store.db")
    seqs = {row[0] for row in db.execute("SELECT seq FROM outbox")}
    db.close()
    return seqs


def fill_the_reserve(plant, card):
    """Cuts the broker off, fills the disk once to the last byte and waits for what still fits. Then kills."""
    plant.cable.cut()
    wait_until(lambda: plant.status()["broker"]["state"] != "up", 30, "no broker")
    plant.gateway.send_signal(signal.SIGSTOP)  # or the filler would have the reserve's room as well
    before, size = -1, 0
    while size > before:
        before = size
        fill(card.folder)
        os.sync()  # what was only kept for delayed allocation is free afterwards
        size = os.path.getsize(f"{card.folder}/filler")
    assert os.path.exists(f"{card.folder}/store.db-reserve")
    plant.gateway.send_signal(signal.SIGCONT)
    first = plant.status()["store"]["outbox_waiting"]
    wait_until(lambda: not os.path.exists(f"{card.folder}/store.db-reserve"), 60, "the reserve is used")
    wait_until(lambda: plant.status()["store"]["outbox_waiting"] >= first + RESERVED + 50, 120, "alarms in the reserve")
    disk = os.statvfs(card.folder)
    print(f"{plant.status()['store']['outbox_waiting'] - first} changes stored, {disk.f_bavail * disk.f_frsize} bytes left")
    plant.stop_gateway(signal.SIGKILL)
    seqs = waiting_in(card.folder, plant.path("copy"))
    assert len(seqs) >= first + RESERVED, (first, len(seqs))
    return seqs


def what_the_reserve_carries_survives_a_kill_and_is_delivered_on_the_full_disk():
    with tempfile.TemporaryDirectory() as folder:
        card = Ext4(folder, 16)
        plant = WavePlant(sys.argv[1], folder)
        try:
            plant.start_field(3)
            plant.start_broker()
            messages = plant.subscribe()
            plant.configure_cable(store_folder=card.folder, store=", max_size: 8MiB, block: 1s")
            plant.start_gateway(PROFILES)
            wait_until(lambda: len(messages.alerts()) >= 4, 30, "alerts before")
            seqs = fill_the_reserve(plant, card)
            plant.field.terminate()
            plant.cable.mend()
            plant.start_gateway(PROFILES)
            wait_until(lambda: seqs <= {a["seq"] for a in messages.alerts()}, 90, "what was stored")
            wait_until(lambda: plant.status()["store"]["outbox_waiting"] == 0, 60, "every acknowledgement stored")
            assert not os.path.exists(f"{card.folder}/store.db-reserve"), "the disk was not full"
            assert plant.stop_gateway() == 0
            check_order(messages)
        except BaseException:
            print(open(plant.path("millwrightd.log")).read()[-2000:])
            raise
        finally:
            plant.close()
            card.close()


def main():
    for name in sys.argv[2:]:
        globals()[name]()
        print("ok", name, flush=True)
    if sys.argv[2:]:
        return
    with tempfile.TemporaryDirectory() as folder:
        disk = os.path.join(folder, "disk")
        os.mkdir(disk)
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12M", "tmpfs", disk],
                          capture_output=True).returncode != 0:
            print("a tmpfs cannot be mounted here: skipped")
            sys.exit(77)
        plant = WavePlant(sys.argv[1], folder)
        try:
            run(plant, disk)
        except BaseException:
            print(open(plant.path("millwrightd.log")).read()[-2000:])
            raise
        finally:
            plant.close()
            subprocess.run(["umount", "-l", disk])


main()
