#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The simulator's slaves, read by mbpoll over TCP and over serial lines at true speed: values, every
table, exceptions, silence; and what the simulator counted.

usage: simulator_mbpoll.py BIN_DIR
"""
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback

BIN = os.path.join(sys.argv[1], "millwright")
WAIT_S = 20

SCENARIO = """
version: 1
machines: [{name: pump, kind: pump}]
buses:
  - {name: plc, tcp: 0}
  - {name: slow, rtu: slow.rtu, baud: 9600, parity: none, stop_bits: 1, turnaround: 5ms}
  - {name: fast, rtu: fast.rtu, baud: 115200, parity: none, stop_bits: 1, spread: 3ms}
  - {name: busy, rtu: busy.rtu, baud: 19200, parity: none, disturbances: [{kind: busy}]}
devices:
""" + "".join(f"""
  - name: pump-{bus}
    bus: {bus}
    unit: 7
    map: list
    machine: pump
    noise: 0%
    registers:
      - {{quantity: current, address: 0}}
      - {{quantity: temp, address: 4, kind: input, type: int16, scale: 0.1}}
      - {{quantity: running, address: 0, kind: coil, type: bit}}
      - {{quantity: running, name: "on", address: 5, kind: discrete, type: bit}}
""" for bus in ("plc", "slow", "fast", "busy"))


class Simulator:
    def __init__(self, folder):
        with open(os.path.join(folder, "scenario.yaml"), "w") as f:
            f.write(SCENARIO)
        self.folder = folder
        self.process = subprocess.Popen(
            [BIN, "simulate", "scenario.yaml", "--ready-file", "ready", "--stats", "stats"],
            cwd=folder, stdout=subprocess.DEVNULL)
        end = time.monotonic() + WAIT_S
        while not os.path.exists(os.path.join(folder, "ready")):
            assert self.process.poll() is None and time.monotonic() < end, "does not come up"
            time.sleep(0.01)
        lines = [line.split() for line in open(os.path.join(folder, "ready"))]
        self.port = next(line[4] for line in lines if line[1] == "plc")

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(timeout=WAIT_S) == 0
        return json.load(open(os.path.join(self.folder, "stats")))["buses"]

    def poll(self, bus, *what):
        """One poll: mbpoll's exit status, values by address, all it said."""
        where = {"plc": ["-m", "tcp", "-p", self.port, "127.0.0.1"],
                 "slow": ["-m", "rtu", "-b", "9600"], "fast": ["-m", "rtu", "-b", "115200"],
                 "busy": ["-m", "rtu", "-b", "19200"]}[bus]
        if bus != "plc":
            where += ["-P", "none", "-s", "1", os.path.join(self.folder, f"{bus}.rtu")]
        done = subprocess.run(["mbpoll", "-0", "-1", "-o", "0.5", "-a", "7", *what, *where],
                              capture_output=True, text=True, timeout=WAIT_S)
        found = re.findall(r"^\[(\d+)\]:\s+(\S+)", done.stdout, re.MULTILINE)
        return done.returncode, {int(at): float(value) for at, value in found}, done


def every_table(simulator, bus):
    status, values, said = simulator.poll(bus, "-t", "4:float", "-B", "-r", "0", "-c", "1")
    assert status == 0 and 8 < values[0] < 16, said
    status, values, said = simulator.poll(bus, "-t", "3", "-r", "4", "-c", "1")
    assert status == 0 and 200 < values[4] < 800, said
    status, values, said = simulator.poll(bus, "-t", "0", "-r", "0", "-c", "1")
    assert status == 0 and values == {0: 1}, said
    status, values, said = simulator.poll(bus, "-t", "1", "-r", "5", "-c", "1")
    assert status == 0 and values == {5: 1}, said
    status, values, said = simulator.poll(bus, "-t", "4", "-r", "1", "-c", "5")
    assert not values and "Illegal data address" in said.stderr + said.stdout, said
    status, values, said = simulator.poll(bus, "-a", "8", "-t", "4", "-r", "0")
    assert not values and "timed out" in said.stderr + said.stdout, said


def run(folder):
    simulator = Simulator(folder)
    try:
        for bus in ("plc", "slow", "fast"):
            every_table(simulator, bus)
            print(f"ok {bus}")
        _, values, said = simulator.poll("busy", "-t", "4", "-r", "0", "-c", "2")
        assert not values and "busy" in (said.stderr + said.stdout).lower(), said
        print("ok busy")
    finally:
        stats = simulator.stop()
    for bus in ("plc", "slow", "fast"):
        counts = stats[bus]
        assert (counts["requests"], counts["answers"], counts["unanswered"]) == (6, 5, 1), counts
        assert counts["silence_violations"] == counts["pauses"] == counts["bad_frames"] == 0, counts
    assert stats["busy"]["disturbances"] == {"busy": 1}, stats["busy"]
    print("ok counts")


def main():
    if not shutil.which("mbpoll"):
        print("skipped: no mbpoll (apt install mbpoll)")
        return 77
    folder = tempfile.mkdtemp(prefix="mw-mbpoll-")
    try:
        run(folder)
    except Exception:
        traceback.print_exc()
        return 1
    finally:
        shutil.rmtree(folder)
    return 0


sys.exit(main())
