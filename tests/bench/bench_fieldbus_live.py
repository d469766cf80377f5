#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What polling costs, measured at the real daemon against `millwright simulate` on this computer.

usage: bench_fieldbus_live.py BIN_DIR [--seconds N] [--minutes N] [ROW...]

Prints one line for each figure: key value unit reach ok|MISSED, and `#` lines with what belongs to
it. Rows: points_10k, machines_500, fast, devices_1000, jitter. Exit status 1 where one was missed.

CPU is the process's own time (user and system, all threads) over --seconds (default 20) of steady
state; RSS is VmRSS at its end. Wake-ups are the voluntary context switches of all threads.
"""
import argparse
import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

WAIT_S = 60
SETTLE_S = 10
PORTS = 20  # of the simulator; a port takes at most 1,024 connections
QUANTITIES = ("vel_rms_x", "vel_rms_y", "vel_rms_z", "acc_rms_x", "current", "temp", "load", "speed")

missed = False


def row(key, value, unit, reach, ok):
    global missed
    missed = missed or not ok
    print(f"{key} {value:.6g} {unit} {reach} {'ok' if ok else 'MISSED'}", flush=True)


# ---- files ----

def scenario(wires, n_registers):
    """wires: names and their `tcp: 0` or `rtu: PATH`; one device of unit 1 on each."""
    text = ["version: 1", "tick: 10ms", "machines: [{name: m, kind: pump}]", "buses:"]
    text += [f"  - {{name: {name}, {wire}}}" for name, wire in wires]
    text.append("devices:")
    for name, _ in wires:
        text += [f"  - name: d-{name}", f"    bus: {name}", "    unit: 1", "    machine: m",
                 "    map: list", "    registers:"]
        text += [f"      - {{quantity: {QUANTITIES[i % len(QUANTITIES)]}, name: q{i}, address: {i}, "
                 "type: int16, scale: 0.01}" for i in range(n_registers)]
    return "\n".join(text) + "\n"


def config(folder, wires, per_device, n_channels, period, history, model=None):
    """One device with per_device * n_channels points on each wire, per_device machines each; where
    per_device is 0, a machine for every two devices, one point of each."""
    n_points = per_device * n_channels or 1
    text = ["version: 1", "gateway:", f"  socket: {folder}/control", f"  spool: {folder}/spool",
            "store:", f"  path: {folder}/millwright.db", f"  history: {history}", "buses:"]
    for i, wire in enumerate(wires):
        text.append(f"  - {{name: b{i}, {wire}}}")
    text.append("devices:")
    text += [f"  - {{name: d{i}, bus: b{i}, unit: 1, profile: bench}}" for i in range(len(wires))]
    text.append("machine_types:")
    for k in range(per_device):
        text += [f"  - name: t{k}", f"    period: {period}", "    channels:"]
        text += [f"      - {{point: p{k * n_channels + c}, name: c{c}, stuck: never}}"
                 for c in range(n_channels)]
        text += [f"    model: {{file: {model}}}"] if model else []
    if per_device == 0:
        text += ["  - name: pair", f"    period: {period}", "    channels:",
                 "      - {point: a.p0, stuck: never}", "      - {point: b.p0, stuck: never}"]
    text.append("machines:")
    for i in range(0, len(wires), 2) if per_device == 0 else ():
        text += [f"  - name: m{i}", "    type: pair", "    devices:", f"      - {{role: a, device: d{i}}}",
                 f"      - {{role: b, device: d{i + 1}}}"]
    for i in range(len(wires)):
        text += [f"  - {{name: m{i}-{k}, type: t{k}, device: d{i}}}" for k in range(per_device)]
    profile = ["version: 1", "vendor: Millwright", "model: bench", "level: C", "sources: [\"the bench\"]",
               "points:"]
    profile += [f"  - {{name: p{k}, address: {k}, type: int16, scale: 0.01}}"
                for k in range(n_points)]
    os.makedirs(os.path.join(folder, "profiles"), exist_ok=True)
    with open(os.path.join(folder, "profiles", "bench.yaml"), "w") as f:
        f.write("\n".join(profile) + "\n")
    return "\n".join(text) + "\n"


# ---- processes ----

def end(process):
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=WAIT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextlib.contextmanager
def simulator(args, folder, wires, n_registers):
    """Yields {name: port}."""
    with open(os.path.join(folder, "scenario.yaml"), "w") as f:
        f.write(scenario(wires, n_registers))
    ready = os.path.join(folder, "ready")
    process = subprocess.Popen([args.millwright, "simulate", "scenario.yaml", "--ready-file", ready],
                               cwd=folder, stdout=subprocess.DEVNULL)
    try:
        until = time.monotonic() + WAIT_S
        while not os.path.exists(ready):
            if process.poll() is not None or time.monotonic() > until:
                raise RuntimeError("the simulator does not come up")
            time.sleep(0.05)
        lines = [line.split() for line in open(ready)]
        yield {line[1]: int(line[4]) for line in lines if line[2] == "tcp"}
    finally:
        end(process)


class Daemon:
    def __init__(self, args, folder, text, before=()):
        self.args, self.folder = args, folder
        path = os.path.join(folder, "millwright.yaml")
        with open(path, "w") as f:
            f.write(text)
        os.makedirs(os.path.join(folder, "spool"), exist_ok=True)
        self.log = open(os.path.join(folder, "log"), "w")
        self.process = subprocess.Popen([*before, args.millwrightd, "--config", path],
                                        stdout=self.log, stderr=self.log)

    def words(self):
        self.log.flush()
        return open(os.path.join(self.folder, "log")).read()[-2000:]

    def status(self):
        out = subprocess.run([self.args.millwright, "status", "--json", "--socket",
                              os.path.join(self.folder, "control")], capture_output=True, text=True,
                             check=False, timeout=WAIT_S)
        return json.loads(out.stdout) if out.returncode == 0 else None

    def wait_online(self, n_devices):
        until = time.monotonic() + WAIT_S
        while time.monotonic() < until:
            if self.process.poll() is not None:
                raise RuntimeError("millwrightd ended: " + self.words())
            status = self.status()
            if status and sum(d["health"] == "online" for d in status["devices"]) == n_devices:
                return
            time.sleep(0.5)
        raise RuntimeError("not all devices came online: " + self.words())

    def cpu_s(self):
        fields = open(f"/proc/{self.process.pid}/stat").read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def proc(self, key, tid=None):
        path = f"/proc/{self.process.pid}/" + (f"task/{tid}/status" if tid else "status")
        for line in open(path):
            if line.startswith(key + ":"):
                return int(line.split()[1])
        return 0

    def rss_mib(self):
        return self.proc("VmRSS") / 1024

    def switches(self):
        """Voluntary context switches by thread."""
        found = {}
        for tid in os.listdir(f"/proc/{self.process.pid}/task"):
            name = open(f"/proc/{self.process.pid}/task/{tid}/comm").read().strip()
            found[name] = found.get(name, 0) + self.proc("voluntary_ctxt_switches", tid)
        return found

    def polls(self):
        buses = self.status()["buses"]
        return (sum(b["slots_run"] for b in buses), sum(b["slots_missed"] for b in buses))

    def steady(self, seconds):
        """(CPU %, RSS MiB, slots run, slots missed, seconds, wake-ups by thread) of so long."""
        run, lost = self.polls()
        at, cpu, woken = time.monotonic(), self.cpu_s(), self.switches()
        time.sleep(seconds)
        took, used = time.monotonic() - at, self.cpu_s() - cpu
        after = self.switches()
        woken = {name: n - woken.get(name, 0) for name, n in after.items()}
        rss = self.rss_mib()
        run_after, lost_after = self.polls()
        return 100 * used / took, rss, run_after - run, lost_after - lost, took, woken


@contextlib.contextmanager
def daemon(args, folder, text, n_devices, before=()):
    d = Daemon(args, folder, text, before)
    try:
        d.wait_online(n_devices)
        time.sleep(args.settle)
        yield d
    finally:
        end(d.process)
        d.log.close()


@contextlib.contextmanager
def scratch():
    folder = tempfile.mkdtemp(prefix="mw-live-")
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def over_tcp(ports, n):
    """n connections, dealt out over the simulator's ports."""
    ports = list(ports.values())
    return [f"tcp: {{host: 127.0.0.1, port: {ports[i % len(ports)]}}}" for i in range(n)]


