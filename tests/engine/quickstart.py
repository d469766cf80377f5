#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Follows docs/ENGINE-quickstart.md to the letter, in a folder of its own, and looks at what it prints.

    quickstart.py host|board
"""
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
TINY = ROOT / "tests/golden/tiny/per_tensor.double.s8"
NEEDED = {"host": ["cc"], "board": ["arm-none-eabi-gcc", "qemu-system-arm"]}


def blocks():
    page = (ROOT / "docs/ENGINE-quickstart.md").read_text(encoding="utf-8")
    return re.findall(r"^```sh\n(.*?)^```$", page, re.M | re.S)


def main():
    where = sys.argv[1]
    for program in NEEDED[where]:
        if not shutil.which(program):
            print(f"skipped: {program} is not installed")
            return 77
    files, model, host, board = blocks()
    with tempfile.TemporaryDirectory() as folder:
        out = ""
        for block in (files, model, host if where == "host" else board):
            done = subprocess.run(["sh", "-ec", block.replace("build/quickstart", folder)], cwd=ROOT,
                                  text=True, capture_output=True, check=False, timeout=250,
                                  stdin=subprocess.DEVNULL)
            out += done.stdout + done.stderr
            if done.returncode:
                sys.exit(f"{block}\n{out}")
    print(out)
    expected = [b - 256 if b > 127 else b for b in TINY.read_bytes()[:6]]
    line = "y " + " ".join(map(str, expected))
    if line not in out.splitlines():
        sys.exit(f"expected: {line}")
    return 0


sys.exit(main())
