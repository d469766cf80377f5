#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The engine's two files on one target: no warning in any profile, and nothing called but what the
header names.

    compile.py TARGET ENGINE_DIR
"""
import pathlib
import subprocess
import sys
import tempfile

import targets

BUILDS = ["-O0", "-std=gnu17 -Os", "-O2 -DNDEBUG", "-Os -DMW_ENGINE_NO_WORDS -DMW_ENGINE_ONE_KERNEL",
          "-Os -DNDEBUG -DMW_ENGINE_TINY"]
MEMORY = {"memcpy", "memmove", "memset", "memcmp"}
PUBLIC = {"mw_model_measure", "mw_model_init", "mw_model_dense", "mw_model_layer", "mw_model_run",
          "mw_model_run_traced", "mw_model_accelerate", "mw_model_packed_bytes", "mw_quantize_s8", "mw_dequantize_s8",
          "mw_result_text"}


def symbols(compiler, file, *flags):
    nm = compiler.replace("gcc", "nm") if compiler != "clang" else "nm"
    done = subprocess.run([nm, "-P", *flags, str(file)], text=True, capture_output=True, check=True)
    return {line.split()[0] for line in done.stdout.splitlines()}


def check_symbols(target, file, what):
    compiler = targets.TARGETS[target][0]
    # Names with two underscores are the compiler's own: 64-bit division, floating point.
    called = {s for s in symbols(compiler, file, "--undefined-only") if not s.startswith("__")}
    if called - MEMORY - {"bcmp"} or "bcmp" in called and "clang" not in target:
        sys.exit(f"{what}: calls {sorted(called - MEMORY)}")
    offered = symbols(compiler, file, "--extern-only", "--defined-only")
    if offered != PUBLIC:
        sys.exit(f"{what}: offers {sorted(offered ^ PUBLIC)} besides or less")


def main():
    target, engine = sys.argv[1], sys.argv[2]
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder) / "engine.o"
        for build in BUILDS:
            targets.compile_engine(target, engine, out, *build.split())
            check_symbols(target, out, f"{target} {build}")
    print(f"{target}: {len(BUILDS)} builds without a warning")


main()
