# SPDX-License-Identifier: Apache-2.0
"""plan, scan, probe, record and replay against simulated buses, a serial one and TCP: alone, and
through a daemon that polls the same buses; and what they say to bad input.

usage: tools.py BIN_DIR
"""
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

BIN = pathlib.Path(sys.argv[1])
ROOT = pathlib.Path(__file__).resolve().parents[2]
PROFILES = ROOT / "fieldbus" / "profiles"
WAIT_S = 30
NOBODY = 65534

SCENARIO = """
version: 1
buses:
  - {{name: line, rtu: {tty}, turnaround: 3ms}}
  - {{name: plc, tcp: 0}}
machines: [{{name: pump, kind: pump}}, {{name: fan, kind: fan}}]
devices:
  - {{name: a, bus: line, unit: 1, map: qm30vt2, machine: pump}}
  - {{name: b, bus: line, unit: 80, map: wtvb01, machine: fan}}
  - name: c
    bus: plc
    unit: 7
    map: list
    machine: pump
    registers: [{{quantity: current, address: 0}}, {{quantity: running, address: 3, kind: coil, type: bit}}]
"""

CONFIG = """
version: 1
gateway: {{name: gateway, site: site, spool: {folder}/spool, socket: {folder}/control}}
buses:
  - {{name: secret-hall, rtu: {{device: {tty}, baud: 19200, parity: none}}, timeout: 150ms}}
  - {{name: plc, tcp: {{host: 127.0.0.1, port: {port}}}}}
devices:
  - {{name: a, bus: secret-hall, unit: 1, profile: banner-qm30vt2}}
  - {{name: c, bus: plc, unit: 7, points: [{{name: current, address: 0, type: float32, unit: A}}]}}
machines:
  - {{name: pump, period: 250ms, device: a, channels: [{{point: temp}}, {{point: vel_rms_z}}]}}
  - {{name: motor, period: 250ms, device: c, channels: [{{point: current}}]}}
store: {{path: {folder}/db}}
"""

BUSY = """
version: 1
buses: [{name: slow, rtu: {device: /dev/ttyS9, baud: 1200, parity: even}}]
devices: [{name: d, bus: slow, unit: 1, points: [{name: v, address: 0, type: float32}]}]
machines: [{name: m, period: 250ms, device: d, channels: [{point: v}]}]
"""


def check(condition, *words):
    if not condition:
        sys.exit(" ".join(map(str, ("failed:",) + words)))


def call(*arguments, status=0, words="", **more):
    done = subprocess.run([BIN / "millwright", *map(str, arguments)], capture_output=True, text=True,
                          timeout=120, check=False, **more)
    check(done.returncode == status and words in done.stderr, arguments, "gave", done.returncode,
          done.stdout, done.stderr, "instead of", status, words)
    return done


def wait_until(ready, what):
    end = time.monotonic() + WAIT_S
    while not ready():
        check(time.monotonic() < end, what, "did not come up")
        time.sleep(0.01)


class World:
    """A running simulator with its serial line and its port."""

    def __init__(self, folder):
        self.folder, self.tty, self.daemon = folder, folder / "tty", None
        (folder / "hall.yaml").write_text(SCENARIO.format(tty=self.tty))
        ready = folder / "ready"
        self.process = subprocess.Popen([BIN / "millwright", "simulate", folder / "hall.yaml",
                                         "--ready-file", ready], stdout=subprocess.DEVNULL)
        wait_until(ready.exists, "the simulator")
        self.port = int(next(line.split()[-1] for line in ready.read_text().splitlines()
                             if " tcp " in line))
        self.config = folder / "millwright.yaml"
        self.config.write_text(CONFIG.format(folder=folder, tty=self.tty, port=self.port))
        (folder / "spool").mkdir()

    def start_daemon(self):
        self.daemon = subprocess.Popen(
            [BIN / "millwrightd", "--config", self.config, "--profiles", PROFILES],
            stderr=subprocess.DEVNULL)
        wait_until(self.online, "the daemon")

    def status(self):
        return json.loads(call("status", "--json", "--socket", self.folder / "control").stdout)

    def online(self):
        try:
            with socket.socket(socket.AF_UNIX) as s:
                s.connect(str(self.folder / "control"))
        except OSError:
            return False
        devices = self.status()["devices"]
        return all(device["health"] == "online" for device in devices)

    def stop(self):
        for process in (self.daemon, self.process):
            if process:
                process.send_signal(signal.SIGTERM)
                process.wait(timeout=WAIT_S)

    def by_config(self):
        return ("--config", self.config, "--profiles", PROFILES)

    def by_port(self):
        return ("--rtu", self.tty, "--parity", "N", "--profiles", PROFILES, "--socket",
                self.folder / "control")


