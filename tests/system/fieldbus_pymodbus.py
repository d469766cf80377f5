#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The poller against an independent implementation: pymodbus, over TCP, over a serial line made by
socat, and with RTU frames over TCP. Every type and word order is read and held against the value
that was written."""
import multiprocessing
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import fieldbus_peer as peer  # noqa: E402

try:
    from pymodbus.datastore import (ModbusSequentialDataBlock, ModbusServerContext,
                                    ModbusSlaveContext)
    from pymodbus.server import StartSerialServer, StartTcpServer
    from pymodbus.transaction import ModbusRtuFramer, ModbusSocketFramer
except ImportError as missing:
    print(f"skipped: {missing} (apt install python3-pymodbus python3-serial-asyncio)")
    sys.exit(77)


def context():
    slave = ModbusSlaveContext(
        hr=ModbusSequentialDataBlock(0, peer.registers()),
        ir=ModbusSequentialDataBlock(peer.INPUT_AT, [peer.INPUT]),
        co=ModbusSequentialDataBlock(0, [False] * peer.COIL_AT + [True]), zero_mode=True)
    return ModbusServerContext(slaves={peer.UNIT: slave}, single=False)


def serve_tcp(port, framer):
    StartTcpServer(context=context(), framer=framer, address=("127.0.0.1", port))


def serve_rtu(tty):
    # A pseudo-terminal has no parity, and pyserial insists on getting what it asked for.
    StartSerialServer(context=context(), framer=ModbusRtuFramer, port=tty, baudrate=19200,
                      parity="N", stopbits=1, timeout=0.02)


def over_tcp(probe, how, framer):
    port = peer.free_port()
    server = multiprocessing.Process(target=serve_tcp, args=(port, framer), daemon=True)
    server.start()
    try:
        peer.wait_until(lambda: peer.answers(port), "the TCP server")
        peer.check(how, probe, [how, "127.0.0.1", str(port)])
    finally:
        server.kill()


def over_rtu(probe):
    try:
        import serial_asyncio  # noqa: F401  (pymodbus's serial server needs it)
    except ImportError as missing:
        print(f"rtu skipped: {missing}")
        sys.exit(77)
    with peer.SerialLine() as line:
        server = multiprocessing.Process(target=serve_rtu, args=(line.theirs,), daemon=True)
        server.start()
        try:
            peer.check("rtu", probe, ["rtu", line.ours])
        finally:
            server.kill()


def main():
    probe = os.path.join(sys.argv[1], "..", "tests", "fieldbus_probe")
    over_tcp(probe, "tcp", ModbusSocketFramer)
    over_tcp(probe, "rtu_tcp", ModbusRtuFramer)
    over_rtu(probe)


if __name__ == "__main__":
    main()
