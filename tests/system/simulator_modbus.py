# SPDX-License-Identifier: Apache-2.0
"""The simulator's slaves, read by two masters that are not ours: mbpoll (libmodbus) and pymodbus.

usage: simulator_modbus.py BIN_DIR
"""
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import traceback

def import_pymodbus():
    """The clients, and whether the serial one works: it needs pyserial, the TCP one only asks."""
    import types
    serial = True
    for name in ("serial", "serial_asyncio"):
        try:
            __import__(name)
        except ImportError:
            serial = False
            sys.modules[name] = types.ModuleType(name)
            sys.modules[name].create_serial_connection = None
    from pymodbus.client import ModbusSerialClient, ModbusTcpClient
    return ModbusTcpClient, ModbusSerialClient if serial else None


try:
    ModbusTcpClient, ModbusSerialClient = import_pymodbus()
except ImportError as why:
    print(f"skipped: python3-pymodbus is not usable: {why}")
    sys.exit(77)

BIN = os.path.join(sys.argv[1], "millwright")
WAIT_S = 20

SCENARIO = """
version: 1
tick: 100ms
buses:
  - {name: field, rtu: field.rtu, turnaround: 3ms}
  - {name: plc, tcp: 0}
machines:
  - {name: pump, kind: pump}
  - {name: fan, kind: fan}
devices:
  - {name: pump-vib, bus: field, unit: 1, map: qm30vt2, machine: pump}
  - {name: fan-vib, bus: field, unit: 80, map: wtvb01, machine: fan}
  - {name: dead, bus: field, unit: 9, map: qm30vt2, machine: pump}
  - name: pump-plc
    bus: plc
    unit: 7
    map: list
    machine: pump
    registers:
      - {quantity: current, address: 0}
      - {quantity: pressure, address: 2, order: CDAB}
      - {quantity: temp, address: 4, kind: input, type: int16, scale: 0.1}
      - {quantity: running, address: 0, kind: coil, type: bit}
      - {quantity: running, name: on, address: 5, kind: discrete, type: bit}
  - name: fan-plc
    bus: plc
    unit: 8
    map: list
    machine: fan
    registers: [{quantity: current, address: 0, type: uint16, scale: 0.01}]
faults:
  - {kind: dead_slave, device: dead, at: 0s}
  - {kind: imbalance, machine: pump, at: 1s, until: 61s, size: 9mm/s}
"""

CSV = """datetime;a;b
2020-01-01 00:00:00;1.5;-2.25
2020-01-01 00:00:01;3.5;1e-3
2020-01-01 00:00:02;5.5;7
"""


class Simulator:
    """A running simulator; its listening lines by bus."""

    def __init__(self, folder, *args):
        ready = os.path.join(folder, "ready")
        if os.path.exists(ready):
            os.unlink(ready)
        self.process = subprocess.Popen([BIN, "simulate", "--ready-file", "ready", *args],
                                        cwd=folder, stdout=subprocess.PIPE, text=True)
        end = time.monotonic() + WAIT_S
        while not os.path.exists(ready):
            assert self.process.poll() is None, "the simulator ended"
            assert time.monotonic() < end, "the simulator is not ready"
            time.sleep(0.01)
        self.buses = {}
        for line in open(ready):
            word, bus, kind, *where = line.split()
            assert word == "listening", line
            self.buses[bus] = (kind, where)

    def port(self, bus):
        kind, where = self.buses[bus]
        assert kind == "tcp" and where[0] == "127.0.0.1", (kind, where)
        return int(where[1])

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        out, _ = self.process.communicate(timeout=WAIT_S)
        assert self.process.returncode == 0, self.process.returncode
        counts = out.strip().splitlines()[-1].split()
        assert counts[0] == "served", out
        return dict(word.split("=") for word in counts[1:])


def tcp_client(port):
    client = ModbusTcpClient("127.0.0.1", port=port, timeout=3)
    assert client.connect()
    return client


def call(function, address, count, unit):
    """pymodbus renamed its unit argument twice."""
    for name in ("slave", "unit", "device_id"):
        try:
            return function(address, count=count, **{name: unit})
        except TypeError:
            continue
    raise AssertionError("this pymodbus takes no unit")


def as_float(high, low):
    return struct.unpack(">f", struct.pack(">HH", high, low))[0]


def test_pymodbus_tcp(folder, simulator):
    client = tcp_client(simulator.port("plc"))
    regs = call(client.read_holding_registers, 0, 4, 7).registers
    assert 5 < as_float(regs[0], regs[1]) < 20, regs
    assert 2 < as_float(regs[3], regs[2]) < 6, regs
    temp = call(client.read_input_registers, 4, 1, 7).registers[0] / 10
    assert 20 < temp < 80, temp
    assert call(client.read_coils, 0, 1, 7).bits[0] is True
    assert call(client.read_discrete_inputs, 5, 1, 7).bits[0] is True
    assert 3 < call(client.read_holding_registers, 0, 1, 8).registers[0] / 100 < 15
    assert call(client.read_holding_registers, 4, 1, 7).exception_code == 2
    assert call(client.read_input_registers, 0, 1, 8).exception_code == 1
    client.close()


