# SPDX-License-Identifier: Apache-2.0
"""The freestanding libraries ask for nothing but what a bare target has.

The include check reads lines and can be fooled by a macro; what the compiler left undefined
cannot. Every undefined symbol of libmw_base.a and libmw_inference.a must be defined in them, or
stand on the list below.
"""
import pathlib
import re
import subprocess
import sys
import tempfile

BUILD = pathlib.Path(sys.argv[1]).resolve().parent
LIBRARIES = [BUILD / "base" / "libmw_base.a", BUILD / "inference" / "libmw_inference.a"]

ALLOWED = re.compile("|".join([
    r"mem(cpy|move|set|cmp|chr)", r"strlen|strn?cmp",
    r"__mem(cpy|move|set)_chk|__stack_chk_fail|__stack_chk_guard",  # hardening
    r"__assert_fail|_GLOBAL_OFFSET_TABLE_",
    r"__(aeabi|aarch64)_\w+",  # libgcc: division on 32-bit Arm, atomics on either side of Armv8.1
    # what sanitizers and coverage put in
    r"__(asan|ubsan|tsan|msan|lsan|sanitizer|sancov|gcov|llvm)_\w+",
]))


def symbols(library, defined):
    out = subprocess.run(["nm", "--defined-only" if defined else "-u", "--format=posix", library],
                         capture_output=True, text=True, check=True).stdout
    return {line.split()[0] for line in out.splitlines()
            if len(line.split()) > 1 and not line.endswith(":")}


def strangers(libraries):
    """The undefined symbols that nobody here has and nobody may want."""
    own = set().union(*(symbols(library, True) for library in libraries))
    wanted = {(library.name, symbol) for library in libraries
              for symbol in symbols(library, False)}
    return sorted((name, symbol) for name, symbol in wanted
                  if not (symbol.startswith("mw_") and symbol in own)
                  and not ALLOWED.fullmatch(symbol))


def the_check_itself_sees_a_stranger():
    with tempfile.TemporaryDirectory() as folder:
        source, made = pathlib.Path(folder) / "s.c", pathlib.Path(folder) / "s.o"
        source.write_text("void *malloc(unsigned long n); double sqrt(double x);\n"
                          "double f(double x) { return malloc(3) ? sqrt(x) : mw_none(); }\n")
        subprocess.run(["cc", "-fno-builtin", "-Wno-implicit-function-declaration", "-c", source,
                        "-o", made], check=True)
        seen = [symbol for _, symbol in strangers([made])]
        if seen != ["malloc", "mw_none", "sqrt"]:
            sys.exit(f"the check would see only {seen}")


def main():
    the_check_itself_sees_a_stranger()
    for library in LIBRARIES:
        if not any(s.startswith("mw_") for s in symbols(library, True)):
            sys.exit(f"{library} defines nothing of ours")
    found = strangers(LIBRARIES)
    for name, symbol in found:
        print(f"{name}: wants {symbol}, which a freestanding target does not have")
    return 1 if found else 0


sys.exit(main())
