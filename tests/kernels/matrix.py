# SPDX-License-Identifier: Apache-2.0
"""Kernel by target: the reference's bytes on random layers, and TFLite Micro's and XNNPACK's on
the golden windows of MLPerf Tiny's anomaly detection model, where that lies beside the repository.

    matrix.py FOLDER_OF_NATIVE_PROGRAMS TARGET few|many
"""
import sys

import target as t

SEED = 20250101
GOLDEN = {"double": "ad01_output_196x640.s8", "single": "ad01_output_196x640_single_rounding.s8"}


def each_kernel(target, programs):
    """CPU bits that make the engine choose each of the target's kernels in turn."""
    if target.cpu != "host":
        dsp = [t.DSP | t.NO_PACKED] if target.cpu & t.DSP else []
        return list(dict.fromkeys([target.cpu, *dsp, target.cpu & t.ROWS, 0]))
    out = target.run(programs / "kernel-equality", 0, 0, "host")
    bits = {"avx512-vnni": t.VNNI, "avx2": t.AVX2, "neon": t.NEON, "sdot": t.DOTPROD | t.NEON,
            "rows": t.ROWS, "reference": 0}
    return [bits[line.split(":")[0]] for line in out.splitlines()]


def golden(target, programs, n_windows):
    folder = t.SHARED / "golden"
    for bits in each_kernel(target, programs):
        for rounding, name in GOLDEN.items():
            out = target.run(programs / "kernel-engine", "run", bits, 0, t.MODEL, rounding,
                             folder / "ad01_input_196x640.s8", folder / name, n_windows)
            print(f"{rounding}: " + "; ".join(out.splitlines()[1:]))


def main():
    name, many = sys.argv[2], sys.argv[3] == "many"
    targets = [k for k in t.TARGETS if k == name or k.startswith(name + "-")]
    try:
        for key in targets:
            target = t.TARGETS[key]
            programs = target.build(sys.argv[1])
            print(f"== {key}")
            print(target.run(programs / "kernel-equality", target.layers[many], SEED, target.cpu))
            print(target.run(programs / "kernel-convs", target.layers[many] // 10, SEED, target.cpu))
            if t.MODEL.exists():
                golden(target, programs, 196 if many or name == "native" else 4)
            else:
                print(f"golden windows: {t.MODEL} is not there")
    except t.Skipped as missing:
        print(f"skipped: {missing}")
        return 77
    except RuntimeError as failure:
        print(failure)
        return 1
    return 0


sys.exit(main())
