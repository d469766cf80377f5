#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Writes what the programs are made of, as CycloneDX 1.5, from what the linker did.

usage: sbom.py --version VERSION --output FILE [--root DIR] PROGRAM...

Each PROGRAM has its linker's map beside it, PROGRAM.map. From the map come our own folders and what the
tool chain adds (start files, libgcc); from DT_NEEDED, read again and again, the shared libraries; from the
ELF's notes the compiler. dpkg knows whose each file is, for any architecture; the licence is that of the
package's 'Files: *' where its copyright file is machine-readable. What dpkg does not know is in the list by
its file alone. --root is where the target's system lies, for a sysroot; it keeps dpkg's database.

The same inputs give the same bytes: the serial number is made of the content, and the time is that of
SOURCE_DATE_EPOCH, or there is none.
"""
import argparse
import datetime
import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys
import urllib.parse
import uuid

# e_machine as readelf words it, with the flags of 32-bit Arm: the folder of Debian's libraries.
TRIPLETS = [("X86-64", "x86_64-linux-gnu"), ("AArch64", "aarch64-linux-gnu"), ("ARM", "arm-linux-gnueabihf"),
            ("RISC-V", "riscv64-linux-gnu"), ("Intel 80386", "i386-linux-gnu")]

# Debian's names of licences that are not SPDX's.
SPDX = {
    "expat": "MIT", "mit": "MIT", "isc": "ISC", "zlib": "Zlib", "cc0-1.0": "CC0-1.0", "apache-2.0": "Apache-2.0",
    "epl-2.0": "EPL-2.0", "bsd-2-clause": "BSD-2-Clause", "bsd-3-clause": "BSD-3-Clause",
    "lgpl-2.1": "LGPL-2.1-only", "lgpl-2.1+": "LGPL-2.1-or-later", "lgpl-3+": "LGPL-3.0-or-later",
    "gpl-2": "GPL-2.0-only", "gpl-2+": "GPL-2.0-or-later", "gpl-3+": "GPL-3.0-or-later",
}


def run(*command, may_fail=False):
    """What it prints; nothing where it fails or is not there. With may_fail what it prints all the same."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False,
                              env={**os.environ, "LC_ALL": "C"})
    except OSError:
        return ""
    return done.stdout if may_fail or done.returncode == 0 else ""


def elf(path):
    """Where a program's or library's own libraries are, and their names, DT_NEEDED."""
    text = run("readelf", "-hdW", path)
    machine = re.search(r"Machine: +(.*)", text)
    if not machine:
        sys.exit(f"sbom.py: {path}: readelf does not know it")
    triplet = next((t for word, t in TRIPLETS if word in machine.group(1)), None)
    return triplet, re.findall(r"\(NEEDED\).*\[(.+)\]", text)


class Target:
    """The system that the programs are built for."""

    def __init__(self, root):
        self.root, self.packages = root, {}
        self.database = ["--admindir=" + os.path.join(root, "var/lib/dpkg")] if root != "/" else []
        words = dict(re.findall(r'(?m)^(\w+)="?([^"\n]*)"?$', self.read("etc/os-release")))
        self.vendor = words.get("ID", "linux")
        self.distribution = f"{self.vendor}-{words['VERSION_ID']}" if words.get("VERSION_ID") else self.vendor

    def read(self, path):
        try:
            return pathlib.Path(self.root, path.lstrip("/")).read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""

    def library(self, soname, triplet):
        """The file that the loader would take; tool chains keep their own beside the system's."""
        for folder in (f"lib/{triplet}", f"usr/lib/{triplet}", f"usr/{triplet}/lib", "lib", "usr/lib", "lib64"):
            path = os.path.join(self.root, folder, soname)
            if os.path.exists(path):
                return os.path.realpath(path)
        sys.exit(f"sbom.py: {soname}: not among the libraries of {triplet} in {self.root}")

    def name(self, path):
        """As the target's own programs name the file."""
        return "/" + os.path.relpath(path, self.root)

    def learn(self, paths):
        """Asks dpkg at once whose all these files are."""
        owners = {}
        asked = sorted({name for path in paths for name in self.names(path)})
        for packages, name in re.findall(r"(?m)^(?!diversion )(\S+?)(?:, .*)?: (/.*)$",
                                         run("dpkg-query", *self.database, "-S", *asked, may_fail=True)):
            owners[name] = packages
        lines = run("dpkg-query", *self.database, "-W", "-f", "${binary:Package}\t${Package}\t${Version}\t"
                    "${Architecture}\t${source:Package}\t${source:Version}\t${Homepage}\n",
                    *sorted(set(owners.values()))) if owners else ""
        facts = {fields[0].partition(":")[0] + ":" + fields[3]: fields[1:]
                 for fields in (line.split("\t") for line in lines.splitlines())}
        for path in paths:
            owner = next((owners[name] for name in self.names(path) if name in owners), None)
            if owner:
                name, _, architecture = owner.partition(":")
                self.packages[path] = next((f for key, f in facts.items() if key == owner or
                                            (not architecture and key.partition(":")[0] == name)), None)

    def names(self, path):
        """Where /lib is a link, dpkg knows some files by one name and some by the other."""
        name = self.name(path)
        return [name, name[4:] if name.startswith("/usr/") else "/usr" + name]

    def licences(self, package):
        """CycloneDX's list: of the paragraph for all files, where the copyright file has one."""
        text = self.read(f"usr/share/doc/{package}/copyright")
        if not text.startswith("Format:"):
            return []
        for paragraph in re.split(r"\n\s*\n", text):
            if re.search(r"(?m)^Files:\s*\*\s*$", paragraph):
                named = re.search(r"(?m)^License:[ \t]*(\S.*)$", paragraph)
                return licence(named.group(1).strip()) if named else []
        return []