# ---- rows ----

def points_10k(args):
    with scratch() as folder:
        with simulator(args, folder, [(f"w{i}", "tcp: 0") for i in range(PORTS)], 100) as ports:
            text = config(folder, over_tcp(ports, 100), 4, 25, "1s", "off")
            with daemon(args, folder, text, 100) as d:
                cpu, rss, run, lost, took, _ = d.steady(args.seconds)
    row("cpu_10k_pct", cpu, "%", "<=2.6", cpu <= 2.6)
    row("rss_10k_mib", rss, "MiB", "<=24", rss <= 24)
    print(f"# 10,000 points at 1 s over 100 connections: {run} polls in {took:.1f} s, {lost} missed")


def learn(args, folder, n_channels):
    """A model of noise on a common load, of the kind and size that learning makes."""
    rng, load = random.Random(7), 0.0
    path, model = os.path.join(folder, "train.csv"), os.path.join(folder, "model.tflite")
    with open(path, "w") as f:
        f.write("datetime;" + ";".join(f"c{i}" for i in range(n_channels)) + "\n")
        for _ in range(500):
            load = 0.95 * load + rng.gauss(0, 0.3)
            values = [0.6 * load + rng.gauss(0, 0.5) for _ in range(n_channels)]
            f.write("2026-01-01 00:00:00;" + ";".join(f"{v:.4f}" for v in values) + "\n")
    subprocess.run([args.millwright, "train", "--csv", path, "--rows", "0:500", "--out", model],
                   check=True, capture_output=True, timeout=WAIT_S)
    return model


