# SPDX-License-Identifier: Apache-2.0
"""A disk that fills up under the daemon and is emptied again: polling and alarms go on, and what was
raised meanwhile is stored and delivered once there is room. Needs root, for a small tmpfs."""
import os
import subprocess
import sys
import tempfile
import time

here = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(here, "../support"), os.path.join(here, "../../simulator")]
sys.dont_write_bytecode = True
from plant import wait_until  # noqa: E402
from wave_plant import PROFILES, WavePlant  # noqa: E402

HALF_WAVE = 25  # rows of 20 ms: an alarm comes or goes every half second
def fill(disk):
    """Until not one more byte fits; what the daemon frees meanwhile is taken, too."""
    with open(f"{disk}/filler", "ab", buffering=0) as f:
        try:
            while f.write(bytes(4096)) == 4096:
                pass
        except OSError:
            pass


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
