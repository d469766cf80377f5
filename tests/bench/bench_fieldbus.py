#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What the fieldbus costs, in figures of whole processes: millwrightd polls `millwright simulate`
over loopback in real time. CPU is the daemon's own time (all threads), so that other work on the
computer does not count; memory and wake-ups are read from /proc. The rows of bench_fieldbus, on
virtual time, come first. One line per row:

  key value unit reach ok|MISSED  # note

usage: bench_fieldbus.py BIN_DIR [--long] [--json] [--seconds N] [--history DURATION] [KEY...]

BIN_DIR is that of a release build; --long adds devices_1000, five minutes; --seconds: of steady
state, at least 20 for figures worth keeping; --history: store.history, off unless told. Ends with 1
where a row misses its reach, 77 where the programs were not built. docs/BENCHMARKS.md says what
each row means.
"""
import argparse
import glob
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

START_S = 60  # until everything is polled
SETTLE_S = 5  # connections made, stores opened, before anything is measured
SPARE_WAKEUPS_PER_S = 5  # of the row's reach: beats and once-a-second figures


class Plant:
    """A scenario, a configuration that polls it, and both processes."""

    def __init__(self, options, n_devices, n_points, period, machine_devices=1, serial=False,
                 launcher=()):
        self.n_devices, self.n_points, self.period = n_devices, n_points, period
        self.machine_devices, self.serial, self.launcher = machine_devices, serial, launcher
        self.history = options.history
        self.folder = tempfile.mkdtemp(prefix="mw-bench-")
        self.processes = []

    def __enter__(self):
        try:
            self.simulate()
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for process in reversed(self.processes):
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        shutil.rmtree(self.folder)

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, text):
        os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
        with open(self.path(name), "w") as f:
            f.write(text)

    def spawn(self, *command):
        log = open(self.path("log"), "a")
        process = subprocess.Popen([*command], cwd=self.folder, stdout=log, stderr=log)
        log.close()
        self.processes.append(process)
        return process

    def wait_for(self, ready, what):
        end = time.monotonic() + START_S
        while not ready():
            dead = any(p.poll() is not None for p in self.processes)
            if dead or time.monotonic() > end:
                with open(self.path("log")) as f:
                    sys.exit(f"bench_fieldbus.py: {what}\n{f.read()[-2000:]}")
            time.sleep(0.1)

    def simulate(self):
        registers = "".join(f"      - {{quantity: load, name: r{i}, address: {i}, type: uint16}}\n"
                            for i in range(self.n_points))
        text = "version: 1\ntick: 1s\nmachines: [{name: m, kind: pump}]\nbuses:\n"
        wire = "rtu: {}, turnaround: 0s" if self.serial else "tcp: 0"
        text += "".join(f"  - {{name: b{d}, {wire.format(self.path(f'b{d}'))}}}\n"
                        for d in range(self.n_devices))
        text += "devices:\n"
        for d in range(self.n_devices):
            text += f"  - name: d{d}\n    bus: b{d}\n    unit: 1\n    map: list\n    machine: m\n"
            text += "    registers: &r\n" + registers if d == 0 else "    registers: *r\n"
        self.write("scenario.yaml", text)
        self.spawn(BIN + "/millwright", "simulate", "scenario.yaml", "--ready-file", "ready")
        self.wait_for(lambda: os.path.exists(self.path("ready")), "the simulator does not come up")
        with open(self.path("ready")) as f:
            lines = [line.split() for line in f]
        self.ports = {line[1]: line[4] for line in lines if line[2] == "tcp"}

    def wire(self, bus):
        """9 ms: an answer that comes later than the next poll is due is no use."""
        if self.serial:
            return f"rtu: {{device: {self.path(bus)}, baud: 115200}}, timeout: 9ms"
        return f"tcp: {{host: 127.0.0.1, port: {self.ports[bus]}}}"

    def configuration(self):
        """Machines of up to 25 channels each, over one device or several."""
        text = (f"version: 1\ngateway: {{name: gw, spool: {self.folder}/spool, "
                f"socket: {self.folder}/control}}\n"
                f"store: {{path: {self.folder}/store.db, history: {self.history}}}\nbuses:\n")
        for d in range(self.n_devices):
            text += f"- {{name: b{d}, {self.wire(f'b{d}')}}}\n"
        text += "devices:\n"
        for d in range(self.n_devices):
            text += f"- {{name: d{d}, bus: b{d}, unit: 1, profile: p}}\n"
        return text + "machine_types:\n" + self.machines()

    def machines(self):
        parts = [range(i, min(i + 25, self.n_points)) for i in range(0, self.n_points, 25)]
        roles = [f"r{k}" for k in range(self.machine_devices)]
        types, machines = "", "machines:\n"
        for t, part in enumerate(parts):
            channels = ", ".join(f"{{point: {role}.p{i}}}" for role in roles for i in part)
            types += (f"- {{name: t{t}, period: {self.period}, trend: {{enabled: false}}, "
                      f"channels: [{channels}]}}\n")
            for d in range(0, self.n_devices, self.machine_devices):
                devices = ", ".join(f"{{role: {role}, device: d{d + k}}}"
                                    for k, role in enumerate(roles))
                machines += f"- {{name: m{d}-{t}, type: t{t}, devices: [{devices}]}}\n"
        return types + machines

    def start(self):
        profile = ("version: 1\nvendor: bench\nmodel: bench\nlevel: C\n"
                   "sources: [\"made for this\"]\npoints:\n")
        profile += "".join(f"  - {{name: p{i}, address: {i}, type: uint16}}\n"
                           for i in range(self.n_points))
        self.write("profiles/p.yaml", profile)
        self.write("millwright.yaml", self.configuration())
        self.daemon = self.spawn(*self.launcher, BIN + "/millwrightd", "--config",
                                 self.path("millwright.yaml"))
        self.wait_for(self.all_online, "the daemon does not poll all devices")
        time.sleep(SETTLE_S)

    def status(self):
        done = subprocess.run([BIN + "/millwright", "status", "--json", "--socket",
                               self.path("control")], capture_output=True, text=True, timeout=30)
        return json.loads(done.stdout) if done.returncode == 0 else None

    def all_online(self):
        status = self.status()
        return status and all(d["health"] == "online" for d in status["devices"])


class Measured:
    """What the daemon spent between two moments. The questions themselves cost it a little; both
    are asked before the first reading and after the last."""

    def __init__(self, plant, seconds):
        pid = plant.daemon.pid
        before = plant.status()
        time.sleep(1)
        began, cpu, switches = time.monotonic(), cpu_s(pid), wakeups(pid)
        time.sleep(seconds)
        self.cpu_s = cpu_s(pid) - cpu
        self.wakeups = wakeups(pid) - switches
        self.seconds = time.monotonic() - began
        self.rss_mib = memory_mib(pid)
        time.sleep(1.1)  # the buses tell their figures once a second
        after = plant.status()
        asked_s = (after["ts_ms"] - before["ts_ms"]) / 1000
        self.cpu_pct = 100 * self.cpu_s / self.seconds
        self.polls_per_s = (sum_of(after, "slots_run") - sum_of(before, "slots_run")) / asked_s
        self.good_per_s = (sum_of(after, "samples_good") - sum_of(before, "samples_good")) / asked_s
        self.missed = sum_of(after, "slots_missed") - sum_of(before, "slots_missed")
        self.other = sum_of(after, "samples_other") - sum_of(before, "samples_other")
        self.jitter = jitter(before, after)


def cpu_s(pid):
    """All threads; the kernel's clock of another process, clock_getcpuclockid(3)."""
    return time.clock_gettime((~pid << 3) | 2)


