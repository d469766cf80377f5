# SPDX-License-Identifier: Apache-2.0
"""The real daemon, one allocation or one call that opens, writes or syncs a file failing in each life:
start, alarms at a steady pace, drain of what waited, orderly end. It never dies by a signal, unless the
allocation was Paho's own (1.3.12 does not look at each, and that cannot be mended from outside); where it ends,
it ends with a status and is started anew; every alert that it stored arrives. Where Paho's allocation failed while
it set itself up it may, unaware, never connect in this life: killed, the next life delivers.

    torture_daemon.py PROGRAMS [POINTS]    POINTS of each kind, spread over all with a seed
    torture_daemon.py PROGRAMS all [I N]   every point; of these the I-th of N shares, I from 0
"""
import os
import pathlib
import random
import signal
import sqlite3
import struct
import subprocess
import sys
import tempfile
import time

here = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(here / "../support"), str(here / "../../simulator")]
sys.dont_write_bytecode = True
from plant import wait_until  # noqa: E402
from wave_plant import PROFILES, WavePlant  # noqa: E402

SEED = int(os.environ.get("MW_SEED", "1"))
POINTS = sys.argv[2] if len(sys.argv) > 2 else "40"
SHARE, SHARES = (int(word) for word in sys.argv[3:5]) if len(sys.argv) > 4 else (0, 1)
SHIM = pathlib.Path(sys.argv[1]).resolve().parent / "tests" / "libmw-fault-shim.so"
ALARMS = 3  # of a life, at least
PATIENCE = 75  # s: a dial of which Paho tells nothing is given up after 40 s, then back-off

def stored(path):
    """Numbers of all alerts in the table, and of those that still wait."""
    db = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    seqs = [struct.unpack_from("<Q", row[0], 10)[0] for row in db.execute("SELECT bytes FROM alert")]
    waiting = {row[0] for row in db.execute("SELECT seq FROM outbox")}
    db.close()
    return seqs, waiting


def points_of(n_calls, rng):
    """Numbers of the calls that are to fail, from 1."""
    if POINTS == "all":
        return range(SHARE + 1, n_calls + 1, SHARES)
    n = min(int(POINTS), n_calls)
    edges = [i * n_calls // n for i in range(n + 1)]
    return [rng.randrange(low, high) + 1 for low, high in zip(edges, edges[1:])]


class Torture:
    def __init__(self, plant):
        self.plant, self.n_ended, self.n_library = plant, 0, 0
        self.n_seen = self.n_live = 0

    def n_alerts(self):
        """Live ones: a life has drained what waited and goes on at its pace when it has sent some."""
        received = self.plant.messages.received
        while self.n_seen < len(received):
            _, topic, _, alert = received[self.n_seen]
            self.n_live += topic.endswith("/alert") and not alert["replayed"]
            self.n_seen += 1
        return self.n_live

    def start(self, kind, at):
        plant = self.plant
        plant.gateway = plant.start(
            [os.path.join(plant.programs, "millwrightd"), "--config", plant.path("millwright.yaml"),
             "--profiles", PROFILES], "millwrightd.log", LD_PRELOAD=str(SHIM), MW_FAULT_KIND=kind,
            MW_FAULT_AT=str(at), MW_FAULT_FILE=plant.path("calls"), http_proxy="http://127.0.0.1:9")

    def life(self, kind, at):
        """Returns how many calls there were, or 0 where it ended before its time."""
        before = self.n_alerts()
        for name in ("calls", "calls.paho"):
            if os.path.exists(self.plant.path(name)):
                os.unlink(self.plant.path(name))
        self.start(kind, at)
        end = time.monotonic() + PATIENCE
        while self.plant.gateway.poll() is None and self.n_alerts() < before + ALARMS:
            if time.monotonic() > end:
                return self.mute(kind, at)
            time.sleep(0.02)
        early = self.plant.gateway.poll() is not None
        status = self.plant.gateway.wait(1) if early else self.stop(kind, at)
        if early:
            self.plant.processes.remove(self.plant.gateway)
        self.n_ended += early
        if status < 0 and self.paho_failed():
            self.n_library += 1
            return 0
        assert status >= 0, f"{kind} {at}: died of signal {-status}\n" + self.log()
        assert status != 0 or not early, f"{kind} {at}: ended without a reason\n" + self.log()
        return 0 if early else int(open(self.plant.path("calls")).read())

    def paho_failed(self):
        return os.path.exists(self.plant.path("calls.paho"))

    def mute(self, kind, at):
        assert self.paho_failed(), f"{kind} {at}: no alert within {PATIENCE} s\n" + self.log()
        self.plant.stop_gateway(signal.SIGKILL)
        self.n_library += 1
        return 0

    def stop(self, kind, at):
        try:
            return self.plant.stop_gateway(signal.SIGTERM)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{kind} {at}: does not end\n" + self.log()) from None

    def log(self):
        return open(self.plant.path("millwrightd.log")).read()[-2500:]

    def sweep(self, kind, rng):
        n_calls = self.life(kind, 0)
        assert n_calls > 30, f"{n_calls} calls of {kind}: is the library loaded?"
        points = points_of(n_calls, rng)
        for n, at in enumerate(points, 1):
            self.life(kind, at)
            if n % 500 == 0:
                print(f"{kind}: {n} of {len(points)}", flush=True)
        print(f"{kind}: {len(points)} of about {n_calls} points failed once, {self.n_ended} lives ended early, "
              f"{self.n_library} so far within Paho",
              flush=True)
        self.n_ended = 0
        return len(points)


def main():
    if not SHIM.exists():
        print(f"SKIP: {SHIM} is not built")
        sys.exit(77)
    rng = random.Random(SEED)
    print(f"seed {SEED}")
    with tempfile.TemporaryDirectory() as folder:
        plant = WavePlant(sys.argv[1], folder)
        try:
            plant.start_field(4)
            plant.start_broker()
            messages = plant.subscribe()
            plant.configure_cable(store=", block: 1s")
            torture = Torture(plant)
            n = torture.sweep("memory", rng) + torture.sweep("disk", rng)
            plant.start_gateway(PROFILES)
            plant.field.terminate()
            wait_until(lambda: plant.status()["store"]["outbox_waiting"] == 0, 60, "empty outbox")
            assert plant.stop_gateway() == 0
            aside = [name for name in os.listdir(folder) if ".corrupt-" in name]
            assert not aside, f"a whole database was put aside: {aside}"
            seqs, waiting = stored(plant.path("store.db"))
            got = set()

            def all_there():
                got.update(a["seq"] for a in messages.alerts())
                return set(seqs) - waiting <= got

            wait_until(all_there, 10, "the last alerts")
            print(f"{len(seqs)} alerts stored, all of them arrived or wait")
            assert len(seqs) >= ALARMS * n // 4, "too few alerts to prove anything"
        finally:
            plant.close()
    print(f"daemon_fault_points {n} count\ndaemon_fault_crashes 0 count\n"
          f"daemon_fault_paho_deaths {torture.n_library} count")


main()
