# SPDX-License-Identifier: Apache-2.0
"""What the tests against foreign Modbus servers share: the device's map, a serial line made of two
pseudo-terminals, and the probe (tests/system/fieldbus_probe.c) with what it must have read.

The device is unit 7: holding registers from 0 as registers() gives them, input register 20 with
4321, coil 9 set."""
import os
import socket
import struct
import subprocess
import sys
import tempfile
import time

FLOAT, INT32, DOUBLE = 123456.789, -123456789, -9.87654321e10
UNIT, INPUT_AT, INPUT, COIL_AT = 7, 20, 4321, 9


def words(packed):
    return list(struct.unpack(f">{len(packed) // 2}H", packed))


def swap(word):
    return (word & 0xFF) << 8 | word >> 8


def registers():
    """Every type and word order, in one block from address 0."""
    abcd = words(struct.pack(">f", FLOAT))
    return ([0xFF85, 65535, *abcd, *abcd[::-1], *map(swap, abcd), *map(swap, abcd[::-1])] +
            words(struct.pack(">i", INT32)) + words(struct.pack(">d", DOUBLE)) + [0x0008])


def wait_until(ready, what):
    until = time.monotonic() + 10
    while not ready():
        if time.monotonic() > until:
            sys.exit(f"{what} did not come up")
        time.sleep(0.02)


def answers(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
        return True
    except OSError:
        return False


def free_port():
    with socket.socket() as finder:
        finder.bind(("127.0.0.1", 0))
        return finder.getsockname()[1]


class SerialLine:
    """Two pseudo-terminals joined by socat: ours and theirs are their links."""

    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory()
        self.ours = os.path.join(self.folder.name, "ours")
        self.theirs = os.path.join(self.folder.name, "theirs")
        self.socat = None
        try:
            self.socat = subprocess.Popen(["socat", f"pty,raw,echo=0,link={self.ours}",
                                           f"pty,raw,echo=0,link={self.theirs}"])
        except FileNotFoundError:
            self.folder.cleanup()
            print("rtu skipped: no socat (apt install socat)")
            sys.exit(77)
        wait_until(lambda: os.path.exists(self.ours) and os.path.exists(self.theirs), "socat")
        return self

    def __exit__(self, *_):
        self.socat.kill()
        self.socat.wait()
        self.folder.cleanup()


def check(what, probe, arguments):
    """Runs the probe; every value it read must be the one that was written."""
    done = subprocess.run([probe, *arguments], capture_output=True, text=True, timeout=60)
    print(f"{what}:\n{done.stdout}{done.stderr}", end="")
    if done.returncode != 0:
        sys.exit(f"{what}: the probe ended with {done.returncode}")
    read = {name: float(value) for name, value in map(str.split, done.stdout.splitlines())}
    single = struct.unpack("<f", struct.pack("<f", FLOAT))[0]
    expected = {"int16": -12.3, "uint16": 65535, "int32": INT32, "float64": DOUBLE, "bit3": 1,
                "input": INPUT, "coil": 1}
    expected.update({f"float_{order}": single for order in ("abcd", "cdab", "badc", "dcba")})
    for name, value in expected.items():
        if abs(read[name] - value) > abs(value) * 1e-6:
            sys.exit(f"{what}: {name} is {read[name]}, not {value}")