def licence(words):
    parts = re.split(r" (or|and) ", words)
    known = [part if part in ("or", "and") else SPDX.get(part.lower()) for part in parts]
    if not all(known):
        return [{"license": {"name": words}}]
    if len(known) == 1:
        return [{"license": {"id": known[0]}}]
    return [{"expression": " ".join(k.upper() if k in ("or", "and") else k for k in known)}]


def properties(**values):
    return [{"name": "millwright:" + name, "value": value} for name, value in values.items() if value]


def file_component(path, target):
    digest = hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()
    return {"type": "file", "bom-ref": "file:" + target.name(path), "name": target.name(path),
            "hashes": [{"alg": "SHA-256", "content": digest}]}


def closure(programs, target):
    """Program or library to the libraries that it names, for all that are reached."""
    needs, waiting = {}, [os.path.realpath(program) for program in programs]
    while waiting:
        path = waiting.pop()
        if path not in needs:
            triplet, needed = elf(path)
            needs[path] = [target.library(soname, triplet) for soname in needed]
            waiting += needs[path]
    return needs


class Bill:
    """Components by their reference, and who needs whom."""

    def __init__(self, programs, target, version):
        self.target, self.version = target, version
        self.components, self.needs = {}, {}
        libraries = closure(programs, target)
        maps = {program: link_map(program.with_name(program.name + ".map")) for program in programs}
        target.learn(sorted({file for files in libraries.values() for file in files} |
                            {file for _, tools in maps.values() for file in tools}))
        for program in programs:
            self.program(program, libraries[os.path.realpath(program)], *maps[program])
        for path, needed in libraries.items():
            if path not in map(os.path.realpath, programs):
                ref = self.foreign(path, "dynamic")
                self.needs[ref] |= {self.foreign(file, "dynamic") for file in needed} - {ref}

    def add(self, component):
        self.needs.setdefault(component["bom-ref"], set())
        return self.components.setdefault(component["bom-ref"], component)

    def foreign(self, path, linkage):
        """The package that holds the file, with the file in it; the file alone where dpkg knows nothing."""
        fields = self.target.packages.get(path)
        if fields:
            found = self.add(self.package_component(linkage, *fields))
        else:
            name = os.path.basename(path)
            found = self.add({"type": "library", "bom-ref": "unpackaged:" + name, "name": name,
                              "properties": properties(linkage=linkage)})
        files = found.setdefault("components", [])
        if "file:" + self.target.name(path) not in [file["bom-ref"] for file in files]:
            files.append(file_component(path, self.target))
            files.sort(key=lambda file: file["bom-ref"])
        return found["bom-ref"]

    def package_component(self, linkage, name, version, architecture, source, source_version, homepage):
        quoted = f"{urllib.parse.quote(name, safe='')}@{urllib.parse.quote(version, safe='')}"
        purl = (f"pkg:deb/{self.target.vendor}/{quoted}"
                f"?arch={architecture}&distro={self.target.distribution}")
        component = {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}
        licences = self.target.licences(name)
        if licences:
            component["licenses"] = licences
        if homepage:
            component["externalReferences"] = [{"type": "website", "url": homepage}]
        component["properties"] = properties(linkage=linkage, source=source, source_version=source_version)
        return component

    def own(self, kind, ref, name, **facts):
        return self.add({"type": kind, "bom-ref": ref, "name": name, "version": self.version,
                         "licenses": [{"license": {"id": "Apache-2.0"}}], "properties": properties(**facts)})

    def program(self, path, libraries, folders, tools):
        ref = self.own("application", "millwright/bin/" + path.name, path.name, compiler=compiler(path))["bom-ref"]
        self.needs[ref] |= {self.foreign(file, "dynamic") for file in libraries}
        self.needs[ref] |= {self.foreign(file, "static") for file in tools}
        for folder, objects in folders.items():
            self.needs[ref].add(self.folder(folder, objects))

    def folder(self, name, objects):
        """Each program takes what it needs of a folder's archive; listed is what any of them took."""
        own = self.own("library", "millwright/" + name, "millwright-" + name, linkage="static", objects=" ")
        taken = next(p for p in own["properties"] if p["name"] == "millwright:objects")
        taken["value"] = " ".join(sorted(set(taken["value"].split()) | objects))
        return own["bom-ref"]


