# SPDX-License-Identifier: Apache-2.0
"""Operator by kernel by target: the same bytes everywhere. For each target
  - every kernel against the reference on random FULLY_CONNECTED layers and CONV_2D operators,
  - every kernel on the golden windows of MLPerf Tiny's anomaly detection model, TFLite Micro's and
    XNNPACK's bytes, where that model lies beside the repository,
  - every operator: a model with it, answers to random windows in both roundings, with each kernel,
    against the build machine's reference kernels,
  - a whole detector, frames to verdicts, likewise.

    matrix.py FOLDER_OF_NATIVE_PROGRAMS TARGET few|many
    matrix.py FOLDER_OF_NATIVE_PROGRAMS table [few|many]    all targets, as a table in Markdown
"""
import pathlib
import re
import sys
import tempfile

import target as t

SEED = 20250101
GOLDEN = {"double": "ad01_output_196x640.s8", "single": "ad01_output_196x640_single_rounding.s8"}
MODELS = t.ROOT / "tests" / "fuzz" / "corpus" / "tflite"
# What the models of the corpus (tests/golden/seeds.c) are for.
OPERATORS = {
    "op_branches": "FULLY_CONNECTED, ADD, SPLIT, CONCATENATION", "op_dense_wide": "FULLY_CONNECTED int16x8",
    "op_conv": "CONV_2D", "op_conv_groups": "CONV_2D, groups and dilation",
    "op_depthwise": "DEPTHWISE_CONV_2D", "op_transpose_conv": "TRANSPOSE_CONV",
    "op_average_pool": "AVERAGE_POOL_2D", "op_max_pool": "MAX_POOL_2D", "op_add": "ADD", "op_sub": "SUB",
    "op_mul": "MUL", "op_mean": "MEAN",
    "op_unary": "RELU, RELU6, LEAKY_RELU, LOGISTIC, TANH, SOFTMAX",
    "op_floats": "QUANTIZE, requantisation, DEQUANTIZE", "op_shapes": "RESHAPE, EXPAND_DIMS, SQUEEZE",
    "op_pads": "PAD, PADV2", "op_slice": "STRIDED_SLICE", "op_transpose": "TRANSPOSE",
    "op_resize": "RESIZE_NEAREST_NEIGHBOR", "conv_906": "conv1d autoencoder, transposed",
    "conv_upsample": "conv1d autoencoder, upsampling",
}


def each_kernel(target, programs):
    """CPU bits that make the engine choose each of the target's kernels in turn."""
    if target.cpu != "host":
        dsp = [t.DSP | t.NO_PACKED] if target.cpu & t.DSP else []
        return list(dict.fromkeys([target.cpu, *dsp, target.cpu & t.ROWS, 0]))
    out = target.run(programs / "kernel-equality", 0, 0, "host")
    bits = {"avx512-vnni": t.VNNI, "avx2": t.AVX2, "neon": t.NEON, "sdot": t.DOTPROD | t.NEON,
            "rows": t.ROWS, "reference": 0}
    return [bits[line.split(":")[0]] for line in out.splitlines()]


def random_operators(target, programs, many):
    """{(operator, kernel): layers with the same bytes}"""
    found = {}
    for program, operator, part in (("kernel-equality", "FULLY_CONNECTED", 1),
                                    ("kernel-convs", "CONV_2D", 10)):
        out = target.run(programs / program, target.layers[many] // part, SEED, target.cpu)
        print(out, end="")
        for name, n in re.findall(r"([\w-]+): (\d+) of", out):
            found[operator, name] = int(n)
    return found


def golden(target, programs, n_windows):
    """{kernel: windows}"""
    folder, found = t.SHARED / "golden", {}
    for bits in each_kernel(target, programs):
        for rounding, name in GOLDEN.items():
            out = target.run(programs / "kernel-engine", "run", bits, 0, t.MODEL, rounding,
                             folder / "ad01_input_196x640.s8", folder / name, n_windows)
            print(f"{rounding}: " + "; ".join(out.splitlines()[1:]))
            kernel = re.search(r"kernels ([\w-]+)", out).group(1)
            found[kernel] = found.get(kernel, 0) + n_windows
    return found


def digests(target, programs, native):
    """{model: kernels tried}; an answer that is not the reference's on this machine is a failure."""
    found = {}
    for name in OPERATORS:
        expected = native.run(native.engine, "digest", 0, MODELS / name).split("digest ")[1]
        kernels = each_kernel(target, programs)
        for bits in kernels:
            out = target.run(programs / "kernel-engine", "digest", bits, MODELS / name)
            if out.split("digest ")[1] != expected:
                raise RuntimeError(f"{name} with CPU bits {bits:#x}: other bytes than here")
        found[name] = len(kernels)
    print(f"operators: {len(found)} models, each with {len(kernels)} choices of kernels, the same bytes")
    return found


def detectors(target, programs, native):
    """A digest of what the default detector says of 100 frames, with each choice of kernels."""
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        native.run(native.engine.parent / "bench-models", folder)
        files = folder / "detector.tflite", folder / "frames.f32"

        def digest(where, program, bits):
            out = where.run(program, bits, 100, *files)
            return re.search(r"score [\d.]+ digest \w+", out).group(0)

        expected = digest(native, native.engine.parent / "kernel-detector", 0)
        for bits in each_kernel(target, programs):
            if digest(target, programs / "kernel-detector", bits) != expected:
                raise RuntimeError(f"the detector with CPU bits {bits:#x}: other verdicts than here")
    print(f"detector: {expected}, the same with each kernel")


def check(key, folder, many):
    target, native = t.TARGETS[key], t.TARGETS["native"]
    native.engine = pathlib.Path(folder) / "kernel-engine"
    programs = target.build(folder)
    print(f"== {key}")
    random = random_operators(target, programs, many)
    windows = {}
    if t.MODEL.exists():
        windows = golden(target, programs, 196 if many or key.startswith("native") else 4)
    else:
        print(f"golden windows: {t.MODEL} is not there")
    detectors(target, programs, native)
    return random, windows, digests(target, programs, native)


def table(folder, many):
    results, skipped = {}, []
    for key in t.TARGETS:
        try:
            results[key] = check(key, folder, many)
        except t.Skipped as missing:
            skipped.append(f"{key}: {missing}")
    print("\n| target | kernel | FULLY_CONNECTED layers | CONV_2D operators | golden windows |\n"
          "| --- | --- | --- | --- | --- |")
    for key, (random, windows, _) in results.items():
        for kernel in dict.fromkeys(name for _, name in random):
            counts = [random.get(("FULLY_CONNECTED", kernel), 0), random.get(("CONV_2D", kernel), 0),
                      windows.get(kernel, 0)]
            print(f"| {key} | {kernel} | " + " | ".join(f"{n:,}" for n in counts) + " |")
    print("\n| operators | " + " | ".join(results) + " |\n" + "| --- " * (len(results) + 1) + "|")
    for name, operators in OPERATORS.items():
        print(f"| {operators} | " + " | ".join(str(r[2][name]) for r in results.values()) + " |")
    print("\n".join(skipped))


def main():
    folder, name, size = (sys.argv[1:] + ["few"])[:3]
    try:
        if name == "table":
            table(folder, size == "many")
        else:
            for key in [k for k in t.TARGETS if k == name or k.startswith(name + "-")]:
                check(key, folder, size == "many")
    except t.Skipped as missing:
        print(f"skipped: {missing}")
        return 77
    except RuntimeError as failure:
        print(failure)
        return 1
    return 0


sys.exit(main())
