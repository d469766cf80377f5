# SPDX-License-Identifier: Apache-2.0
"""Writes frames.txt: replies of every device in fieldbus/profiles and what they mean.

It knows nothing of the profiles and none of the daemon's code: the devices' facts are stated once
more here, values are exact fractions, rounded once to a 32-bit float. Frames called "published"
are printed by a maker or a user of the device; the others are computed here from a fixed seed.

    python3 frames.py > frames.txt
"""
import random
import struct
from fractions import Fraction as F

import numpy

INSIDE = {"in/s": (F("25.4"), F(0)), "m/s2": (1 / F("9.80665"), F(0)), "kW": (F(1000), F(0))}

# name: (unit, function, word order, [(point, address, struct type, scale, wire unit, sentinel)])
DEVICES = {
    "abb-b23": (1, 3, "big", [
        ("voltage_l1", 23296, "I", "0.1", "V", 0xffffffff),
        ("current_l1", 23308, "I", "0.01", "A", 0xffffffff),
        ("current_l2", 23310, "I", "0.01", "A", 0xffffffff),
        ("current_l3", 23312, "I", "0.01", "A", 0xffffffff),
        ("power", 23316, "i", "0.01", "W", 0x7fffffff),
        ("frequency", 23340, "H", "0.01", "Hz", 0xffff),
        ("power_factor", 23354, "h", "0.001", "1", 0x7fff),
    ]),
    "amc-vibro-avm2000r": (1, 3, "big", [
        ("battery", 2040, "H", "1", "%"),
        ("temp", 2041, "h", "1", "degC"),
        ("ch1_acc_peak", 2049, "H", "0.001", "m/s2"),
        ("ch1_acc_rms", 2050, "H", "0.001", "m/s2"),
        ("ch1_kurtosis", 2051, "H", "1", "1"),
        ("ch1_vel_peak", 2052, "H", "1", "mm/s"),
        ("ch1_vel_rms", 2053, "H", "1", "mm/s"),
        ("ch1_vel_rms_iso", 2054, "H", "1", "mm/s"),
        ("ch1_env_pp", 2055, "H", "0.001", "m/s2"),
        ("ch1_env_rms", 2056, "H", "0.001", "m/s2"),
    ]),
    "banner-qm30vt2": (1, 3, "big", [
        ("vel_rms_z", 5201, "H", "0.001", "mm/s"),
        ("temp", 5203, "h", "0.01", "degC"),
        ("vel_rms_x", 5205, "H", "0.001", "mm/s"),
        ("acc_peak_z", 5206, "H", "0.001", "g"),
        ("acc_peak_x", 5207, "H", "0.001", "g"),
        ("freq_z", 5208, "H", "0.1", "Hz"),
        ("freq_x", 5209, "H", "0.1", "Hz"),
        ("acc_rms_z", 5210, "H", "0.001", "g"),
        ("acc_rms_x", 5211, "H", "0.001", "g"),
        ("kurtosis_z", 5212, "H", "0.001", "1"),
        ("kurtosis_x", 5213, "H", "0.001", "1"),
        ("crest_z", 5214, "H", "0.001", "1"),
        ("crest_x", 5215, "H", "0.001", "1"),
        ("vel_peak_z", 5217, "H", "0.001", "mm/s"),
        ("vel_peak_x", 5219, "H", "0.001", "mm/s"),
        ("acc_hf_rms_z", 5220, "H", "0.001", "g"),
        ("acc_hf_rms_x", 5221, "H", "0.001", "g"),
    ]),
    "banner-qm42vt1-via-dx80": (1, 3, "big", [
        ("vel_rms_z", 1, "H", "0.001", "mm/s"),
        ("temp", 3, "h", "0.05", "degC"),
        ("vel_rms_x", 5, "H", "0.001", "mm/s"),
    ]),
    "banner-qm42vt2": (1, 3, "big", [
        ("vel_rms_z", 5201, "H", "0.001", "mm/s"),
        ("temp", 5203, "h", "0.01", "degC"),
        ("vel_rms_x", 5205, "H", "0.001", "mm/s"),
        ("acc_peak_z", 5206, "H", "0.001", "g"),
        ("acc_peak_x", 5207, "H", "0.001", "g"),
        ("freq_z", 5208, "H", "0.1", "Hz"),
        ("freq_x", 5209, "H", "0.1", "Hz"),
        ("acc_rms_z", 5210, "H", "0.001", "g"),
        ("acc_rms_x", 5211, "H", "0.001", "g"),
        ("kurtosis_z", 5212, "H", "0.001", "1"),
        ("kurtosis_x", 5213, "H", "0.001", "1"),
        ("crest_z", 5214, "H", "0.001", "1"),
        ("crest_x", 5215, "H", "0.001", "1"),
        ("vel_peak_z", 5217, "H", "0.001", "mm/s"),
        ("vel_peak_x", 5219, "H", "0.001", "mm/s"),
        ("acc_hf_rms_z", 5220, "H", "0.001", "g"),
        ("acc_hf_rms_x", 5221, "H", "0.001", "g"),
    ]),
    "bestsens-bemos": (1, 4, "little", [
        ("cage_speed", 2, "f", "1", "rpm"),
        ("shaft_speed", 4, "f", "1", "rpm"),
        ("temp", 6, "f", "1", "degC"),
        ("noise_level", 8, "f", "1", "1"),
        ("mean_runtime", 10, "f", "1", "ns"),
        ("mean_amplitude", 12, "f", "1", "V"),
        ("rms_runtime", 14, "f", "1", "ns"),
        ("rms_amplitude", 16, "f", "1", "V"),
        ("temp_x1", 18, "f", "1", "degC"),
        ("temp_x2", 20, "f", "1", "degC"),
        ("contact_angle", 22, "f", "1", "deg"),
    ]),
    "carlogavazzi-em111": (1, 3, "little", [
        ("voltage_l1", 0, "i", "0.1", "V"),
        ("current_l1", 2, "i", "0.001", "A"),
        ("power", 4, "i", "0.1", "W"),
        ("frequency", 15, "H", "0.1", "Hz"),
        ("energy_import", 16, "i", "0.1", "kWh"),
        ("energy_export", 32, "i", "0.1", "kWh"),
    ]),
    "carlogavazzi-em340": (1, 4, "little", [
        ("voltage_l1", 0, "i", "0.1", "V"),
        ("current_l1", 12, "i", "0.001", "A"),
        ("current_l2", 14, "i", "0.001", "A"),
        ("current_l3", 16, "i", "0.001", "A"),
        ("power_l1", 18, "i", "0.1", "W"),
        ("power", 40, "i", "0.1", "W"),
        ("power_factor", 49, "h", "0.001", "1"),
        ("frequency", 51, "h", "0.1", "Hz"),
    ]),
    "eastron-sdm120": (1, 4, "big", [
        ("voltage_l1", 0, "f", "1", "V"),
        ("current_l1", 6, "f", "1", "A"),
        ("power", 12, "f", "1", "W"),
        ("power_factor", 30, "f", "1", "1"),
        ("frequency", 70, "f", "1", "Hz"),
    ]),
    "eastron-sdm630": (1, 4, "big", [
        ("voltage_l1", 0, "f", "1", "V"),
        ("current_l1", 6, "f", "1", "A"),
        ("current_l2", 8, "f", "1", "A"),
        ("current_l3", 10, "f", "1", "A"),
        ("power_l1", 12, "f", "1", "W"),
        ("power", 52, "f", "1", "W"),
        ("power_factor", 62, "f", "1", "1"),
        ("frequency", 70, "f", "1", "Hz"),
        ("thd_u_l1", 234, "f", "1", "%"),
    ]),
    "eletechsup-r4dcb08": (1, 3, "big", [
        ("temp_1", 0, "h", "0.1", "degC", 0x8000),
        ("temp_2", 1, "h", "0.1", "degC", 0x8000),
        ("temp_3", 2, "h", "0.1", "degC", 0x8000),
        ("temp_4", 3, "h", "0.1", "degC", 0x8000),
        ("temp_5", 4, "h", "0.1", "degC", 0x8000),
        ("temp_6", 5, "h", "0.1", "degC", 0x8000),
        ("temp_7", 6, "h", "0.1", "degC", 0x8000),
        ("temp_8", 7, "h", "0.1", "degC", 0x8000),
    ]),
    "eltako-dsz15": (1, 4, "big", [
        ("voltage_l1", 0, "I", "0.01", "V"),
        ("current_l1", 6, "I", "0.01", "A"),
        ("current_l2", 8, "I", "0.01", "A"),
        ("current_l3", 10, "I", "0.01", "A"),
        ("power", 52, "i", "1", "W"),
        ("power_factor", 62, "i", "0.001", "1"),
    ]),
    "machinesaver-trivibe": (1, 3, "big", [
        ("minutes_on", 5, "H", "1", "min"),
        ("acc_rms_1", 172, "f", "1", "g"),
        ("acc_rms_2", 174, "f", "1", "g"),
        ("acc_rms_3", 176, "f", "1", "g"),
        ("vel_rms_1", 178, "f", "1", "in/s"),
        ("vel_rms_2", 180, "f", "1", "in/s"),
        ("vel_rms_3", 182, "f", "1", "in/s"),
    ]),
    "renke-rs-wz3": (1, 3, "big", [
        ("temp", 0, "h", "0.1", "degC"),
        ("vel_x", 1, "H", "0.1", "mm/s"),
        ("vel_y", 2, "H", "0.1", "mm/s"),
        ("vel_z", 3, "H", "0.1", "mm/s"),
        ("disp_x", 4, "H", "0.1", "um"),
        ("disp_y", 5, "H", "0.1", "um"),
        ("disp_z", 6, "H", "0.1", "um"),
        ("acc_x", 10, "h", "0.1", "m/s2"),
        ("acc_y", 11, "h", "0.1", "m/s2"),
        ("acc_z", 12, "h", "0.1", "m/s2"),
    ]),
    "schneider-iem3000": (1, 3, "big", [
        ("current_l1", 2999, "f", "1", "A"),
        ("current_l2", 3001, "f", "1", "A"),
        ("current_l3", 3003, "f", "1", "A"),
        ("voltage_ln", 3035, "f", "1", "V"),
        ("power", 3059, "f", "1", "kW"),
        ("frequency", 3109, "f", "1", "Hz"),
    ]),
    "witmotion-wtvb01-485": (80, 3, "big", [
        ("acc_x", 52, "h", "0.00048828125", "g"),
        ("acc_y", 53, "h", "0.00048828125", "g"),
        ("acc_z", 54, "h", "0.00048828125", "g"),
        ("vel_x", 58, "H", "0.01", "mm/s"),
        ("vel_y", 59, "H", "0.01", "mm/s"),
        ("vel_z", 60, "H", "0.01", "mm/s"),
        ("temp", 64, "h", "0.01", "degC"),
        ("disp_x", 65, "H", "1", "um"),
        ("disp_y", 66, "H", "1", "um"),
        ("disp_z", 67, "H", "1", "um"),
        ("freq_x", 68, "H", "0.1", "Hz"),
        ("freq_y", 69, "H", "0.1", "Hz"),
        ("freq_z", 70, "H", "0.1", "Hz"),
    ]),
    "witmotion-wtvb02-485": (80, 3, "big", [
        ("vel_peak_x", 58, "H", "0.01", "mm/s"),
        ("vel_peak_y", 59, "H", "0.01", "mm/s"),
        ("vel_peak_z", 60, "H", "0.01", "mm/s"),
        ("temp", 64, "h", "0.01", "degC"),
        ("disp_x", 65, "H", "1", "um"),
        ("disp_y", 66, "H", "1", "um"),
        ("disp_z", 67, "H", "1", "um"),
        ("freq_x", 68, "H", "0.1", "Hz"),
        ("freq_y", 69, "H", "0.1", "Hz"),
        ("freq_z", 70, "H", "0.1", "Hz"),
        ("vel_rms_x", 80, "H", "0.001", "mm/s"),
        ("vel_rms_y", 92, "H", "0.001", "mm/s"),
        ("vel_rms_z", 104, "H", "0.001", "mm/s"),
    ]),
    "xy-md02": (1, 4, "big", [
        ("temp", 1, "h", "0.1", "degC"),
        ("humidity", 2, "h", "0.1", "%RH"),
    ]),
}