def plans(world):
    words = call("plan", world.config, "--profiles", PROFILES).stdout
    check("secret-hall" in words and "5201" in words and "predicted load" in words, words)
    plan = json.loads(call("plan", world.config, "--profiles", PROFILES, "--json").stdout)
    first = plan["requests"][0]
    check(first["unit"] == 1 and first["function"] == 3 and first["count"] == 3
          and first["points"] == 2 and first["request_bytes"] == 8 and first["reply_bytes"] == 11,
          first)
    tcp = plan["requests"][1]
    check(tcp["request_bytes"] == 12 and tcp["reply_bytes"] == 13, tcp)
    check(0 < plan["buses"][0]["load_pct"] < 80 and plan["buses"][1]["load_pct"] is None, plan)
    busy = world.folder / "busy.yaml"
    busy.write_text(BUSY)
    call("plan", busy, words="warning: bus slow will be busy")
    check(json.loads(call("plan", busy, "--json").stdout)["buses"][0]["warning"], "no warning")
    call("plan", world.folder / "nothing.yaml", status=66)
    busy.write_text("version: 2\n")
    call("plan", busy, status=78)
    call("plan", status=64)


def finds(world, *arguments, by_daemon=False):
    found = json.loads(call("scan", *arguments, "--json").stdout)
    check(found["by_daemon"] == by_daemon, found)
    return {unit["unit"]: unit for unit in found["units"]}, found


def scans_alone(world):
    units, found = finds(world, *world.by_port(), "--units", "1-3,79-81", "--timeout", "60ms")
    check(set(units) == {1, 80} and found["asked"] == 6, found)
    check("banner-qm30vt2" in units[1]["profiles"] and "witmotion-wtvb01-485"
          in units[80]["profiles"], units)
    units, _ = finds(world, "--tcp", f"127.0.0.1:{world.port}", "--units", "6-8", "--no-profiles",
                     "--socket", world.folder / "none")
    check(set(units) == {7}, units)
    snippet = world.folder / "snippet.yaml"
    snippet.write_text(call("scan", *world.by_port(), "--units", "1,80").stdout)
    call("check", snippet, "--profiles", PROFILES)
    call("scan", *world.by_port(), "--units", "30", "--timeout", "20ms", status=69)


def a_scan_is_interrupted(world):
    scan = subprocess.Popen([BIN / "millwright", "scan", *map(str, world.by_port()), "--timeout", "1s",
                             "--no-profiles", "--json"], stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True)
    check("unit 1 answers" in scan.stderr.readline(), "unit 1 was not found first")
    scan.send_signal(signal.SIGINT)
    out, err = scan.communicate(timeout=WAIT_S)
    found = json.loads(out)
    check(scan.returncode == 0 and found["stopped"] and len(found["units"]) == 1, out, err)


def probes_alone(world):
    probe = json.loads(call("probe", 1, 5201, 3, *world.by_port(), "--json").stdout)
    names = {(p["profile"], p["point"]) for p in probe["profiles"]}
    check(("banner-qm30vt2", "temp") in names and len(probe["registers"]) == 3, probe)
    probe = json.loads(call("probe", 7, 0, 2, "--tcp", f"127.0.0.1:{world.port}", "--json",
                            "--socket", world.folder / "none", "--profiles", PROFILES).stdout)
    current = next(d for d in probe["decodings"] if d["type"] == "float32" and d["order"] == "ABCD")
    check(current["plausible"] and 1 < current["value"] < 100, current)
    words = call("probe", 7, 0, 2, "--tcp", f"127.0.0.1:{world.port}", "--socket",
                 world.folder / "none").stdout
    check("float32" in words and "DCBA" in words and "*" in words, words)
    words = call("probe", 7, 3, 1, "--kind", "coil", "--tcp", f"127.0.0.1:{world.port}", "--socket",
                 world.folder / "none").stdout
    check("coil 3, 1 bits" in words, words)
    call("probe", 1, 0, 1, *world.by_port(), status=76, words="exception 2")
    call("probe", 3, 0, 1, *world.by_port(), "--timeout", "20ms", status=69, words="no answer")
    trace = world.folder / "alone.trace"
    call("probe", 1, 5201, 3, *world.by_port(), "--record", trace)
    lines = trace.read_text().splitlines()
    check(lines[0] == "millwright-trace 1" and len(lines) == 4 and " > ok 01031451" in lines[2]
          and " < ok 010306" in lines[3], lines)
    call("probe", 1, 5201, *world.by_port(), "--record", trace, status=73, words="exists")


