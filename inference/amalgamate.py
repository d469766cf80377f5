#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The engine as two files: millwright_engine.h and millwright_engine.c.

    amalgamate.py ROOT VERSION OUT_DIR --public HEADER... --sources FILE...

Run by the build. The same sources give the same bytes. What happens to them:

- Public headers become one header; every other header and all sources become one C file.
- What the public headers do not declare is static, so that a compiler sees the whole engine and
  drops what is not used.
- A name that two sources define for themselves gets its file's name in front; a source's macros end
  with it.
- No header of the C library is needed but those that every freestanding compiler has: memcpy and
  its sisters are called as __builtin_memcpy, assert is MW_ENGINE_ASSERT.
"""
import argparse
import collections
import pathlib
import re

TOKEN = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])+\'|(?:(?:\.|->)\s*)?\b[A-Za-z_]\w*',
                   re.S)
INCLUDE = re.compile(r'^#include (["<])([\w./]+)[">].*\n', re.M)
FREESTANDING = {"float.h", "limits.h", "stdbool.h", "stddef.h", "stdint.h"}
REPLACED = {"assert.h", "string.h"}
BUILTINS = ("memcmp", "memcpy", "memmove", "memset", "strlen")

# What GCC is told of a kernel that a processor may lack, as inference/CMakeLists.txt does for the
# library: the file compiles for the oldest processor, and the caller says what there is.
OPTIONS = {
    "dense_s8_avx2": ("__x86_64__", "avx2"),
    "dense_s8_vnni": ("__x86_64__", "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,"
                                    "prefer-vector-width=512"),
    "dense_s8_sdot": ("__aarch64__", "arch=armv8.2-a+dotprod"),
}

LICENCE = "/* SPDX-License-Identifier: Apache-2.0 */\n"

HEADER = LICENCE + """\
/* Millwright's engine, version {version}: runs int8 .tflite files on any processor that GCC or Clang has C11 for.
 * Made by inference/amalgamate.py of the Millwright source; do not edit, change the source.
 * How to use it: docs/ENGINE-quickstart.md. Which models it runs: docs/SPEC-model.md.
 *
 * No heap, no mutable globals, no output, no system call. It calls memcpy, memmove, memset and memcmp,
 * which a freestanding program must have, and the compiler's own arithmetic (libgcc: 64-bit division,
 * floating point where the processor has none). The same bytes on every processor.
 *
 * Worst-case stack in bytes, GCC 12 -O2 -DNDEBUG, computed over the call graph: load is mw_model_init,
 * choose mw_model_accelerate, run mw_model_run; to the right with MW_ENGINE_TINY.
{stack}
 *
 * For smaller builds define, when millwright_engine.c is compiled:
{switches} */
#ifndef MILLWRIGHT_ENGINE_H
#define MILLWRIGHT_ENGINE_H

#define MW_ENGINE_VERSION "{version}"

{includes}
#ifdef __cplusplus
extern "C" {{
#endif

{body}
#ifdef __cplusplus
}}
#endif

#endif
"""

SOURCE = LICENCE + """\
/* Millwright's engine, version {version}. Made by inference/amalgamate.py; see millwright_engine.h. */
#include "millwright_engine.h"

{includes}
/* Broken promises of the caller, while NDEBUG is not defined. */
#ifndef MW_ENGINE_ASSERT
#ifdef NDEBUG
#define MW_ENGINE_ASSERT(truth) ((void)0)
#else
#define MW_ENGINE_ASSERT(truth) ((truth) ? (void)0 : __builtin_trap())
#endif
#endif

/* GCC compiles a kernel's functions for a processor of their own; elsewhere the kernels are in that the
 * compiler's flags allow. */
#if defined(__GNUC__) && !defined(__clang__) && (defined(__x86_64__) || defined(__aarch64__))
#define MW_KERNEL_FLAGS
#ifdef __x86_64__
#include <immintrin.h> /* here, so that each function in it wants no more than it needs */
#endif
#endif

/* A build without some operators or words leaves some functions without use. */
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wunused-variable"
#pragma GCC diagnostic ignored "-Wunused-const-variable"

{body}"""


class Files:
    def __init__(self, root):
        self.root = root
        self.system = set()   # headers of the compiler
        self.done = set()

    def header(self, name):
        """A header's text after all that it includes, each once."""
        if name in self.done:
            return ""
        self.done.add(name)
        text = (self.root / name).read_text(encoding="utf-8")
        first = "".join(self.header(other) for quote, other in INCLUDE.findall(text) if quote == '"')
        return first + banner(name) + self.strip(unguarded(text))

    def source(self, name):
        text = (self.root / name).read_text(encoding="utf-8")
        return self.strip(text.removeprefix(LICENCE))

    def headers_of(self, name):
        text = (self.root / name).read_text(encoding="utf-8")
        return "".join(self.header(other) for quote, other in INCLUDE.findall(text) if quote == '"')

    def strip(self, text):
        """Without includes, but those of the compiler's instructions, which stand between #if."""
        def one(match):
            quote, name = match.groups()
            if quote == "<" and name in FREESTANDING:
                self.system.add(name)
                return ""
            return "" if quote == '"' or name in REPLACED else match.group(0)
        return re.sub(r"\n{3,}", "\n\n", INCLUDE.sub(one, text)).strip() + "\n"

    def includes(self):
        return "".join(f"#include <{name}>\n" for name in sorted(self.system))


