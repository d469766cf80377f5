#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The poller against an independent implementation: pymodbus, over TCP and over a serial line
made by socat, and with RTU frames over TCP. Every type and word order is read and held against the value that was written."""
import multiprocessing
import os
import socket
import struct
import subprocess
import sys
import tempfile
import time

try:
    from pymodbus.datastore import (ModbusSequentialDataBlock, ModbusServerContext,
                                    ModbusSlaveContext)
    from pymodbus.server import StartSerialServer, StartTcpServer
    from pymodbus.transaction import ModbusRtuFramer, ModbusSocketFramer
except ImportError as missing:
    print(f"skipped: {missing} (apt install python3-pymodbus python3-serial-asyncio)")
    sys.exit(77)

FLOAT, INT32, DOUBLE = 123456.789, -123456789, -9.87654321e10


def words(packed):
    return list(struct.unpack(f">{len(packed) // 2}H", packed))


def swap(word):
    return (word & 0xFF) << 8 | word >> 8


def context():
    abcd = words(struct.pack(">f", FLOAT))
    registers = [0xFF85, 65535, *abcd, *abcd[::-1], *map(swap, abcd), *map(swap, abcd[::-1])]
    registers += words(struct.pack(">i", INT32)) + words(struct.pack(">d", DOUBLE)) + [0x0008]
    coils = [False] * 9 + [True]
    slave = ModbusSlaveContext(
        hr=ModbusSequentialDataBlock(0, registers), ir=ModbusSequentialDataBlock(20, [4321]),
        co=ModbusSequentialDataBlock(0, coils), zero_mode=True)
    return ModbusServerContext(slaves={7: slave}, single=False)


def serve_tcp(port, framer):
    StartTcpServer(context=context(), framer=framer, address=("127.0.0.1", port))


def serve_rtu(tty):
    # A pseudo-terminal has no parity, and pyserial insists on getting what it asked for.
    StartSerialServer(context=context(), framer=ModbusRtuFramer, port=tty, baudrate=19200,
                      parity="N", stopbits=1, timeout=0.02)


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


def check(what, probe, arguments):
    done = subprocess.run([probe, *arguments], capture_output=True, text=True, timeout=60)
    print(f"{what}:\n{done.stdout}{done.stderr}", end="")
    if done.returncode != 0:
        sys.exit(f"{what}: the probe ended with {done.returncode}")
    read = {name: float(value) for name, value in map(str.split, done.stdout.splitlines())}
    single = struct.unpack("<f", struct.pack("<f", FLOAT))[0]
    expected = {"int16": -12.3, "uint16": 65535, "int32": INT32, "float64": DOUBLE, "bit3": 1,
                "input": 4321, "coil": 1}
    expected.update({f"float_{order}": single for order in ("abcd", "cdab", "badc", "dcba")})
    for name, value in expected.items():
        if abs(read[name] - value) > abs(value) * 1e-6:
            sys.exit(f"{what}: {name} is {read[name]}, not {value}")


def over_tcp(probe, how, framer):
    with socket.socket() as finder:
        finder.bind(("127.0.0.1", 0))
        port = finder.getsockname()[1]
    server = multiprocessing.Process(target=serve_tcp, args=(port, framer), daemon=True)
    server.start()
    try:
        wait_until(lambda: answers(port), "the TCP server")
        check(how, probe, [how, "127.0.0.1", str(port)])
    finally:
        server.kill()


def over_rtu(probe):
    try:
        import serial_asyncio  # noqa: F401  (pymodbus's serial server needs it)
    except ImportError as missing:
        print(f"rtu skipped: {missing}")
        return False
    with tempfile.TemporaryDirectory() as folder:
        ours, theirs = os.path.join(folder, "ours"), os.path.join(folder, "theirs")
        try:
            line = subprocess.Popen(["socat", f"pty,raw,echo=0,link={ours}",
                                     f"pty,raw,echo=0,link={theirs}"])
        except FileNotFoundError:
            print("rtu skipped: no socat (apt install socat)")
            return False
        server = multiprocessing.Process(target=serve_rtu, args=(theirs,), daemon=True)
        try:
            wait_until(lambda: os.path.exists(ours) and os.path.exists(theirs), "socat")
            server.start()
            check("rtu", probe, ["rtu", ours])
        finally:
            if server.pid:
                server.kill()
            line.kill()
            line.wait()
    return True


def main():
    probe = os.path.join(sys.argv[1], "..", "tests", "fieldbus_probe")
    over_tcp(probe, "tcp", ModbusSocketFramer)
    over_tcp(probe, "rtu_tcp", ModbusRtuFramer)
    if not over_rtu(probe):
        sys.exit(77)


if __name__ == "__main__":
    main()
