# SPDX-License-Identifier: Apache-2.0
"""A disk that fills up under the daemon and is emptied again: polling and alarms go on, and what was
raised meanwhile is stored and delivered once there is room. Needs root, for a small tmpfs."""
import os
import random
import subprocess
import sys
import tempfile
import time

here = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(here, "../../simulator")]
sys.dont_write_bytecode = True
from plant import Plant, wait_until  # noqa: E402

HALF_WAVE = 25  # rows of 20 ms: an alarm comes or goes every half second
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
    period: 20ms
    channels:
      - {{point: wave, stuck: never, limits: {{high: 10, delay: 0s, deadband: 0.5}}}}
      - {{point: noise, stuck: never}}
    trend: {{enabled: false}}
mqtt: {{uri: "mqtt://127.0.0.1:{broker}", client_id: full, keepalive: 5s}}
store: {{path: {disk}/store.db, max_size: 4MiB, block: 1s}}
"""


def write_wave(path):
    rng = random.Random(2)
    with open(path, "w") as f:
        f.write("datetime;wave;noise\n")
        for row in range(4000):
            high = row // HALF_WAVE % 2
            f.write(f"2026-01-01 00:00:00;{20.0 * high + rng.random():.4f};{rng.random():.4f}\n")


def fill(disk):
    """Until not one more byte fits; what the daemon frees meanwhile is taken, too."""
    with open(f"{disk}/filler", "ab", buffering=0) as f:
        try:
            while f.write(bytes(4096)) == 4096:
                pass
        except OSError:
            pass


def run(plant, disk):
    write_wave(plant.path("wave.csv"))
    where = plant.simulate("--csv", plant.path("wave.csv"), "--tcp", "0", "--loop", "yes")
    plant.start_broker()
    messages = plant.subscribe()
    plant.write_config(CONFIG.format(folder=plant.folder, disk=disk, broker=plant.cable.port,
                                     field=next(iter(where.values()))))
    plant.start_gateway(os.path.join(here, "../../fieldbus/profiles"))
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
    first = {}
    for alert in messages.alerts():
        first.setdefault(alert["id"], alert)
    states = [a["event"] for a in first.values() if a["class"] == "machine"]
    assert all(a != b for a, b in zip(states, states[1:])), states
    seqs = [a["seq"] for a in first.values()]
    assert seqs == list(range(seqs[0], seqs[0] + len(seqs))), f"a gap: {seqs}"
    frames = plant.status()["store"]["history_frames"]
    wait_until(lambda: plant.status()["store"]["history_frames"] > frames, 90, "history again")
    assert plant.stop_gateway() == 0
    print(f"{len(seqs)} alerts, none lost, none twice; history goes on")


def main():
    with tempfile.TemporaryDirectory() as folder:
        disk = os.path.join(folder, "disk")
        os.mkdir(disk)
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12M", "tmpfs", disk],
                          capture_output=True).returncode != 0:
            print("a tmpfs cannot be mounted here: skipped")
            sys.exit(77)
        plant = Plant(sys.argv[1], folder)
        try:
            run(plant, disk)
        except BaseException:
            print(open(plant.path("millwrightd.log")).read()[-2000:])
            raise
        finally:
            plant.close()
            subprocess.run(["umount", "-l", disk])


main()
