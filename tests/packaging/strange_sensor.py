#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A vibration sensor that the project has never seen, on pymodbus: Modbus TCP at unit 7, values over input
and holding registers, floats with the low word first, silence to every other unit. Its machine is well for a
while and then goes out of balance.

usage: strange_sensor.py HOST PORT SECONDS_WELL FILE   FILE: gets the Unix time of the fault, once it is there
"""
import math
import pathlib
import random
import struct
import sys
import threading
import time

from pymodbus.datastore import ModbusServerContext, ModbusSlaveContext, ModbusSparseDataBlock
from pymodbus.server import StartTcpServer

UNIT = 7
VELOCITY, ACCELERATION = 300, 302  # input registers on the wire
TEMPERATURE = 42                   # holding register
GROWS_S = 30                       # from well to where it stays
FAULT_MM_S = 5.8


def low_word_first(value):
    high, low = struct.unpack(">HH", struct.pack(">f", value))
    return [low, high]


def live(slave, well_s, fault_file):
    began, rng, temperature = time.monotonic(), random.Random(3), 41.0
    while True:
        age = time.monotonic() - began
        load = 0.9 + 0.1 * math.sin(age / 20)
        velocity = 1.9 * load + rng.gauss(0, 0.05)
        if age > well_s:
            if not fault_file.exists():
                fault_file.write_text(str(time.time()))
            velocity += (FAULT_MM_S - 1.9) * min(1.0, (age - well_s) / GROWS_S)
        temperature += 0.02 * (38 + 5 * load - temperature) + rng.gauss(0, 0.02)
        slave.setValues(4, VELOCITY, low_word_first(velocity)
                        + low_word_first(0.12 * velocity + rng.gauss(0, 0.004)))
        slave.setValues(3, TEMPERATURE, [round(temperature * 10) & 0xFFFF])
        time.sleep(0.2)


def main():
    host, port, well_s, fault_file = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), pathlib.Path(sys.argv[4])
    slave = ModbusSlaveContext(ir=ModbusSparseDataBlock({VELOCITY: [0] * 4}),
                               hr=ModbusSparseDataBlock({TEMPERATURE: [0]}),
                               co=ModbusSparseDataBlock({0: [0]}), di=ModbusSparseDataBlock({0: [0]}), zero_mode=True)
    threading.Thread(target=live, args=(slave, well_s, fault_file), daemon=True).start()
    StartTcpServer(context=ModbusServerContext(slaves={UNIT: slave}, single=False), address=(host, port),
                   ignore_missing_slaves=True, allow_reuse_address=True)


if __name__ == "__main__":
    main()