SILENT_READS = 3  # of units that are not there, below: each may cost a poll one slot, not more


def through_the_daemon(world):
    before = world.status()["buses"][0]
    units, _ = finds(world, "secret-hall", *world.by_config(), "--units", "1-2,80", by_daemon=True)
    check(set(units) == {1, 80} and "banner-qm30vt2" in units[1]["profiles"], units)
    units, _ = finds(world, *world.by_port(), "--units", "1,80", "--no-profiles", by_daemon=True)
    check(set(units) == {1, 80}, units)
    units, _ = finds(world, "plc", *world.by_config(), "--units", "7", by_daemon=True)
    check(set(units) == {7}, units)
    probe = json.loads(call("probe", "secret-hall", 1, 5201, 3, *world.by_config(), "--json").stdout)
    check(len(probe["registers"]) == 3, probe)
    call("probe", "secret-hall", 1, 0, 1, *world.by_config(), status=76, words="exception 2")
    call("probe", "secret-hall", 2, 0, 1, *world.by_config(), status=69, words="no answer")
    call("probe", "secret-hall", 0, 0, 1, *world.by_config(), status=64)
    call("scan", "secret-hall", *world.by_config(), "--all-settings", status=64)
    call("probe", "secret-hall", 1, 0, *world.by_config(), "--record", world.folder / "x", status=64)
    after = world.status()["buses"][0]
    check(after["samples_other"] == before["samples_other"]
          and after["slots_missed"] <= before["slots_missed"] + SILENT_READS
          and after["samples_good"] > before["samples_good"], "polls suffered:", before, after)


def the_port_is_the_daemons(world):
    call("probe", 1, 5201, 1, "--rtu", world.tty, "--parity", "N", "--socket", world.folder / "none",
         status=75, words=f"millwrightd has it (process {world.daemon.pid}")


def ask(world, line):
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(WAIT_S)
        s.connect(str(world.folder / "control"))
        s.sendall(line.encode() + b"\n")
        return json.loads(b"".join(iter(lambda: s.recv(4096), b"")))


def the_socket_refuses_nonsense(world):
    for line in ("read", "read secret-hall", "read secret-hall 1 holding 0", "read secret-hall 1 nothing 0 1",
                 "read secret-hall 256 holding 0 1", "read secret-hall 1 holding 0 0",
                 "read secret-hall 1 holding 0 126", "read secret-hall 1 holding 65535 2",
                 "read secret-hall 248 holding 0 1", "read secret-hall 1 holding 0 1 x",
                 "read secret-hall -1 holding 0 1"):
        answer = ask(world, line)
        check(answer.get("code") in (64, 66), line, answer)
    check(ask(world, "read nobody 1 holding 0 1")["code"] == 66, "a bus that is none")
    check(ask(world, "record nobody")["code"] == 66, "a bus that is none")


def records(world):
    control, trace = world.folder / "control", world.folder / "all.trace"
    first = subprocess.Popen([BIN / "millwright", "record", "--all", "--out", trace, "--for", "1h",
                              "--socket", control], stderr=subprocess.PIPE, text=True)
    wait_until(lambda: trace.exists(), "the recorder")
    wait_until(lambda: ask(world, "record plc").get("code") == 75, "one recorder at a time")
    call("record", "plc", "--out", world.folder / "second", "--socket", control, status=75,
         words="somebody records already")
    check(not (world.folder / "second").exists(), "a file is left of what was refused")
    polls = sum(bus["requests"] for bus in world.status()["buses"])
    wait_until(lambda: sum(bus["requests"] for bus in world.status()["buses"]) > polls + 30, "polls")
    first.send_signal(signal.SIGINT)
    _, err = first.communicate(timeout=WAIT_S)
    check(first.returncode == 0 and "0 frames lost" in err, err)
    text = trace.read_text()
    check(text.startswith("millwright-trace 1\nbus 0 rtu 19200 8N2\nbus 1 mbap\n"), text[:200])
    check("secret" not in text and "127.0.0.1" not in text and str(world.tty) not in text, "a name")
    out = world.folder / "samples.csv"
    call("replay", "--trace", trace, "--config", world.config, "--profiles", PROFILES, "--out", out)
    good = [line for line in out.read_text().splitlines() if ";good;" in line]
    check(len(good) > 20 and any("a.temp" in line for line in good)
          and any("c.current" in line for line in good), out.read_text()[:500])
    small = world.folder / "small.trace"
    call("record", "secret-hall", "--out", small, "--for", "1h", "--max", "4KiB", "--names", "--config",
         world.config, "--profiles", PROFILES, words="as large as it may be")
    check(small.stat().st_size <= 4096 and "# secret-hall" in small.read_text()
          and " 1 > " not in small.read_text(), small.read_text()[:300])
    call("record", "plc", "--out", small, "--for", "1s", "--socket", control, status=73)
    call("record", "nobody", "--out", world.folder / "n", "--for", "1s", "--socket", control, status=66)
    call("record", "--all", "--out", world.folder / "n", "--max", "1TiB", status=64)
    call("record", "--all", "--out", world.folder / "n", "--socket", world.folder / "none", status=69)


