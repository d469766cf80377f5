# SPDX-License-Identifier: Apache-2.0
"""Delivery in figures, one line each: key value unit. Exit 1 where a bound is missed.

    bench_delivery.py PROGRAMS [TESTS] [--only KEY…] [--kills N]

PROGRAMS: the folder with millwrightd and millwright (best of a release build); TESTS: the folder with
the test programs, by default beside it. What a row means: docs/BENCHMARKS.md.
"""
import argparse
import concurrent.futures
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

here = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(here / "../support"), str(here / "../../simulator")]
sys.dont_write_bytecode = True
from plant import accepts, free_port, wait_until  # noqa: E402
from wave_plant import PROFILES, WavePlant  # noqa: E402

BACKLOG = 60000
PLANTS = 8  # at once, for the kills
# key: (at least, at most)
BOUNDS = {
    "powercut_states": (50000, None), "powercut_lost": (None, 0), "negative_control_fails": (1, None),
    "fault_points": (1000, None), "fault_crashes": (None, 0),
    "daemon_fault_points": (100, None), "daemon_fault_crashes": (None, 0),
    "outage_72h_events": (100000, None), "outage_72h_cap_pct": (None, 101), "outage_72h_lost": (None, 0),
    "outage_72h_small_cap_pct": (None, 101), "outage_72h_small_lost": (None, 0),
    "sigkill_lost": (None, 0), "sigkill_dup_per_kill": (None, 2),
    "history_written_mb_day": (None, 500), "history_3y_gb": (None, 4), "history_3y_rows_given_up": (None, 0),
    "history_syncs_per_s": (None, 1), "rss_500_mib": (None, 48), "written_500_mb_day": (None, 500),
    "drain_per_s": (5000, None), "drain_lost": (None, 0), "live_p99_ms": (None, 250),
}

class Rows:
    def __init__(self):
        self.missed = []

    def say(self, key, value, unit):
        least, most = BOUNDS.get(key, (None, None))
        text = f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
        print(key, text, unit, flush=True)
        if (least is not None and value < least) or (most is not None and value > most):
            self.missed.append(f"{key}: {text} {unit}, the bound is {least if least is not None else most}")


def run_test(tests, name):
    """A test program's output; a crash or a failed assertion is told by its status."""
    done = subprocess.run([str(tests / name)], capture_output=True, text=True, timeout=1800, check=False,
                          env={**os.environ, "CK_DEFAULT_TIMEOUT": "1200"})
    if done.returncode != 0:
        print(done.stdout[-2000:], file=sys.stderr)
    return done.returncode, done.stdout


def take_rows(rows, text):
    for key, value, unit in re.findall(r"^(\w+) ([0-9.]+(?:e[+-]?\d+)?) (\S+)$", text, re.M):
        rows.say(key, float(value) if "." in value or "e" in value else int(value), unit)


def power(rows, tests):
    status, text = run_test(tests, "test-power-cuts")
    take_rows(rows, text)
    if status != 0 and "negative_control_fails" not in text:
        rows.say("negative_control_fails", 0, "bool")


def torture(rows, programs, tests):
    status, text = run_test(tests, "test-power-torture")
    points = [int(n) for n in re.findall(r": (\d+) of \d+ points failed", text)]
    rows.say("fault_points", sum(points), "count")
    rows.say("fault_crashes", 0 if status == 0 and len(points) == 4 else 1, "count")
    shim = programs.parent / "tests" / "libmw-fault-shim.so"
    if not shim.exists():
        return  # a release folder has no tests
    done = subprocess.run(["/usr/bin/python3", str(here / "../power/torture_daemon.py"), str(programs), "100"],
                          capture_output=True, text=True, timeout=1800, check=False)
    take_rows(rows, done.stdout)
    if done.returncode != 0:
        rows.missed.append("daemon_fault_crashes: " + done.stderr[-500:])


def outage(rows, tests):
    status, text = run_test(tests, "test-power-outage")
    take_rows(rows, text)
    if status != 0:
        rows.missed.append("outage_72h: the test failed")


def kill_one_plant(programs, kills, seed):
    """(kills, lost, repeats) of one run of system/delivery; the end of its output where it failed."""
    done = subprocess.run(["/usr/bin/python3", str(here / "../system/delivery.py"), str(programs)],
                          capture_output=True, text=True, timeout=14400, check=False,
                          env={**os.environ, "MW_KILLS": str(kills), "MW_SEED": str(seed)})
    found = re.search(r"lost (\d+), repeats (\d+)", done.stdout)
    if done.returncode != 0 or not found:
        return f"seed {seed}: " + (done.stdout + done.stderr)[-500:]
    return kills, int(found[1]), int(found[2])