# The published readings: raw values the manual (WTVB01-485, 10.4.6) explains.
READINGS = {("witmotion-wtvb01-485", "acc_z"): 1988, ("witmotion-wtvb01-485", "vel_x"): 2010,
            ("witmotion-wtvb01-485", "temp"): 2417, ("witmotion-wtvb01-485", "freq_x"): 619}

# Profile, address offset, request address, reply: m.tradetang.com/info/9525.html.
PUBLISHED = [("banner-qm42vt1-via-dx80", 16, 0,
              "01 03 0C 00 2E 00 6C 06 25 02 06 00 47 00 B6 BD F3")]


def crc(frame):
    """Modbus over Serial Line V1.02, 6.2.2."""
    value = 0xFFFF
    for byte in frame:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0xA001 if value & 1 else 0)
    return struct.pack("<H", value)


def size(kind):
    return struct.calcsize(">" + kind) // 2


def words(kind, order, raw):
    found = list(struct.unpack(f">{size(kind)}H", struct.pack(">" + kind, raw)))
    return found if order == "big" else found[::-1]


def unpack(kind, order, registers):
    found = registers if order == "big" else registers[::-1]
    return struct.unpack(">" + kind, struct.pack(f">{len(found)}H", *found))[0]


def meaning(point, raw):
    _, _, _, scale, unit, *_ = point
    factor, offset = INSIDE.get(unit, (F(1), F(0)))
    value = numpy.float32(float(F(raw) * F(scale) * factor + offset))
    return f"{float(value):.9g}"


