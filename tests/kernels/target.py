# SPDX-License-Identifier: Apache-2.0
"""The targets of the kernels: how each is built and how its programs are run.

A target is built by the CMake preset of its name into build/<name>; programs of Linux targets run
under qemu-user, bare ones under qemu-system with semihosting.
"""
import os
import pathlib
import re
import shutil
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
SHARED = pathlib.Path(os.environ.get("MW_SHARED", ROOT.parent / "shared"))
MODEL = SHARED / "models" / "ad01_int8.tflite"

# enum mw_cpu of inference/cpu.h
ROWS, AVX2, VNNI, NEON, DOTPROD, DSP, MVE = (1 << i for i in range(7))
NO_PACKED = 1 << 31  # of kernel-engine: no memory for packed weights


class Skipped(Exception):
    """Something that is not installed here; the text names it."""


class Target:
    def __init__(self, preset, compiler, qemu, cpu, layers, counted_by=None):
        self.preset, self.compiler, self.qemu = preset, compiler, qemu
        self.cpu = cpu            # kernels' bits, the best one first
        self.layers = layers      # of the equality test: few, many
        self.counted_by = counted_by

    def build(self, bin_dir=None, variant=()):
        """The folder with this target's kernel-equality and kernel-engine."""
        if self.preset == "native":
            return pathlib.Path(bin_dir)
        for program in (self.compiler, self.qemu[0]):
            if not shutil.which(program):
                raise Skipped(f"{program} is not installed")
        folder = ROOT / "build" / self.preset
        if "arm-none" in self.compiler or "riscv" in self.compiler:
            specs = "rdimon.specs" if "arm-none" in self.compiler else "picolibc.specs"
            found = subprocess.run([self.compiler, f"-print-file-name={specs}"], text=True,
                                   capture_output=True, check=True).stdout.strip()
            if found == specs:
                raise Skipped(f"{self.compiler} has no {specs}")
        for command in (["cmake", "--preset", self.preset, *variant],
                        ["cmake", "--build", str(folder), "-j2"]):
            done = subprocess.run(command, cwd=ROOT, text=True, capture_output=True, check=False)
            if done.returncode:
                raise RuntimeError(f"{' '.join(command)}:\n{done.stdout}{done.stderr}")
        return folder / "tests"

    def command(self, program, *args):
        """The command line that runs a program of this target."""
        args = [str(a) for a in args]
        if not self.qemu:
            return [str(program), *args]
        if "system" not in self.qemu[0]:
            return [*self.qemu, str(program), *args]
        words = ",".join(f"arg={a}" for a in [program, *args])
        return [*self.qemu, "-nographic", "-monitor", "none", "-serial", "none", "-icount", "shift=0",
                "-semihosting-config", f"enable=on,target=native,{words}", "-kernel", str(program)]

    def run(self, program, *args, timeout=3000):
        done = subprocess.run(self.command(program, *args), text=True, capture_output=True,
                              check=False, timeout=timeout, stdin=subprocess.DEVNULL)
        if done.returncode:
            raise RuntimeError(f"{program.name} {' '.join(map(str, args))}: status "
                               f"{done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout + done.stderr


def arm(machine, cpu=None):
    return ["qemu-system-arm", "-M", machine] + (["-cpu", cpu] if cpu else [])


AARCH64, ARMHF = "aarch64-linux-gnu-gcc", "arm-linux-gnueabihf-gcc"
BARE_ARM, RISCV = "arm-none-eabi-gcc", "riscv64-unknown-elf-gcc"

TARGETS = {
    "native": Target("native", "cc", [], "host", (20000, 1000000)),
    "arm64": Target("arm64", AARCH64, ["qemu-aarch64", "-cpu", "cortex-a53"], "host",
                    (5000, 1000000), "plugin"),
    "arm64-a76": Target("arm64", AARCH64, ["qemu-aarch64", "-cpu", "cortex-a76"], "host",
                        (5000, 1000000), "plugin"),
    "armhf": Target("armhf", ARMHF, ["qemu-arm", "-cpu", "cortex-a7"], "host", (5000, 1000000),
                    "plugin"),
    "m0": Target("m0", BARE_ARM, arm("mps2-an385"), ROWS, (2000, 1000000), "systick"),
    "m3": Target("m3", BARE_ARM, arm("mps2-an385"), ROWS, (2000, 1000000), "systick"),
    "m4": Target("m4", BARE_ARM, arm("mps2-an386"), DSP, (2000, 1000000), "systick"),
    "m7": Target("m7", BARE_ARM, arm("mps2-an500"), DSP, (2000, 1000000), "systick"),
    "m33": Target("m33", BARE_ARM, arm("mps2-an505"), DSP, (2000, 1000000), "systick"),
    "m55": Target("m55", BARE_ARM, arm("mps3-an547"), ROWS | MVE, (2000, 1000000), "systick"),
    "rv32": Target("rv32", RISCV, ["qemu-system-riscv32", "-M", "virt", "-bios", "none"], ROWS,
                   (2000, 1000000), "minstret"),
}


def number(pattern, text):
    found = re.search(pattern, text)
    if not found:
        raise RuntimeError(f"no {pattern!r} in:\n{text}")
    return int(found.group(1))
