#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Our own poller on the simulator's wires in real time: it keeps the silence of a serial line at
true speed, survives an adapter that is unplugged, and reads RTU over TCP.

usage: simulator_poller.py BIN_DIR
"""
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback

BIN = os.path.join(sys.argv[1], "millwright")
PROBE = os.path.join(sys.argv[1], "..", "tests", "fieldbus_probe")
WAIT_S = 20

SCENARIO = """
version: 1
machines: [{name: pump, kind: pump}]
buses:
  - {name: line, rtu: line.rtu, baud: 19200, turnaround: 3ms, spread: 3ms}
  - {name: loose, rtu: loose.rtu, baud: 19200, disturbances: [{kind: unplug, at: 500ms, for: 300ms}]}
  - {name: plc, tcp: 0}
  - {name: converter, tcp: 0, framing: rtu}
devices:
""" + "".join(f"""
  - name: d-{bus}
    bus: {bus}
    unit: 7
    map: list
    machine: pump
    registers:
      - {{quantity: current, address: 0, type: uint16, scale: 0.01}}
      - {{quantity: load, address: 16, type: uint16}}
      - {{quantity: temp, address: 20, kind: input, type: uint16, scale: 0.01}}
      - {{quantity: running, address: 9, kind: coil, type: bit}}
""" for bus in ("line", "loose", "plc", "converter"))


def start(folder):
    with open(os.path.join(folder, "scenario.yaml"), "w") as f:
        f.write(SCENARIO)
    process = subprocess.Popen(
        [BIN, "simulate", "scenario.yaml", "--ready-file", "ready", "--stats", "stats"], cwd=folder,
        stdout=subprocess.DEVNULL)
    end = time.monotonic() + WAIT_S
    while not os.path.exists(os.path.join(folder, "ready")):
        assert process.poll() is None and time.monotonic() < end, "the simulator does not come up"
        time.sleep(0.01)
    lines = [line.split() for line in open(os.path.join(folder, "ready"))]
    return process, {line[1]: line[4] for line in lines if line[2] == "tcp"}


def run(folder):
    simulator, ports = start(folder)
    wires = {"loose": ["rtu", os.path.join(folder, "loose.rtu")],
             "line": ["rtu", os.path.join(folder, "line.rtu")],
             "plc": ["tcp", "127.0.0.1", ports["plc"]],
             "converter": ["rtu_tcp", "127.0.0.1", ports["converter"]]}
    try:
        probes = {bus: subprocess.Popen([PROBE, *how], stdout=subprocess.PIPE, text=True)
                  for bus, how in wires.items()}
        for bus, probe in probes.items():
            out, _ = probe.communicate(timeout=WAIT_S)
            assert probe.returncode == 0, (bus, probe.returncode, out)
            read = dict(line.split() for line in out.splitlines())
            assert read["coil"] == "1" and float(read["input"]) > 1000, (bus, read)
    finally:
        simulator.send_signal(signal.SIGTERM)
        assert simulator.wait(timeout=WAIT_S) == 0
    stats = json.load(open(os.path.join(folder, "stats")))["buses"]
    for bus, n in stats.items():
        print(f"{bus}: {n['requests']} requests, {n['answers']} answers, "
              f"{n['silence_violations']} silence violations")
        assert n["silence_violations"] == n["talked_over"] == n["pauses"] == 0, (bus, n)
        assert n["answers"] >= 30, (bus, n)
    assert stats["line"]["requests"] == stats["line"]["answers"], stats["line"]
    assert stats["loose"]["disturbances"] == {"unplug": 1}, stats["loose"]


def main():
    folder = tempfile.mkdtemp(prefix="mw-poller-")
    try:
        run(folder)
    except Exception:
        traceback.print_exc()
        return 1
    finally:
        shutil.rmtree(folder)
    return 0


sys.exit(main())
