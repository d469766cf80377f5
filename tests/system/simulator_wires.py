#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What the simulator does to real sockets and a real pseudo-terminal, seen from the other end; and
a thousand of them.

usage: simulator_wires.py BIN_DIR
"""
import errno
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import termios
import time
import traceback
import tty

BIN = os.path.join(sys.argv[1], "millwright")
WAIT_S = 20
REQUEST = bytes([0, 5, 0, 0, 0, 6, 1, 3, 0, 52, 0, 2])

HEAD = """
version: 1
machines: [{name: fan, kind: fan}]
"""
ROUGH = HEAD + """
buses:
  - {name: serial, rtu: serial.rtu, baud: 9600, turnaround: 20ms}
  - {name: loose, rtu: loose.rtu, disturbances: [{kind: unplug, at: 700ms, for: 300ms}]}
""" + "".join(f"  - {{name: {name}, tcp: 0, {rest}disturbances: [{{kind: {kind}}}]}}\n"
              for name, rest, kind in (
    ("reset", "", "reset"), ("refuse", "", "refuse_first"), ("ignore", "", "ignore_first"),
    ("one", "", "one_client"), ("half", "", "half_open"), ("hole", "", "black_hole"),
    ("idle", "", "idle_close, delay: 100ms"), ("drip", "", "drip, delay: 10ms"),
    ("late", "", "late, delay: 100ms"), ("twice", "", "duplicate"), ("trail", "", "trailing"),
    ("number", "", "wrong_transaction"), ("converter", "framing: rtu, ", "silence, rate: 0%"))
) + "devices:\n" + "".join(
    f"  - {{name: d-{bus}, bus: {bus}, unit: 1, map: wtvb01, machine: fan}}\n" for bus in (
        "serial", "loose", "reset", "refuse", "ignore", "one", "half", "hole", "idle", "drip",
        "late", "twice", "trail", "number", "converter"))
N_MANY = 1000


class Simulator:
    """A running simulator; its listening lines by bus."""

    def __init__(self, folder, scenario, *args):
        self.folder = folder
        with open(os.path.join(folder, "scenario.yaml"), "w") as f:
            f.write(scenario)
        ready = os.path.join(folder, "ready")
        if os.path.exists(ready):
            os.unlink(ready)
        self.start = time.monotonic()
        self.process = subprocess.Popen(
            [BIN, "simulate", "scenario.yaml", "--ready-file", "ready", "--stats", "stats", *args],
            cwd=folder, stdout=subprocess.PIPE, text=True)
        self.wait_for("ready")
        lines = (line.split() for line in open(ready))
        self.ports = {line[1]: int(line[4]) for line in lines if line[2] == "tcp"}

    def wait_for(self, name):
        end = time.monotonic() + WAIT_S
        while not os.path.exists(os.path.join(self.folder, name)):
            assert self.process.poll() is None, "the simulator ended"
            assert time.monotonic() < end, f"{name} does not come"
            time.sleep(0.01)

    def connect(self, bus):
        return socket.create_connection(("127.0.0.1", self.ports[bus]), timeout=WAIT_S)

    def stats(self):
        path = os.path.join(self.folder, "stats")
        if os.path.exists(path):
            os.unlink(path)
        self.process.send_signal(signal.SIGUSR2)
        self.wait_for("stats")
        return json.load(open(path))

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        out, _ = self.process.communicate(timeout=WAIT_S)
        assert self.process.returncode == 0, self.process.returncode
        return out.splitlines()


def read(s, n):
    got = b""
    while len(got) < n:
        part = s.recv(n - len(got))
        if not part:
            break
        got += part
    return got


def silent(s, within_s=0.15):
    return not select.select([s], [], [], within_s)[0]


def is_reset(s):
    try:
        return s.recv(64) is None
    except ConnectionResetError:
        return True


def tcp_tests(simulator):
    good = bytes([0, 5, 0, 0, 0, 7, 1, 3, 4])
    with simulator.connect("reset") as s:
        s.sendall(REQUEST)
        assert is_reset(s)
    with simulator.connect("refuse") as s:
        s.sendall(REQUEST)
        assert s.recv(64) == b"", "closed, not reset"
    with simulator.connect("ignore") as s:
        s.sendall(REQUEST)
        assert silent(s)
        s.sendall(REQUEST)
        assert read(s, 13)[:9] == good
    with simulator.connect("one") as first:
        first.sendall(REQUEST)
        assert read(first, 13)[:9] == good
        with simulator.connect("one") as second:
            assert second.recv(64) == b""
    with simulator.connect("half") as s:
        s.sendall(REQUEST)
        assert silent(s)
        s.sendall(REQUEST)
        assert is_reset(s)
    with simulator.connect("hole") as s:
        s.sendall(REQUEST * 50)
        assert silent(s)
    with simulator.connect("idle") as s:
        start = time.monotonic()
        s.sendall(REQUEST)
        assert read(s, 13)[:9] == good
        assert s.recv(64) == b"" and time.monotonic() - start >= 0.1
    with simulator.connect("drip") as s:
        start = time.monotonic()
        s.sendall(REQUEST)
        assert read(s, 13)[:9] == good
        assert time.monotonic() - start >= 0.12, "twelve pauses of 10 ms"
    with simulator.connect("late") as s:
        start = time.monotonic()
        s.sendall(REQUEST)
        assert read(s, 13)[:9] == good
        assert time.monotonic() - start >= 0.1
    with simulator.connect("twice") as s:
        s.sendall(REQUEST)
        got = read(s, 26)
        assert got[:13] == got[13:] and got[:9] == good, got
    with simulator.connect("trail") as s:
        s.sendall(REQUEST)
        assert read(s, 17)[13:] == bytes(4)
    with simulator.connect("number") as s:
        s.sendall(REQUEST)
        assert read(s, 13)[:2] == bytes([0, 4])
    with simulator.connect("converter") as s:
        s.sendall(bytes([1, 3, 0, 52, 0, 2]) + crc16(bytes([1, 3, 0, 52, 0, 2])))
        got = read(s, 9)
        assert got[:3] == bytes([1, 3, 4]) and crc16(got[:-2]) == got[-2:], got


def crc16(data):
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0xA001 if crc & 1 else 0)
    return bytes([crc & 0xFF, crc >> 8])


def open_line(path):
    fd = os.open(path, os.O_RDWR | os.O_NOCTTY)
    tty.setraw(fd)
    termios.tcflush(fd, termios.TCIOFLUSH)
    return fd


def ask_line(fd, n_bytes, n_registers=19):
    request = bytes([1, 3, 0, 52, 0, n_registers])
    os.write(fd, request + crc16(request))
    got, end = b"", time.monotonic() + WAIT_S
    while len(got) < n_bytes and time.monotonic() < end:
        if select.select([fd], [], [], 1)[0]:
            got += os.read(fd, 512)
    assert len(got) == n_bytes and crc16(got[:-2]) == got[-2:], got
    return got


def serial_tests(simulator):
    """9600 baud, 11 bits: 8 and 43 characters and 20 ms of turnaround are 78.4 ms."""
    fd = open_line(os.path.join(simulator.folder, "serial.rtu"))
    start = time.monotonic()
    ask_line(fd, 43)
    took = time.monotonic() - start
    assert took >= 0.078, f"{took} s: faster than the wire"
    print(f"an exchange of 78.4 ms took {took * 1000:.1f} ms")
    time.sleep(0.005)  # 3.5 characters are 4.01 ms
    ask_line(fd, 43)
    stats = simulator.stats()["buses"]["serial"]
    assert stats["silence_violations"] == stats["pauses"] == 0, stats
    # Two requests in one breath: the second one is no request.
    request = bytes([1, 3, 0, 52, 0, 1])
    os.write(fd, (request + crc16(request)) * 2)
    assert not select.select([fd], [], [], 0.2)[0], "nobody understands that"
    stats = simulator.stats()["buses"]["serial"]
    assert stats["requests"] == stats["answers"] == 2 and stats["bad_frames"] == 1, stats
    os.close(fd)


def refused_by(fd):
    """The errno a write ends with; the kernel reports the hang-up a moment before it refuses."""
    end = time.monotonic() + WAIT_S
    while time.monotonic() < end:
        try:
            os.write(fd, b"x")
        except OSError as why:
            return why.errno
    return None


def unplug_tests(simulator):
    path = os.path.join(simulator.folder, "loose.rtu")
    if time.monotonic() - simulator.start < 0.3:
        fd = open_line(path)
        ask_line(fd, 43)
        poll = select.poll()
        poll.register(fd, 0)
        assert poll.poll(WAIT_S * 1000)[0][1] & select.POLLHUP, "hung up"
        refused = refused_by(fd)
        assert refused == errno.EIO, f"a dead descriptor takes bytes ({refused})"
        assert not os.path.lexists(path), "the link goes with the adapter"
        os.close(fd)
    else:
        print("unplugging: seen from its end only, this computer is slow")
    end = time.monotonic() + WAIT_S
    while not (simulator.stats()["disturbances"].get("unplug") and os.path.lexists(path)):
        assert time.monotonic() < end, "the adapter does not come back"
    fd = open_line(path)
    ask_line(fd, 43)
    os.close(fd)


def rough_tests(folder):
    simulator = Simulator(folder, ROUGH)
    try:
        unplug_tests(simulator)
        serial_tests(simulator)
        tcp_tests(simulator)
        stats = simulator.stats()
    finally:
        out = simulator.stop()
    for kind in ("reset", "refuse_first", "ignore_first", "one_client", "half_open", "black_hole",
                 "idle_close", "drip", "late", "duplicate", "trailing", "wrong_transaction",
                 "unplug"):
        assert stats["disturbances"][kind] == 1, (kind, stats["disturbances"])
    assert stats["buses"]["drip"]["disturbances"] == {"drip": 1}, stats["buses"]["drip"]
    words = dict(word.split("=") for word in out[-2].split()[1:])
    assert out[-2].startswith("wires ") and words["half_open"] == "1", out[-2]
    assert words["silence_violations"] == "0", out[-2]
    assert out[-1].startswith("served requests="), out[-1]


def many_tests(folder):
    """A thousand devices on a thousand ports; then a line of 32 slaves."""
    buses = "".join(f"  - {{name: b{i}, tcp: 0}}\n" for i in range(N_MANY))
    buses += "  - {name: line, rtu: line.rtu, baud: 115200}\n"
    device = "  - {{name: {0}, bus: {1}, unit: {2}, map: wtvb01, machine: fan}}\n"
    devices = "".join(device.format(f"d{i}", f"b{i}", 1) for i in range(N_MANY))
    devices += "".join(device.format(f"s{i}", "line", i) for i in range(1, 33))
    simulator = Simulator(folder, HEAD + "buses:\n" + buses + "devices:\n" + devices)
    try:
        sockets = [simulator.connect(f"b{i}") for i in range(N_MANY)]
        start = time.monotonic()
        for s in sockets:
            s.sendall(REQUEST)
        assert all(len(read(s, 13)) == 13 for s in sockets)
        took = time.monotonic() - start
        with open(f"/proc/{simulator.process.pid}/statm") as f:
            rss = int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
        print(f"{N_MANY} devices polled once in {took * 1000:.0f} ms, {rss:.0f} MiB")
        for s in sockets:
            s.close()
        fd = open_line(os.path.join(folder, "line.rtu"))
        ask_line(fd, 43)
        os.close(fd)
    finally:
        out = simulator.stop()
    assert f"requests={N_MANY + 1} answers={N_MANY + 1} " in out[-1], out[-1]


def main():
    import resource
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 2 * N_MANY + 100:
        print(f"skipped: {hard} descriptors per process are too few")
        return 77
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    folder = tempfile.mkdtemp(prefix="mw-wires-")
    try:
        rough_tests(folder)
        print("ok rough wires")
        many_tests(folder)
        print("ok many wires")
    except Exception:
        traceback.print_exc()
        return 1
    finally:
        shutil.rmtree(folder)
    return 0


sys.exit(main())
