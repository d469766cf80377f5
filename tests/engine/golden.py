#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Golden models through every build of the engine's two files.

    golden.py PROGRAMS
"""
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
SHARED = pathlib.Path(os.environ.get("MW_SHARED", ROOT.parent / "shared"))
TINY = ROOT / "tests/golden/tiny"
VARIANTS = ["variant_full", "variant_dense", "variant_tiny"]
SIZES = {"one_layer": (3, 2), "per_channel": (5, 5), "per_tensor": (6, 6), "relu6_no_bias": (4, 4)}


def files():
    for name, sizes in SIZES.items():
        for rounding in ("double", "single"):
            yield (TINY / f"{name}.tflite", rounding, TINY / f"{name}.in.s8", TINY / f"{name}.{rounding}.s8",
                   *sizes)
    model, golden = SHARED / "models/ad01_int8.tflite", SHARED / "golden"
    if not model.exists():
        print(f"{model} is not there")
        return
    for rounding, name in (("double", ""), ("single", "_single_rounding")):
        yield (model, rounding, golden / "ad01_input_196x640.s8", golden / f"ad01_output_196x640{name}.s8",
               640, 640)


def main():
    program = pathlib.Path(sys.argv[1]) / "engine-golden"
    failed = 0
    for case in files():
        for variant in VARIANTS:
            done = subprocess.run([str(program), variant, *map(str, case)], text=True, check=False,
                                  capture_output=True)
            print(case[0].name, case[1], (done.stdout + done.stderr).strip())
            failed += done.returncode != 0
    return int(failed > 0)


sys.exit(main())
