#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The engine's two files on another processor, emulated: TFLite Micro's and XNNPACK's bytes on golden
windows of MLPerf Tiny's anomaly detection model.

    emulated.py TARGET
"""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "kernels"))
import target as t  # noqa: E402

N_WINDOWS = 4
GOLDEN = {"double": "ad01_output_196x640.s8", "single": "ad01_output_196x640_single_rounding.s8"}


def main():
    name = sys.argv[1]
    folder = t.SHARED / "golden"
    if not t.MODEL.exists():
        print(f"skipped: {t.MODEL} is not there")
        return 77
    try:
        for key in (k for k in t.TARGETS if k == name or k.startswith(name + "-")):
            target = t.TARGETS[key]
            programs = target.build()
            # For the reference and for what the processor has.
            for bits in (0, target.cpu):
                for rounding, output in GOLDEN.items():
                    out = target.run(programs / "kernel-files", "run", bits, 0, t.MODEL, rounding,
                                     folder / "ad01_input_196x640.s8", folder / output, N_WINDOWS)
                    print(f"{key} {bits} {rounding}: {'; '.join(out.splitlines())}")
    except t.Skipped as missing:
        print(f"skipped: {missing}")
        return 77
    except RuntimeError as failure:
        print(failure)
        return 1
    return 0


sys.exit(main())