def machines_500(args):
    with scratch() as folder:
        model = learn(args, folder, 8)
        with simulator(args, folder, [(f"w{i}", "tcp: 0") for i in range(PORTS)], 80) as ports:
            text = config(folder, over_tcp(ports, 50), 10, 8, "1s", "90d", model)
            with daemon(args, folder, text, 50) as d:
                cpu, rss, run, lost, took, _ = d.steady(max(args.seconds, 70))
                judging = sum(m["model_state"] != "absent" for m in d.status()["machines"])
    row("rss_500_mib", rss, "MiB", "<=48", rss <= 48)
    print(f"# 500 machines x 8 points at 1 s, {judging} with a model at work: CPU {cpu:.2f} %, {run} polls "
          f"in {took:.1f} s, {lost} missed")


def fast(args):
    """1 register every 10 ms, over TCP and over a pseudo-terminal; the worse of both counts."""
    worst_cpu = worst_woken = 0
    for kind in ("tcp", "rtu"):
        with scratch() as folder:
            line = os.path.join(folder, "line")
            wire = "tcp: 0" if kind == "tcp" else f"rtu: {line}, turnaround: 0s"
            with simulator(args, folder, [("w", wire)], 1) as ports:
                wires = over_tcp(ports, 1) if kind == "tcp" else [
                    f"rtu: {{device: {line}, baud: 115200}}, timeout: 9ms"]
                with daemon(args, folder, config(folder, wires, 1, 1, "10ms", "90d"), 1) as d:
                    cpu, _, run, lost, took, woken = d.steady(args.seconds)
        per_poll = max(0.0, sum(woken.values()) - 5 * took) / run
        print(f"# {kind}: CPU {cpu:.2f} %, {run} polls in {took:.1f} s, {lost} missed, wake-ups a "
              f"second: " + ", ".join(f"{k} {n / took:.1f}" for k, n in sorted(woken.items())))
        worst_cpu, worst_woken = max(worst_cpu, cpu), max(worst_woken, per_poll)
    row("cpu_10ms_pct", worst_cpu, "%", "<=1", worst_cpu <= 1)
    row("wakeups_per_poll", worst_woken, "wakeups_beyond_5/s", "<=3", worst_woken <= 3)


def devices_1000(args):
    with scratch() as folder:
        with simulator(args, folder, [(f"w{i}", "tcp: 0") for i in range(PORTS)], 1) as ports:
            text = config(folder, over_tcp(ports, 1000), 0, 0, "10s", "off")
            with daemon(args, folder, text, 1000) as d:
                cpu, rss, run, lost, took, _ = d.steady(60 * args.minutes)
    # All begin their slots together: one more or less may fall between the two looks.
    ok = lost == 0 and run >= 1000 * (int(took / 10) - 1)
    row("devices_1000", int(ok), "1=no_slot_missed", "1", ok)
    print(f"# 1,000 connections at 10 s for {took:.0f} s: {run} polls, {lost} missed, CPU {cpu:.2f} %, "
          f"RSS {rss:.1f} MiB")


def jitter(args):
    """How late polls begin on this computer, by the daemon's own histogram."""
    for key, before, reach in (("start_jitter_p99_us", (), 10000),
                               ("start_jitter_fifo_p99_us", ("chrt", "-f", "10"), None)):
        if before and subprocess.run([*before, "true"], capture_output=True, check=False).returncode:
            print(f"# {key}: real-time priority is not permitted here")
            continue
        with scratch() as folder:
            line = os.path.join(folder, "line")
            wires = [("w", "tcp: 0"), ("l", f"rtu: {line}, turnaround: 0s")]
            with simulator(args, folder, wires, 1) as ports:
                on = over_tcp(ports, 4) + [f"rtu: {{device: {line}, baud: 115200}}"]
                text = config(folder, on, 1, 1, "100ms", "off")
                with daemon(args, folder, text, 5, before) as d:
                    time.sleep(args.seconds)
                    buses = d.status()["buses"]
        p99 = max(b["start_jitter"]["p99_us"] for b in buses)
        row(key, p99, "us", f"<={reach}" if reach else "-", not reach or p99 <= reach)


ROWS = (points_10k, machines_500, fast, devices_1000, jitter)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("bin")
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--settle", type=float, default=SETTLE_S)
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("rows", nargs="*", metavar="ROW")
    args = parser.parse_intermixed_args()
    known = {r.__name__: r for r in ROWS}
    for name in args.rows:
        if name not in known:
            parser.error(f"no such row: {name}; there are {', '.join(known)}")
    args.millwright = os.path.abspath(os.path.join(args.bin, "millwright"))
    args.millwrightd = os.path.abspath(os.path.join(args.bin, "millwrightd"))
    for name in args.rows or known:
        known[name](args)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