def banner(name):
    return f"\n/* ---- {name} ---- */\n"


def unguarded(text):
    """A header without licence and include guard."""
    text = text.removeprefix(LICENCE)
    guard = re.search(r"^#ifndef (MW_\w+_H)\n#define \1\n", text, re.M)
    end = text.rindex("#endif")
    return text[:guard.start()] + text[guard.end():end]


def replace_names(text, names):
    """Identifiers by a table; not members, comments and strings."""
    def one(match):
        token = match.group(0)
        return names.get(token, token)
    return TOKEN.sub(one, text)


def own_names(text):
    """What a source defines at file scope for itself: functions, objects, tags, enumerators."""
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
    text = re.sub(r"__attribute__\(\(.*?\)\)\s*", "", text)
    names = re.findall(r"^static\b[^;={(]*?\b(\w+)\s*[\[(=;]", text, re.M)
    names += re.findall(r"^(?:struct|enum|union) (\w+) \{", text, re.M)
    for body in re.findall(r"^enum(?: \w+)? \{(.*?)\}", text, re.M | re.S):
        names += re.findall(r"\b([A-Za-z_]\w*)\b\s*(?:=[^,]*)?(?:,|$)", body.strip())
    return set(names) - {"static_assert"}


def macros(text):
    return sorted(set(re.findall(r"^#define (\w+)", text, re.M)))


def make_static(text, public):
    """Functions and objects of other files, which are all in this one now."""
    text = re.sub(r"^extern (const struct \w+ \w+;)", r"static \1", text, flags=re.M)
    text = re.sub(r"^(const struct mw_\w+ (mw_\w+) = )", r"static \1", text, flags=re.M)

    def one(match):
        return match.group(0) if match.group(1) in public else "static " + match.group(0)
    return re.sub(r"^(?!static|extern|typedef|return|else)[a-z]\w+(?: \w+)*[ *]+(mw_\w+)\(", one, text,
                  flags=re.M)


def functions(text):
    return set(re.findall(r"^[a-z][\w ]*[ *](mw_\w+)\(", text, re.M))


def one_file(name, text, clashes):
    stem = pathlib.Path(name).stem
    own = {n: f"{stem}_{n}" for n in own_names(text) & clashes}
    end = "".join(f"#undef {m}\n" for m in macros(text))
    text = replace_names(text, own) + ("\n" + end if end else "")
    if stem in OPTIONS:
        target, options = OPTIONS[stem]
        ours = f"#if defined(MW_KERNEL_FLAGS) && defined({target})\n"
        text = (f'{ours}#pragma GCC push_options\n#pragma GCC target("{options}")\n#endif\n{text}'
                f"{ours}#pragma GCC pop_options\n#endif\n")
    return banner(name) + text


def switches(root):
    """The comment of profile.h between its two marks."""
    text = (root / "inference/profile.h").read_text(encoding="utf-8")
    lines = re.search(r"/\* Switches:\n(.*?) \*/", text, re.S).group(1)
    return lines.rstrip("\n")


def stack_table(root):
    """inference/stack.txt as lines of the header's comment."""
    rows = {}
    for line in (root / "inference/stack.txt").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            target, profile, entry, n = line.split()
            rows.setdefault(target, {})[profile, entry] = n
    columns = [(p, e) for p in ("full", "tiny") for e in ("load", "choose", "run")]
    lines = [f" *   {target:14}" + "".join(f"{row[c]:>7}" for c in columns) for target, row in rows.items()]
    return "\n".join([f" *   {'':14}" + "".join(f"{e:>7}" for _, e in columns), *lines])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("root", type=pathlib.Path)
    parser.add_argument("version")
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--public", nargs="+", required=True)
    parser.add_argument("--sources", nargs="+", required=True)
    args = parser.parse_args()

    files = Files(args.root)
    header = "".join(files.header(name) for name in args.public)
    public_includes = files.includes()
    files.system = set()
    internal = "".join(files.headers_of(name) for name in args.sources)
    sources = {name: files.source(name) for name in args.sources}
    counts = collections.Counter(n for text in sources.values() for n in own_names(text))
    clashes = {name for name, n in counts.items() if n > 1}
    public = functions(header)
    body = make_static(internal, public)
    body += "".join(make_static(one_file(name, text, clashes), public)
                    for name, text in sources.items())
    body = replace_names(body, {f: f"__builtin_{f}" for f in BUILTINS} |
                         {"assert": "MW_ENGINE_ASSERT", "static_assert": "_Static_assert"})
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "millwright_engine.h").write_text(HEADER.format(
        version=args.version, stack=stack_table(args.root), switches=switches(args.root), includes=public_includes,
        body=header.strip() + "\n"), encoding="utf-8")
    (args.out / "millwright_engine.c").write_text(SOURCE.format(
        version=args.version, includes=files.includes(), body=body.strip() + "\n"), encoding="utf-8")


main()