def test_pymodbus_rtu(folder, simulator):
    if not ModbusSerialClient:
        return "not tried: python3-serial and python3-serial-asyncio are not installed"
    client = ModbusSerialClient(port=os.path.join(folder, "field.rtu"), baudrate=19200,
                                parity="N", timeout=1)
    assert client.connect()
    for _ in range(5):
        regs = call(client.read_holding_registers, 5200, 22, 1).registers
        assert len(regs) == 22 and 500 < regs[1] < 20000, regs
        assert 2000 < regs[3] < 9000, regs
        # in/s and mm/s of one measurement
        assert abs(regs[4] * 0.0001 * 25.4 - regs[5] * 0.001) < 0.0025, regs
        fan = call(client.read_holding_registers, 52, 19, 80).registers
        assert len(fan) == 19 and 20 < fan[6] < 1000, fan
    client.close()
    return None


def test_mbpoll(folder, simulator):
    if not shutil.which("mbpoll"):
        return "not tried: mbpoll is not installed"
    tcp = ["mbpoll", "-m", "tcp", "-p", str(simulator.port("plc")), "-a", "7", "-t", "4:float",
           "-B", "-0", "-r", "0", "-c", "1", "-1", "127.0.0.1"]
    out = subprocess.run(tcp, capture_output=True, text=True, timeout=WAIT_S, check=True).stdout
    current = float(out.split("[0]:")[1].split()[0])
    assert 5 < current < 20, out
    rtu = ["mbpoll", "-m", "rtu", "-a", "80", "-b", "9600", "-P", "none", "-t", "4", "-0", "-r",
           "52", "-c", "19", "-1", os.path.join(folder, "field.rtu")]
    out = subprocess.run(rtu, capture_output=True, text=True, timeout=WAIT_S, check=True).stdout
    assert "[70]:" in out, out
    return None


def test_raw_bytes(folder, simulator):
    """Split, joined and broken requests on one socket."""
    with socket.create_connection(("127.0.0.1", simulator.port("plc")), timeout=3) as s:
        request = bytes([0, 9, 0, 0, 0, 6, 8, 3, 0, 0, 0, 1])
        for byte in request:
            s.sendall(bytes([byte]))
        assert s.recv(64)[:9] == bytes([0, 9, 0, 0, 0, 5, 8, 3, 2])
        s.sendall(request * 20)
        got = b""
        while len(got) < 20 * 11:
            got += s.recv(4096)
        assert len(got) == 20 * 11, len(got)
        s.sendall(bytes([0, 1, 9, 9, 0, 6, 8, 3, 0, 0, 0, 1]))
        assert s.recv(64) == b"", "a header that is not Modbus closes"


def read_serial(fd, n, timeout_s):
    import select
    got = b""
    end = time.monotonic() + timeout_s
    while len(got) < n and time.monotonic() < end:
        if select.select([fd], [], [], max(0, end - time.monotonic()))[0]:
            got += os.read(fd, 512)
    return got


def test_silence_on_the_line(folder, simulator):
    """A dead slave, a foreign unit and a bad CRC get no answer; the next request does."""
    import termios
    import tty
    fd = os.open(os.path.join(folder, "field.rtu"), os.O_RDWR | os.O_NOCTTY)
    tty.setraw(fd)
    termios.tcflush(fd, termios.TCIOFLUSH)
    good = bytes([0x50, 0x03, 0x00, 0x34, 0x00, 0x03, 0x49, 0x84])
    foreign = bytes([0x01, 0x03, 0x14, 0x50, 0x00, 0x06, 0xC0, 0x28])  # CRC off by one
    for request in (good[:-1] + b"\x00", foreign):
        os.write(fd, request)
        assert read_serial(fd, 1, 0.1) == b"", request
    # Unit 9 is the dead one: the CRC of 09 03 14 50 00 01.
    dead = bytes([9, 3, 0x14, 0x50, 0, 1])
    os.write(fd, dead + crc16(dead))
    assert read_serial(fd, 1, 0.1) == b""
    start = time.monotonic()
    os.write(fd, good)
    answer = read_serial(fd, 11, 2)
    assert time.monotonic() - start >= 0.003, "answers before its turnaround"
    assert answer[:3] == bytes([0x50, 3, 6]) and crc16(answer[:-2]) == answer[-2:], answer
    os.close(fd)


def crc16(data):
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0xA001 if crc & 1 else 0)
    return bytes([crc & 0xFF, crc >> 8])