def bad_traces(world):
    bad = world.folder / "bad.trace"
    replay = ("replay", "--trace", bad, "--config", world.config, "--profiles", PROFILES)
    call(*replay, status=66)
    for text, words in (("", "no frame"), ("bus 0 rtu\n", ":1: the first line"),
                        ("millwright-trace 2\n", ":1: the version"),
                        ("millwright-trace 1\n1 2 0 > ok 00\n", ":2: no line 'bus'"),
                        ("millwright-trace 1\nbus 0 rtu\n1 2 0 > ok 0\n", ":3: the bytes"),
                        ("millwright-trace 1\nbus 5 rtu\n1 2 5 > ok 00\n", "bus 5 is not a bus"),
                        ("millwright-trace 1\nbus 0 mbap\n1 2 0 > ok 00\n", "bus 0 is not a bus")):
        bad.write_text(text)
        call(*replay, status=65, words=words)
    call("replay", "--trace", bad, status=64)


def bad_input(world):
    tty, nothing = world.tty, world.folder / "nothing"
    call("probe", "nobody", 1, 0, *world.by_config(), status=66, words="no bus 'nobody'; there are")
    call("scan", "nobody", *world.by_config(), status=66, words="no bus 'nobody'")
    for verb in (("probe", 1, 0), ("scan",)):
        call(*verb, status=64, words="usage" if verb[0] == "none" else "")
        call(*verb, "--rtu", nothing, status=66, words="No such file")
        call(*verb, "--rtu", world.config, status=65, words="no serial port")
        call(*verb, "--rtu", tty, "--baud", "9", status=64, words="--baud")
        call(*verb, "--rtu", tty, "--parity", "X", status=64, words="--parity")
        call(*verb, "--rtu", tty, "--timeout", "5", status=64, words="--timeout")
        call(*verb, "--tcp", "127.0.0.1:99999", status=64, words="HOST[:PORT]")
        call(*verb, "--rtu", tty, "--tcp", "127.0.0.1", status=64, words="which bus")
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        call("probe", 1, 0, "--tcp", f"127.0.0.1:{closed.getsockname()[1]}", status=69,
             words="no connection")
    call("probe", 256, 0, *world.by_port(), status=64, words="no unit")
    call("probe", 0, 0, *world.by_port(), status=64, words="1 to 247")
    call("probe", 1, 65536, *world.by_port(), status=64, words="address")
    call("probe", 1, 0, 126, *world.by_port(), status=64, words="count")
    call("probe", 1, 0, 1, "--kind", "odd", *world.by_port(), status=64, words="no kind")
    for units in ("0", "248", "5-3", "x", "1,", ""):
        call("scan", *world.by_port(), "--units", units, status=64, words="no list of units")
    for verb in ("plan", "probe", "record", "scan"):
        check("usage: millwright " + verb in call(verb, "--help").stdout, verb, "has no help")


def no_permission(world):
    if os.geteuid() != 0:
        print("left out: only root can take away its own permission")
        return
    device = pathlib.Path(os.path.realpath(world.tty))
    mode = device.stat().st_mode
    copy = world.folder / "bin"
    copy.mkdir()
    shutil.copy(BIN / "millwright", copy)
    os.chmod(world.folder, 0o755)
    os.chmod(device, 0o600)
    done = subprocess.run([copy / "millwright", "probe", "1", "0", "--rtu", device, "--socket",
                           world.folder / "none"], capture_output=True, text=True, timeout=60,
                          user=NOBODY, group=NOBODY, check=False)
    os.chmod(device, mode & 0o777)
    check(done.returncode == 77 and "dialout" in done.stderr, done)


def main():
    with tempfile.TemporaryDirectory() as name:
        world = World(pathlib.Path(name))
        try:
            plans(world)
            scans_alone(world)
            a_scan_is_interrupted(world)
            probes_alone(world)
            bad_input(world)
            no_permission(world)
            world.start_daemon()
            the_port_is_the_daemons(world)
            through_the_daemon(world)
            the_socket_refuses_nonsense(world)
            records(world)
            bad_traces(world)
        finally:
            world.stop()
    print("ok")


main()
