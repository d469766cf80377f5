# SPDX-License-Identifier: Apache-2.0
"""cmake/module.cmake stops the configure step when a folder knows more than it may.

Each case is a scratch project of two folders, base and alarm, with one sin in it; configuring must
fail and name the file, the line and the reason. Without a sin it must succeed.
"""
import pathlib
import subprocess
import sys
import tempfile

MODULE = pathlib.Path(__file__).resolve().parents[2] / "cmake" / "module.cmake"

PROJECT = f"""cmake_minimum_required(VERSION 3.25)
project(scratch LANGUAGES C)
add_library(mw_flags INTERFACE)
add_library(mw::flags ALIAS mw_flags)
include("{MODULE}")
add_subdirectory(base)
add_subdirectory(alarm)
"""
FILES = {
    "CMakeLists.txt": PROJECT,
    "base/CMakeLists.txt": "mw_module(base FREESTANDING SOURCES a.c)\n",
    "base/a.c": '#include "base/a.h"\n#include <stdint.h>\nint mw_a(void) { return 1; }\n',
    "base/a.h": "int mw_a(void);\n",
    "alarm/CMakeLists.txt": "mw_module(alarm SOURCES b.c adapter.c DEPENDS base IN adapter.c)\n",
    "alarm/b.c": '#include "base/a.h"\nint b(void);\n/* a comment may say time() */\n'
                 "int b(void) { return mw_a(); }\n",
    "alarm/adapter.c": "#include <sqlite3.h>\nint c;\n",
}
SINS = [
    # file, line put on top of it, reason
    ("alarm/b.c", '#include "storage/db.h"', "may include only"),
    ("alarm/b.c", '#  include "base/deep/a.h"', "may include only"),
    ("base/a.h", '#include "alarm/b.h"', "may include only"),
    ("alarm/b.c", "#include <sqlite3.h>", "this library is seen only by: adapter.c"),
    ("base/a.c", "#include <stdlib.h>", "freestanding headers only"),
    ("base/a.c", "#include <math.h>", "freestanding headers only"),
    ("alarm/b.c", "static long now(void) { return time(0); }", "come in as arguments"),
    ("alarm/b.c", 'static void say(void) { printf("x"); }', "come in as arguments"),
]


def configure(files):
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        for name, text in files.items():
            path = root / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        done = subprocess.run(["cmake", "-G", "Ninja", "-S", root, "-B", root / "build"], capture_output=True,
                              text=True, timeout=120, check=False)
        return done.returncode, " ".join((done.stdout + done.stderr).split())


status, words = configure(FILES)
if status != 0:
    sys.exit(f"a project without a sin does not configure:\n{words}")
for file, line, reason in SINS:
    status, words = configure({**FILES, file: line + "\n" + FILES[file]})
    for needed in (file, " ".join(line.split()), reason):
        if status == 0 or needed not in words:
            sys.exit(f"{file}: '{line}' gives status {status} and does not say '{needed}':\n{words}")
    print("ok", file, line)