def sigkill(rows, programs, kills):
    """Several plants at once, each of its own seed: a kill waits far longer than it computes."""
    plants = max(1, min(PLANTS, kills // 100))
    shares = [kills // plants + (i < kills % plants) for i in range(plants)]
    with concurrent.futures.ThreadPoolExecutor(plants) as pool:
        ends = list(pool.map(lambda i: kill_one_plant(programs, shares[i], i + 1), range(plants)))
    rows.missed += ["sigkill: " + end for end in ends if isinstance(end, str)]
    counted = [sum(column) for column in zip(*(end for end in ends if not isinstance(end, str)))]
    if not counted:
        return
    rows.say("sigkill_kills", counted[0], "count")
    rows.say("sigkill_lost", counted[1], "count")
    rows.say("sigkill_dup_per_kill", counted[2] / counted[0], "count")


def volume(rows, programs, tests):
    """500 machines: a day and what is kept of three years on virtual time, the real daemon for a quarter of an hour."""
    status, text = run_test(tests, "bench-history")
    take_rows(rows, text)
    if status != 0 and "history_3y_gb" not in text:
        rows.missed.append("history_3y_gb: the program failed")
    done = subprocess.run(["/usr/bin/python3", str(here / "bench_volume.py"), str(programs)],
                          capture_output=True, text=True, timeout=3600, check=False)
    take_rows(rows, done.stdout)
    if done.returncode != 0:
        rows.missed.append("volume: " + done.stderr[-500:])
    day = re.search(r"^history_written_mb_day (\S+)", text, re.M)
    states = re.search(r"^written_500_states_mb (\S+)", done.stdout, re.M)
    if day and states:
        rows.say("written_500_mb_day", float(day[1]) + 4 * float(states[1]), "MB/day")
    else:
        rows.missed.append("written_500_mb_day: " + (done.stdout + done.stderr)[-500:])


def start_broker(plant):
    """Without limits of its own, so that the gateway is measured and not the broker's queue."""
    plant.broker_port = free_port()
    with open(plant.path("mosquitto.conf"), "w") as f:
        f.write(f"listener {plant.broker_port} 127.0.0.1\nallow_anonymous true\npersistence false\n"
                "max_inflight_messages 0\nmax_queued_messages 0\n"
                + ("user root\n" if os.getuid() == 0 else ""))
    plant.start(["mosquitto", "-c", plant.path("mosquitto.conf")], "mosquitto.log")
    wait_until(lambda: accepts(plant.broker_port), 10, "mosquitto")


def subscribe(plant, machine="+", name="alerts"):
    """Arrival time, topic and payload of every alert, into a file; it is read afterwards."""
    out = open(plant.path(name), "wb")
    plant.processes.append(subprocess.Popen(
        ["mosquitto_sub", "-V", "mqttv5", "-h", "127.0.0.1", "-p", str(plant.broker_port), "-q", "1",
         "-t", f"millwright/v1/test/gw/{machine}/alert", "-F", "%U\t%t\t%p"], stdout=out))
    out.close()


def read_alerts(plant, name="alerts"):
    backlog, live = {}, {}
    for line in open(plant.path(name)):
        if not line.endswith("\n"):
            break
        at, topic, payload = line.rstrip("\n").split("\t", 2)
        alert = json.loads(payload)
        where = live if "/pump/" in topic else backlog
        where.setdefault(alert["seq"], (float(at), alert["ts_ms"] / 1000))
    return backlog, live


def live_after(live, begin, end):
    """Milliseconds from measurement to arrival of the alarms measured while the backlog drained."""
    return sorted(1000 * (at - ts) for at, ts in live.values() if begin <= ts <= end)


def drain(rows, programs, tests):
    with tempfile.TemporaryDirectory() as folder:
        plant = WavePlant(programs, folder)
        try:
            subprocess.run([str(tests / "bench-fill-outbox"), plant.path("store.db"), str(BACKLOG)], check=True,
                           stdout=subprocess.DEVNULL, timeout=300)
            plant.start_field(3)
            start_broker(plant)
            subscribe(plant)
            subscribe(plant, "pump", "pump")  # one that the backlog does not keep busy
            plant.configure(f"mqtt://127.0.0.1:{plant.broker_port}")
            plant.start_gateway(PROFILES)
            deadline = time.monotonic() + 300
            last = -1
            while time.monotonic() < deadline:  # the database empty of what waited, and nothing comes
                size = os.path.getsize(plant.path("alerts"))
                if size > 0 and size == last and plant.status()["store"]["outbox_waiting"] < 16:
                    break
                last = size
                time.sleep(0.05)
            wait_until(lambda: plant.status()["store"]["outbox_waiting"] < 16, 120, "an empty outbox")
            assert plant.stop_gateway() == 0
            backlog, live = read_alerts(plant)
            _, to_pump = read_alerts(plant, "pump")
        finally:
            plant.close()
    arrivals = [at for at, _ in backlog.values()]
    begin, end = min(arrivals), max(arrivals)
    own, late = live_after(to_pump, begin, end), live_after(live, begin, end)
    rows.say("drain_per_s", round(len(backlog) / (end - begin)), "1/s")
    rows.say("drain_lost", BACKLOG - len(backlog), "count")
    if not own or not late:
        rows.missed.append("live_p99_ms: no live alarm came during the drain")
        return
    rows.say("live_alarms", len(own), "count")
    rows.say("live_p50_ms", own[len(own) // 2], "ms")
    rows.say("live_p99_ms", own[min(len(own) - 1, int(len(own) * 0.99))], "ms")
    rows.say("live_behind_p99_ms", late[min(len(late) - 1, int(len(late) * 0.99))], "ms")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("programs", type=pathlib.Path)
    parser.add_argument("tests", type=pathlib.Path, nargs="?")
    parser.add_argument("--only", nargs="+", choices=["power", "torture", "outage", "volume", "drain", "sigkill"])
    parser.add_argument("--kills", type=int, default=200)
    args = parser.parse_args()
    tests = (args.tests or args.programs.resolve().parent / "tests").resolve()
    programs = args.programs.resolve()
    rows = Rows()
    parts = {"power": lambda: power(rows, tests), "torture": lambda: torture(rows, programs, tests),
             "outage": lambda: outage(rows, tests), "volume": lambda: volume(rows, programs, tests), "drain": lambda: drain(rows, programs, tests),
             "sigkill": lambda: sigkill(rows, programs, args.kills)}
    for name, part in parts.items():
        if not args.only or name in args.only:
            part()
    for line in rows.missed:
        print("missed:", line, file=sys.stderr)
    sys.exit(1 if rows.missed else 0)


main()
