# SPDX-License-Identifier: Apache-2.0
"""The daemon within the limit of memory that its unit sets, and killed by the kernel for want of it: started anew,
as systemd does, it loses nothing that it had stored, and repeats stay within the window and one group.

    memory_max.py PROGRAMS FUNCTION…

Needs root and control groups. Seeded; the seed is printed. MW_KILLS and MW_SEED set the number and the seed."""
import os
import pathlib
import random
import re
import signal
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "support"), str(HERE.parent.parent / "simulator")]
sys.dont_write_bytecode = True
from delivery import HALF_WAVE, SEED, check, stored_alerts  # noqa: E402
from memory_limit import MemoryLimit  # noqa: E402
from plant import wait_until  # noqa: E402
from wave_plant import PROFILES, WavePlant  # noqa: E402

KILLS = int(os.environ.get("MW_KILLS", "12"))
PEAK_BYTES = 64 << 20
SANITIZED = os.environ.get("CK_FORK") == "no" or "MW_EMULATED" in os.environ
STEP_BYTES = 64 << 10  # the limit is put this far below the use, again and again
KILL_S = 30


def limit_of_the_unit():
    unit = (HERE.parent.parent / "systemd/millwrightd.service.in").read_text()
    return int(re.search(r"^MemoryMax=(\d+)M$", unit, re.M)[1]) << 20


class LimitedPlant(WavePlant):
    """Only the daemon is in the group, from its first instruction on."""

    def __init__(self, programs, folder, group):
        super().__init__(programs, folder)
        self.group = group

    def start(self, command, log, **environment):
        if command[0].endswith("/millwrightd"):
            command = ["sh", "-c", 'echo $$ >"$0" && exec "$@"', f"{self.group.folder}/cgroup.procs", *command]
        return super().start(command, log, **environment)


def starve(plant, group):
    """Takes the memory away until the kernel has to kill. Version 2 does so at once; version 1 refuses a limit
    that it cannot reach by giving up pages, and kills when the next page is wanted."""
    before, end = group.n_killed(), time.monotonic() + KILL_S
    while plant.gateway.poll() is None:
        assert time.monotonic() < end, f"not killed with {group.bytes_in_use()} bytes"
        if not group.limit(max(group.bytes_in_use() - STEP_BYTES, 4096)):
            time.sleep(0.005)  # as much as it could be reclaimed has been; the daemon runs on
    assert plant.gateway.returncode == -signal.SIGKILL, plant.gateway.returncode
    assert group.n_killed() == before + 1, "killed, but not for want of memory"
    plant.processes.remove(plant.gateway)


def run(plant, group, limit, rng):
    plant.start_field(HALF_WAVE)
    plant.start_broker()
    messages = plant.subscribe()
    plant.configure_cable()
    for kill in range(KILLS):
        assert group.limit(limit)
        plant.start_gateway(PROFILES, wait=kill % 3 == 0)
        n = len(messages.alerts())
        wait_until(lambda: len(messages.alerts()) > n, 30, "alerts")
        if kill % 4 == 3:  # the next start finds more that waits than goes into a window
            plant.cable.cut()
            wait_until(lambda: plant.status(quiet=True)["store"]["outbox_waiting"] > 20, 30, "alerts that wait")
        time.sleep(rng.uniform(0.0, 0.7))  # the moment of the kill is the test's subject
        if kill % 4 == 3:
            plant.cable.mend()
        starve(plant, group)
        plant.cable.mend()
    assert group.limit(limit)
    plant.start_gateway(PROFILES)
    plant.field.terminate()
    wait_until(lambda: plant.status()["broker"]["state"] == "up", 90, "broker")
    wait_until(lambda: plant.status()["store"]["outbox_waiting"] == 0, 60, "empty outbox")
    assert plant.stop_gateway() == 0
    seqs = stored_alerts(plant.path("store.db"))
    wait_until(lambda: seqs[-1] <= max((a["seq"] for a in messages.alerts()), default=0), 10, "last alert")
    received = [(m[0], m[3]) for m in messages.received if m[1].endswith("/alert")]
    check(received, seqs, 1 + 2 * KILLS, KILLS)
    print(f"{group.n_killed()} kills for want of memory; peak {group.peak_bytes() / 2**20:.1f} MiB of "
          f"{limit / 2**20:.0f} MiB, page cache included")
    assert group.n_killed() == KILLS
    assert SANITIZED or group.peak_bytes() < PEAK_BYTES


def what_is_stored_survives_a_kill_for_want_of_memory():
    print(f"seed {SEED}, {KILLS} kills")
    group = MemoryLimit()
    try:
        with tempfile.TemporaryDirectory() as folder:
            plant = LimitedPlant(sys.argv[1], folder, group)
            try:
                run(plant, group, limit_of_the_unit(), random.Random(SEED))
            except BaseException:
                if os.path.exists(plant.path("millwrightd.log")):
                    print(open(plant.path("millwrightd.log")).read()[-2000:])
                raise
            finally:
                plant.close()
    finally:
        group.close()


for name in sys.argv[2:]:
    globals()[name]()
    print("ok", name, flush=True)
