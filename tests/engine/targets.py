# SPDX-License-Identifier: Apache-2.0
"""The processors for which the two files of the engine are compiled, and how."""
import pathlib
import shutil
import subprocess
import sys

WARNINGS = ["-std=c11", "-Wall", "-Wextra", "-pedantic", "-Werror"]
PROFILES = {"full": [], "tiny": ["-DMW_ENGINE_TINY"]}


def bare_arm(cpu, *flags):
    return ["arm-none-eabi-gcc", "-mthumb", f"-mcpu={cpu}", "-ffreestanding", *flags]


TARGETS = {
    "cortex-m0plus": bare_arm("cortex-m0plus"),
    "cortex-m4": bare_arm("cortex-m4"),
    "cortex-m33": bare_arm("cortex-m33"),
    "cortex-m55": bare_arm("cortex-m55", "-mfloat-abi=hard"),
    "rv32imc": ["riscv64-unknown-elf-gcc", "-march=rv32imc", "-mabi=ilp32", "-ffreestanding"],
    "armv7": ["arm-linux-gnueabihf-gcc", "-mfpu=neon"],
    "aarch64": ["aarch64-linux-gnu-gcc"],
    "aarch64-dotprod": ["aarch64-linux-gnu-gcc", "-march=armv8.2-a+dotprod"],
    "x86-64": ["gcc", "-march=x86-64"],
    "x86-64-avx2": ["gcc", "-march=x86-64-v3"],
    "x86-64-vnni": ["gcc", "-march=icelake-server"],
    "clang": ["clang"],
    "clang-avx2": ["clang", "-march=x86-64-v3"],
    "clang-cortex-m4": ["clang", "--target=arm-none-eabi", "-mcpu=cortex-m4", "-mthumb", "-ffreestanding"],
}


def command(target):
    """The compiler of a target; ends the test as skipped where it is absent."""
    words = TARGETS[target]
    if not shutil.which(words[0]):
        print(f"skipped: {words[0]} is not installed")
        sys.exit(77)
    if target.startswith("x86-64"):
        machine = subprocess.run([words[0], "-dumpmachine"], text=True, capture_output=True, check=True)
        if not machine.stdout.startswith("x86_64"):
            print(f"skipped: gcc is for {machine.stdout.strip()}")
            sys.exit(77)
    return words


def compile_engine(target, engine, out, *flags):
    """millwright_engine.c as an object file; ends the test where the compiler says a word."""
    words = [*command(target), *WARNINGS, *flags, "-c",
             str(pathlib.Path(engine).resolve() / "millwright_engine.c"), "-o", str(out)]
    done = subprocess.run(words, text=True, capture_output=True, check=False, cwd=pathlib.Path(out).parent)
    if done.returncode or done.stdout or done.stderr:
        sys.exit(f"{' '.join(words)}:\n{done.stdout}{done.stderr}")
