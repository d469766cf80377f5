#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The engine's worst-case stack, from the compiler's own figures over the call graph.

    stack.py TARGET ENGINE_DIR [STATED]

Each function's frame and each call come from GCC (-fcallgraph-info=su). A call through a pointer
may reach every function of the pointer's type. What the engine does not hold itself (memcpy, the
compiler's arithmetic) counts as 64 bytes. Prints `target profile entry bytes`; with STATED, the
file inference/stack.txt, fails where a figure is greater than stated there.
"""
import functools
import pathlib
import re
import subprocess
import sys
import tempfile

import targets

EXTERNAL = 64
ENTRIES = {"load": ("mw_model_measure", "mw_model_init"),
           "choose": ("mw_model_packed_bytes", "mw_model_accelerate"),
           "run": ("mw_model_run",)}
REGISTERS = re.compile(r"push \{([^}]*)\}")


def parameters(text):
    """Types of a parameter list, without names and qualifiers of the parameters themselves."""
    types = []
    for parameter in re.sub(r"\s+", " ", text).split(","):
        parameter = re.sub(r"__attribute__\(\(\w+\)\)", "", parameter)
        array = "[" in parameter
        parameter = re.sub(r"\[[^]]*\]", "", parameter).strip()
        name = re.fullmatch(r"(.*?[ *])(\w+)", parameter)
        kind = name.group(1) if name else parameter
        types.append(kind.replace(" *", "*").strip() + ("*" if array else ""))
    return tuple(types)


class Source:
    """What the C text says of pointers to functions."""

    def __init__(self, engine):
        texts = [(engine / f"millwright_engine.{kind}").read_text(encoding="utf-8") for kind in "hc"]
        text = re.sub(r"/\*.*?\*/", lambda m: "\n" * m.group(0).count("\n"), texts[1], flags=re.S)
        self.lines = texts[1].split("\n")
        self.functions, self.pointers, self.naked = {}, {}, {}
        for name, types in re.findall(r"^[a-zA-Z_][^;={}]*?\b(\w+)\(([^;{}]*)\)\n\{", text, re.M):
            self.functions.setdefault(name, parameters(types))
        for name, types in re.findall(r"\(\*(\w+)\)\(([^()]*)\)", texts[0] + text):
            self.pointers.setdefault(name, set()).add(parameters(types))
        for name, body in re.findall(r"naked[^;{]*?\b(\w+)\([^;{]*\)\n\{(.*?)\n\}", text, re.S):
            self.naked[name] = sum(self.pushed(r) for r in REGISTERS.findall(body))

    @staticmethod
    def pushed(registers):
        n = 0
        for one in registers.split(","):
            low, _, high = one.strip().partition("-")
            n += int(high[1:]) - int(low[1:]) + 1 if high else 1
        return 4 * n

    def reached(self, place):
        """Functions that a call through a pointer at FILE:LINE:COLUMN may reach."""
        _, line, column = place.rsplit(":", 2)
        text = "\n".join(self.lines[int(line) - 1:int(line) + 3])[int(column) - 1:]
        name, n = re.match(r"[\w>.\-\[\]]*?(\w+)\(", text).group(1), 1
        depth = 0
        for c in text[text.index("("):]:
            depth += (c in "([") - (c in ")]")
            n += c == "," and depth == 1
            if depth == 0:
                break
        kinds = {k for k in self.pointers[name] if len(k) == n}
        return {f for f, types in self.functions.items() if types in kinds}


def bare(name):
    """A function's name in the source: without file and what the compiler made of it."""
    return name.rsplit(":", 1)[-1].split(".")[0]


class Graph:
    def __init__(self, text, source):
        self.frames, self.calls, self.source = {}, {}, source
        for title, label in re.findall(r'node: \{ title: "([^"]*)" label: "([^"]*)"', text):
            frame = re.search(r"(\d+) bytes \(([\w,]+)", label)
            if frame and frame.group(2) not in ("static", "dynamic,bounded"):
                sys.exit(f"{title}: a frame of no fixed size")
            self.frames[title] = int(frame.group(1)) if frame else EXTERNAL
            if frame and bare(title) in source.naked:
                self.frames[title] = source.naked[bare(title)]
        for caller, called, label in re.findall(
                r'edge: \{ sourcename: "([^"]*)" targetname: "([^"]*)"(?: label: "([^"]*)")?', text):
            self.calls.setdefault(caller, set()).update(
                self.indirect(label) if called == "__indirect_call" else {called})

    def indirect(self, place):
        names = self.source.reached(place)
        return {title for title in self.frames if bare(title) in names} - {"__indirect_call"}

    @functools.lru_cache(maxsize=None)
    def deepest(self, title, above=()):
        """Bytes, and the chain of calls."""
        if title in above:
            sys.exit(f"recursion: {' '.join(above)} {title}")
        below = max((self.deepest(t, (*above, title)) for t in self.calls.get(title, ())),
                    default=(0, ()))
        return self.frames[title] + below[0], (bare(title), *below[1])


def measure(target, engine, profile):
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder) / "engine.o"
        targets.compile_engine(target, engine, out, "-O2", "-DNDEBUG", "-fcallgraph-info=su",
                               *targets.PROFILES[profile])
        text = out.with_suffix(".ci").read_text(encoding="utf-8")
    graph = Graph(text, Source(engine))
    return {entry: max(graph.deepest(f) for f in functions if f in graph.frames)
            for entry, functions in ENTRIES.items()}


def main():
    target, engine = sys.argv[1], pathlib.Path(sys.argv[2])
    stated = {}
    if len(sys.argv) > 3:
        for line in pathlib.Path(sys.argv[3]).read_text(encoding="utf-8").splitlines():
            if line and not line.startswith("#"):
                *key, value = line.split()
                stated[tuple(key)] = int(value)
        version = subprocess.run([targets.command(target)[0], "-dumpversion"], text=True,
                                 capture_output=True, check=True).stdout.strip()
        if not version.startswith("12"):
            print(f"skipped: the figures are stated for GCC 12, this is {version}")
            return 77
    failed = False
    for profile in targets.PROFILES:
        for entry, (n, chain) in measure(target, engine, profile).items():
            limit = stated.get((target, profile, entry))
            print(f"{target} {profile} {entry} {n}", f"# {' > '.join(chain)}", sep="  ")
            if stated and (limit is None or n > limit):
                print(f"{target} {profile} {entry}: {n} bytes, stated are {limit}")
                failed = True
    return int(failed)


sys.exit(main())