def test_many_connections(folder, simulator):
    clients = [socket.create_connection(("127.0.0.1", simulator.port("plc")), timeout=3)
               for _ in range(200)]
    request = bytes([0, 9, 0, 0, 0, 6, 8, 3, 0, 0, 0, 1])
    served = 0
    for s in clients:
        try:
            s.sendall(request)
            served += len(s.recv(64)) == 11
        except ConnectionError:
            pass
    for s in clients:
        s.close()
    assert served == 200, served


def scenario_tests(folder):
    with open(os.path.join(folder, "scenario.yaml"), "w") as f:
        f.write(SCENARIO)
    simulator = Simulator(folder, "scenario.yaml", "--speed", "60", "--events", "events.jsonl")
    tests = [test_pymodbus_tcp, test_pymodbus_rtu, test_mbpoll, test_raw_bytes,
             test_silence_on_the_line, test_many_connections]
    try:
        for test in tests:
            print(test.__name__, test(folder, simulator) or "ok")
        end = time.monotonic() + WAIT_S
        while len(open(os.path.join(folder, "events.jsonl")).readlines()) < 3:
            assert time.monotonic() < end, "no events"
            time.sleep(0.05)
    finally:
        counts = simulator.stop()
    assert int(counts["answers"]) > 30 and int(counts["bad"]) >= 3, counts
    assert not os.path.lexists(os.path.join(folder, "field.rtu")), "the link is left behind"
    events = [json.loads(line) for line in open(os.path.join(folder, "events.jsonl"))]
    assert [e["event"] for e in events] == ["begin", "begin", "end"], events
    begin, end = events[1], events[2]
    assert begin["kind"] == "imbalance" and begin["machine"] == "pump", begin
    assert "pump-vib.vel_rms_x" in begin["points"], begin
    assert end["at_us"] - begin["at_us"] == 1000000, "60 simulated seconds at speed 60"
    print("ok events")


def read_row(port):
    """One poll of the whole block over its own connection: values, or the exception."""
    client = tcp_client(port)
    answer = call(client.read_holding_registers, 0, 4, 1)
    client.close()
    if answer.isError():
        return answer.exception_code
    r = answer.registers
    return as_float(r[0], r[1]), as_float(r[2], r[3])


def csv_tests(folder):
    with open(os.path.join(folder, "rows.csv"), "w") as f:
        f.write(CSV)
    before_us = time.time_ns() // 1000
    simulator = Simulator(folder, "--csv", "rows.csv", "--tcp", "0", "--log", "log")
    port = simulator.port("csv")
    # A master that goes away with half a request loses no row.
    with socket.create_connection(("127.0.0.1", port), timeout=3) as s:
        s.sendall(bytes([0, 1, 0, 0, 0, 6, 1, 3, 0, 0]))
    rows = [read_row(port) for _ in range(5)]
    counts = simulator.stop()
    expected = [struct.unpack("ff", struct.pack("ff", *row)) for row in
                ((1.5, -2.25), (3.5, 1e-3), (5.5, 7))]
    assert rows == expected + [6, 6], rows
    assert counts["rows"] == "3", counts
    log = [line.strip().split(";") for line in open(os.path.join(folder, "log"))]
    assert [row for row, _ in log] == ["0", "1", "2"], log
    times = [before_us] + [int(at) for _, at in log] + [time.time_ns() // 1000]
    assert times == sorted(times), times
    print("ok csv")


def error_tests(folder):
    def run(*args):
        return subprocess.run([BIN, "simulate", *args], cwd=folder, capture_output=True, text=True,
                              timeout=WAIT_S)
    with open(os.path.join(folder, "wrong.yaml"), "w") as f:
        f.write("version: 1\nbuses:\n  - {name: a, tcp: 70000}\n")
    wrong = run("wrong.yaml")
    assert wrong.returncode == 78, wrong
    assert "wrong.yaml:3: tcp: 70000 is not in 0 to 65535" in wrong.stderr, wrong.stderr
    assert run("none.yaml").returncode == 66
    assert run("--speed", "fast", "wrong.yaml").returncode == 64
    assert run("--csv", "rows.csv").returncode == 64
    assert run("--csv", "rows.csv", "--tcp", "0", "--columns", "z").returncode == 65
    assert run("--csv", "rows.csv", "--rtu", "rows.csv").returncode == 69, "a file is in the way"
    assert run("--help").returncode == 0
    print("ok errors")


def main():
    folder = tempfile.mkdtemp(prefix="mw-simulator-")
    try:
        scenario_tests(folder)
        csv_tests(folder)
        error_tests(folder)
    except Exception:
        traceback.print_exc()
        return 1
    finally:
        shutil.rmtree(folder)
    return 0


sys.exit(main())