def compiler(path):
    """Who compiled it, as it says itself."""
    words = re.findall(r"\]\s+(.*)", run("readelf", "-p", ".comment", path))
    return "; ".join(sorted(set(words)))


def link_map(path):
    """Folder of ours to the objects taken from its archive; and the tool chain's files."""
    if not path.exists():
        sys.exit(f"sbom.py: {path}: the linker's map is missing")
    folders, tools = {}, set()
    text = path.read_text(encoding="utf-8", errors="replace")
    for name in re.findall(r"(?m)(?:^| )([\w./+~-]+\.(?:o\b|a\([^)\s]+\)))", text):
        file, member = re.match(r"(.*?)(?:\(([^)]+)\))?$", name).groups()
        ours = re.fullmatch(r".*libmw_(\w+)\.a", file)
        if ours and member:
            folders.setdefault(ours.group(1), set()).add(member)
        elif os.path.isabs(file) and os.path.exists(file):
            tools.add(os.path.realpath(file))
    if not folders or not tools:
        sys.exit(f"sbom.py: {path}: not a linker's map that it knows")
    return folders, sorted(tools)


def write(path, document):
    path.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def finish(document):
    """Serial number of the content; time of the sources."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH", "")
    if epoch.isdigit():
        when = datetime.datetime.fromtimestamp(int(epoch), datetime.timezone.utc)
        document["metadata"] = {"timestamp": when.strftime("%Y-%m-%dT%H:%M:%SZ"), **document["metadata"]}
    serial = uuid.uuid5(uuid.NAMESPACE_OID, json.dumps(document, sort_keys=True))
    return {"bomFormat": "CycloneDX", "specVersion": "1.5", "serialNumber": f"urn:uuid:{serial}", "version": 1,
            **document}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--version", required=True)
    parser.add_argument("--output", required=True, type=pathlib.Path)
    parser.add_argument("--root", default="/", type=os.path.realpath)
    parser.add_argument("programs", nargs="+", type=pathlib.Path)
    given = parser.parse_args()
    bill = Bill(given.programs, Target(given.root), given.version)
    top = {"type": "application", "bom-ref": "millwright", "name": "millwright", "version": given.version,
           "purl": f"pkg:generic/millwright@{given.version}", "licenses": [{"license": {"id": "Apache-2.0"}}]}
    needs = {"millwright": {"millwright/bin/" + program.name for program in given.programs}, **bill.needs}
    write(given.output, finish({
        "metadata": {"lifecycles": [{"phase": "build"}],
                     "tools": {"components": [{"type": "application", "name": "sbom.py", "version": given.version}]},
                     "component": top},
        "components": [bill.components[ref] for ref in sorted(bill.components)],
        "dependencies": [{"ref": ref, "dependsOn": sorted(needs[ref])} for ref in sorted(needs)],
    }))


if __name__ == "__main__":
    main()
