#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The poller against an independent implementation: npm's modbus-serial, over TCP and over a serial
line made by socat. The package is installed into the build folder, once; where npm or the package
is not to be had, the test is skipped."""
import json
import os
import select
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import fieldbus_peer as peer  # noqa: E402

PACKAGE = "modbus-serial@8.0.25"
INSTALL_S = 120
HERE = os.path.dirname(os.path.abspath(__file__))


def skip(why):
    print(f"skipped: {why}")
    sys.exit(77)


def install(folder):
    """The node_modules folder; the serial port's binary comes inside its package."""
    modules = os.path.join(folder, "node_modules")
    if os.path.exists(os.path.join(modules, "modbus-serial", "package.json")):
        return modules
    if not shutil.which("node") or not shutil.which("npm"):
        skip("no node and npm")
    os.makedirs(folder, exist_ok=True)
    try:
        done = subprocess.run(["npm", "install", "--prefix", folder, "--ignore-scripts", "--no-audit",
                               "--no-fund", "--no-package-lock", "--loglevel=error", PACKAGE],
                              capture_output=True, text=True, timeout=INSTALL_S)
    except subprocess.TimeoutExpired:
        skip(f"npm did not install {PACKAGE} within {INSTALL_S} s")
    if done.returncode != 0:
        skip(f"npm cannot install {PACKAGE}: {done.stderr.strip()[-300:]}")
    return modules


def device_map():
    return json.dumps({
        "unit": peer.UNIT, "holding": peer.registers(), "input": {peer.INPUT_AT: peer.INPUT},
        "coils": [False] * peer.COIL_AT + [True] + [False] * 6})


class Server:
    def __init__(self, modules, kind, where):
        self.process = subprocess.Popen(
            ["node", os.path.join(HERE, "fieldbus_modbus_serial.js"), modules, kind, where],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.process.stdin.write(device_map())
        self.process.stdin.close()

    def __enter__(self):
        if not select.select([self.process.stdout], [], [], 20)[0]:
            sys.exit("the server does not come up")
        line = self.process.stdout.readline()
        if line != "ready\n":
            sys.exit(f"the server ended: {line}")
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


def main():
    probe = os.path.join(sys.argv[1], "..", "tests", "fieldbus_probe")
    modules = install(os.path.join(sys.argv[1], "..", "tests", "modbus-serial"))
    port = str(peer.free_port())
    with Server(modules, "tcp", port):
        peer.check("tcp", probe, ["tcp", "127.0.0.1", port])
    with peer.SerialLine() as line, Server(modules, "rtu", line.theirs):
        peer.check("rtu", probe, ["rtu", line.ours])


if __name__ == "__main__":
    main()