def wakeups(pid):
    """Times that its threads went to sleep by themselves, and so were woken."""
    n = 0
    for name in glob.glob(f"/proc/{pid}/task/*/status"):
        with open(name) as f:
            n += int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)", f.read(), re.M).group(1))
    return n


def memory_mib(pid):
    with open(f"/proc/{pid}/status") as f:
        return int(re.search(r"^VmRSS:\s+(\d+) kB", f.read(), re.M).group(1)) / 1024


def sum_of(status, key):
    return sum(bus[key] for bus in status["buses"])


def jitter(before, after):
    """The start histograms of all buses, what came between: [upper end in us, count]."""
    counts = {}
    for sign, status in ((-1, before), (1, after)):
        for bus in status["buses"]:
            for upper_us, n in bus["start_jitter"]["buckets"]:
                counts[upper_us] = counts.get(upper_us, 0) + sign * n
    return sorted(counts.items())


def percentile(histogram, share):
    left = share * sum(n for _, n in histogram)
    for upper_us, n in histogram:
        left -= n
        if left <= 0:
            return upper_us
    raise AssertionError("no poll was counted")


# ---- rows: (key, value, unit, sense, reach, note) ----

def ten_thousand(options):
    with Plant(options, 100, 100, "1s") as plant:
        m = Measured(plant, options.seconds)
    assert m.good_per_s > 9000, f"only {m.good_per_s:.0f} values/s: this is not the load meant"
    seen = f"{m.good_per_s:.0f} values/s, {m.missed} slots missed"
    yield "cpu_10k_pct", m.cpu_pct, "%", "<=", 2.6, f"NG Gateway: 2.62; {seen}"
    yield "rss_10k_mib", m.rss_mib, "MiB", "<=", 24, "NG Gateway: 50.8"


