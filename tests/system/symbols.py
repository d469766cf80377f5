# SPDX-License-Identifier: Apache-2.0
"""The freestanding libraries ask for nothing but what a bare target has.

The include check reads lines and can be fooled by a macro; what the compiler left undefined
cannot. Every undefined symbol of libmw_base.a and libmw_inference.a must be defined in them, or
stand on the list below.

Programs that talk to a broker are asked by their libraries for recv and SSL_read (uplink/paho_tap.h); no other is.
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


def programs():
    for folder in ("bin", "tests"):
        for path in sorted((BUILD / folder).iterdir()):
            if path.is_file() and path.open("rb").read(4) == b"\x7fELF" and path.suffix != ".so":
                yield path


def names(path, *options):
    out = subprocess.run(["nm", "--format=posix", "--defined-only", *options, path], capture_output=True, text=True,
                         check=True).stdout
    return {line.split()[0]: line.split()[1] for line in out.splitlines()}


def taps():
    """A program has the tap where it has the broker, and its libraries can see it; a sanitizer's recv is a weak one."""
    n_with = 0
    for path in programs():
        if path.name == "test-unit-uplink-paho_tap":  # takes the place of the libraries
            continue
        own = names(path)
        with_broker, with_tap = "paho_broker_create" in own, "paho_tap_begin" in own
        if with_broker != with_tap:
            yield f"{path.name}: {'no tap' if with_broker else 'a tap without a broker'}"
        n_with += with_tap
        seen = names(path, "-D") if with_tap else {}
        yield from (f"{path.name}: no library sees its {name}" for name in ("recv", "SSL_read")
                    if with_tap and seen.get(name) != "T")
    if n_with < 3:
        yield f"only {n_with} programs with a tap: millwrightd, millwright and uplink-driver have one"


def main():
    the_check_itself_sees_a_stranger()
    for library in LIBRARIES:
        if not any(s.startswith("mw_") for s in symbols(library, True)):
            sys.exit(f"{library} defines nothing of ours")
    found = strangers(LIBRARIES)
    for name, symbol in found:
        print(f"{name}: wants {symbol}, which a freestanding target does not have")
    wrong = list(taps())
    for line in wrong:
        print(line)
    return 1 if found or wrong else 0


sys.exit(main())