def draw(chance, kind):
    """A raw value such as a device sends: signs and the upper half of the range appear."""
    if kind == "f":
        return struct.unpack(">f", struct.pack(">f", chance.uniform(-500, 5000)))[0]
    if kind.isupper():
        return chance.randrange(1, 0xFFF0 if kind == "H" else 4_000_000_000)
    return chance.randrange(-30000, 30000) if kind == "h" else chance.randrange(-2**31 + 1, 2**31 - 1)


def blocks(points):
    """Points that one request of at most 40 registers, with holes of at most 8, reads."""
    groups = []
    for point in sorted(points, key=lambda p: p[1]):
        end = point[1] + size(point[2])
        if groups and point[1] - groups[-1][1] <= 8 and end - groups[-1][0] <= 40:
            groups[-1][1] = end
            groups[-1][2].append(point)
        else:
            groups.append([point[1], end, [point]])
    return groups


def say(name, offset, origin, address, count, frame, values):
    print(f"frame {name} {offset} {origin} {address} {count} {frame.hex()}")
    for point, value in values:
        print(f"value {point} {value}")


def reply(unit, function, registers):
    body = bytes([unit, function, 2 * len(registers)]) + struct.pack(f">{len(registers)}H", *registers)
    return body + crc(body)


def computed(name, chance, sentinels):
    unit, function, order, points = DEVICES[name]
    for start, end, group in blocks(points):
        if sentinels and not any(len(point) > 5 for point in group):
            continue
        registers = [chance.randrange(65536) for _ in range(end - start)]
        values = []
        for point in group:
            key, address, kind = point[:3]
            raw = READINGS.get((name, key), draw(chance, kind))
            if sentinels and len(point) > 5:
                raw = struct.unpack(">" + kind, point[5].to_bytes(2 * size(kind), "big"))[0]
            registers[address - start:address - start + size(kind)] = words(kind, order, raw)
            values.append((key, "invalid" if sentinels and len(point) > 5 else meaning(point, raw)))
        say(name, 0, "computed", start, len(registers), reply(unit, function, registers), values)


def published(name, offset, address, text):
    frame = bytes.fromhex(text)
    assert crc(frame[:-2]) == frame[-2:]
    registers = list(struct.unpack(f">{frame[2] // 2}H", frame[3:-2]))
    _, _, order, points = DEVICES[name]
    values = [(p[0], meaning(p, unpack(p[2], order, registers[p[1] - address:][:size(p[2])])))
              for p in points]
    say(name, offset, "published", address + offset, len(registers), frame, values)


def main():
    print("# Written by frames.py: frame PROFILE ADDRESS_OFFSET ORIGIN ADDRESS COUNT RTU-REPLY")
    for one in PUBLISHED:
        published(*one)
    for name in DEVICES:
        chance = random.Random(name)
        computed(name, chance, False)
        computed(name, chance, True)


main()