def ten_ms(options):
    """Over TCP and over a pseudo-terminal; the worse of both counts."""
    cpu, woken = [], []
    for name, serial in (("TCP", False), ("RTU", True)):
        with Plant(options, 1, 1, "10ms", serial=serial) as plant:
            m = Measured(plant, options.seconds)
        assert m.polls_per_s > 90, f"only {m.polls_per_s:.0f} polls/s: this is not the load meant"
        per_poll = (m.wakeups / m.seconds - SPARE_WAKEUPS_PER_S) / m.polls_per_s
        cpu.append((m.cpu_pct, f"{name} {m.cpu_pct:.2f} at {m.polls_per_s:.0f}/s"))
        woken.append((per_poll, f"{name} {per_poll:.2f}"))
    yield ("cpu_10ms_pct", max(cpu)[0], "%", "<=", 1,
           f"mqmgateway: 30 % of an ARMv7 core; {', '.join(w for _, w in cpu)}")
    yield ("wakeups_per_poll", max(woken)[0], "1", "<=", 3,
           f"less {SPARE_WAKEUPS_PER_S}/s; {', '.join(w for _, w in woken)}")


def start_jitter(options):
    yield jitter_row("start_jitter_p99_us", (), 10000, options)
    chrt = ("chrt", "-f", "10")
    allowed = shutil.which("chrt") and subprocess.run([*chrt, "true"], stderr=subprocess.PIPE)
    if allowed and allowed.returncode == 0:
        yield jitter_row("start_jitter_p99_rt_us", chrt, None, options)
    else:
        print("start_jitter_p99_rt_us: real-time priority is not allowed here", file=sys.stderr)


def jitter_row(key, launcher, reach, options):
    with Plant(options, 10, 1, "100ms", launcher=launcher) as plant:
        m = Measured(plant, options.seconds)
    how = f"priority {launcher[-1]}" if launcher else "no priority"
    load = os.getloadavg()[0]
    note = (f"{how}; p50 {percentile(m.jitter, 0.5)}, p99.9 {percentile(m.jitter, 0.999)}, "
            f"load average {load:.1f}")
    return key, percentile(m.jitter, 0.99), "us", "<=", reach, note


def thousand_devices(options):
    with Plant(options, 1000, 1, "10s", machine_devices=2) as plant:
        m = Measured(plant, max(options.seconds, 300))
    right = m.missed == 0 and m.other == 0 and m.polls_per_s > 95
    yield ("devices_1000", int(right), "1", "=", 1,
           f"{m.polls_per_s:.1f} polls/s, {m.missed} slots missed, {m.other} without a value; "
           f"RSS {m.rss_mib:.1f} MiB, CPU {m.cpu_pct:.2f} %")


GROUPS = [(ten_thousand, ("cpu_10k_pct", "rss_10k_mib")),
          (ten_ms, ("cpu_10ms_pct", "wakeups_per_poll")),
          (start_jitter, ("start_jitter_p99_us", "start_jitter_p99_rt_us"))]
LONG = [(thousand_devices, ("devices_1000",))]


def within(value, sense, reach):
    if reach is None:
        return True
    return {"<=": value <= reach, ">=": value >= reach, "=": value == reach}[sense]


def say(row, options):
    key, value, unit, sense, reach, note = row
    right = within(value, sense, reach)
    bound = "-" if reach is None else f"{sense}{reach:g}"
    word = "ok" if right else "MISSED"
    if options.json:
        print(json.dumps({"key": key, "value": value, "unit": unit, "reach": bound, "ok": right,
                          "note": note}), flush=True)
    else:
        print(f"{key} {value:.6g} {unit} {bound} {word}  # {note}", flush=True)
    return right


ROW = re.compile(r"(\S+) (\S+) (\S+) (<=|>=|=)(\S+) (ok|MISSED)(?:  # (.*))?")


def virtual_rows(options):
    """Those of the program beside this one."""
    keys = [k for k in options.keys if not any(k in known for _, known in GROUPS + LONG)]
    if options.keys and not keys:
        return
    process = subprocess.Popen([os.path.join(BIN, "../tests/bench_fieldbus"), *keys],
                               stdout=subprocess.PIPE, text=True)
    for line in process.stdout:
        key, value, unit, sense, reach, _, note = ROW.fullmatch(line.strip()).groups()
        yield key, float(value), unit, sense, float(reach), note or ""
    if process.wait() > 1:
        sys.exit(process.returncode)


def rows(options):
    yield from virtual_rows(options)
    for measure, known in GROUPS + LONG:
        named = any(k in known for k in options.keys)
        if named or (not options.keys and (options.long or (measure, known) in GROUPS)):
            yield from measure(options)


def main():
    global BIN
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("bin_dir")
    parser.add_argument("keys", nargs="*")
    parser.add_argument("--long", action="store_true")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--history", default="off")
    options = parser.parse_intermixed_args()
    BIN = os.path.abspath(options.bin_dir)
    for program in ("millwright", "millwrightd", "../tests/bench_fieldbus"):
        if not os.path.exists(os.path.join(BIN, program)):
            print(f"bench_fieldbus.py: {program} was not built", file=sys.stderr)
            return 77
    return 0 if all([say(row, options) for row in rows(options)]) else 1


sys.exit(main())
