#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The smallest build on a Cortex-M4: golden bytes, code, RAM and instructions, all of one object file.

Fails above CODE bytes of text, rodata and data, RAM bytes, or INSTRUCTIONS for an inference of
MLPerf Tiny's anomaly detection model.
"""
import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "kernels"))
import target as t  # noqa: E402

CODE, RAM, INSTRUCTIONS = 8192, 2000, 436000
N_RUNS = 8
GOLDEN = {"double": "ad01_output_196x640.s8", "single": "ad01_output_196x640_single_rounding.s8"}


def code(programs):
    """Bytes in flash: text, rodata and data of what size.c links."""
    out = t.subprocess.run(["arm-none-eabi-size", str(programs / "kernel-size")], text=True,
                           capture_output=True, check=True).stdout
    text, data, *_ = (int(n) for n in out.splitlines()[1].split()[:2])
    return text + data


def run(target, programs, rounding):
    folder = t.SHARED / "golden"
    out = target.run(programs / "kernel-tiny", "run", 0, N_RUNS, t.MODEL, rounding,
                     folder / "ad01_input_196x640.s8", folder / GOLDEN[rounding], 4)
    numbers = re.search(r"memory (\d+) packed (\d+) model (\d+)", out)
    instructions = t.number(r"times (\d+)", out) / N_RUNS
    return int(numbers.group(1)) + int(numbers.group(3)), instructions, out


def main():
    target = t.TARGETS["m4"]
    try:
        programs = target.build()
    except t.Skipped as missing:
        print(f"skipped: {missing}")
        return 77
    if not (programs / "kernel-size").exists():
        print("skipped: no python3 for the build of the two files")
        return 77
    n_code, failed = code(programs), False
    print(f"code {n_code} of {CODE}")
    failed |= n_code > CODE
    if not t.MODEL.exists():
        print(f"golden windows: {t.MODEL} is not there")
        return int(failed)
    for rounding in GOLDEN:
        ram, instructions, out = run(target, programs, rounding)
        print(out)
        print(f"{rounding}: ram {ram} of {RAM}, instructions {instructions:.0f}")
        failed |= ram > RAM or rounding == "double" and instructions > INSTRUCTIONS
    return int(failed)


sys.exit(main())
