#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Writes what known vulnerabilities of the linked libraries mean for the programs, as a CycloneDX VEX.

usage: vex.py --sbom FILE --statements FILE --output FILE [--root DIR] PROGRAM...

From two sources. Debian's changelogs of the linked versions name what was mended since Debian 12 came out:
"resolved", whatever it was. And docs/vulnerabilities.json, kept by hand, has the others, each with what it
rests on; that is looked at here, each time, with the programs and versions that are really linked:
  rejected     the number was withdrawn: false_positive
  not_called   functions of the library; neither program imports one: not_affected, code_not_reachable
  first        the first upstream version that has it; the linked one is older: not_affected, code_not_present
  mended       the first upstream version without it; the linked one is that or newer: resolved
  state        what a person has judged, with a justification where the state is not_affected
Where nothing of it holds any more, the state is in_triage: the statement needs a person's eye.
"""
import argparse
import email.utils
import gzip
import json
import os
import pathlib
import re
import subprocess
import sys

sys.dont_write_bytecode = True
from sbom import Target, finish, run, write  # noqa: E402

# Debian 12's release: what its changelogs name from then on is what a scanner may still ask about.
SINCE = "2023-06-10"
CVE = r"CVE-\d{4}-\d{4,}"


def fact_of(component, name):
    return {p["name"]: p["value"] for p in component.get("properties", [])}.get("millwright:" + name)


def by_source(sbom):
    """Source package to its components."""
    found = {}
    for component in sbom["components"]:
        if fact_of(component, "source"):
            found.setdefault(fact_of(component, "source"), []).append(component)
    return found


def changelog(target, package):
    for name in ("changelog.Debian.gz", "changelog.Debian", "changelog.gz"):
        path = pathlib.Path(target.root, "usr/share/doc", package, name)
        try:
            data = path.read_bytes()
        except OSError:
            continue
        return (gzip.decompress(data) if name.endswith(".gz") else data).decode(errors="replace")
    return ""


def mended_since(text):
    """Number to the version of the package whose changelog entry names it as mended."""
    found = {}
    for entry in re.split(r"(?m)^(?=\S+ \([^)]+\) )", text):
        head = re.match(r"\S+ \(([^)]+)\)", entry)
        date = re.search(r"(?m)^ -- .*>  (.+)$", entry)
        when = email.utils.parsedate_tz(date.group(1)) if date else None
        if not head or not when or "%04d-%02d-%02d" % when[:3] < SINCE:
            continue
        for item in re.split(r"(?m)^ +[*-] ", entry):
            if not re.search(r"(?i)\brevert|not affected|\bdrop", item):
                found.update((number, head.group(1)) for number in re.findall(CVE, item))
    return found


def upstream(version):
    """A package's version without epoch, revision and Debian's marks."""
    return re.sub(r"[+~](dfsg|ds|really).*", "", re.sub(r"^\d+:", "", version).rsplit("-", 1)[0])


def older(one, other):
    return subprocess.run(["dpkg", "--compare-versions", one, "lt", other], check=False).returncode == 0


def imported(programs):
    """Names of the functions that the programs take from libraries."""
    text = "".join(run("readelf", "--dyn-syms", "-W", program) for program in programs)
    return set(re.findall(r"\bUND (\w+)", text))


def judge(statement, version, taken):
    """State, justification or None, and what it rests on."""
    if statement.get("rejected"):
        return "false_positive", None, "The number was withdrawn by its authority as no security issue."
    functions = statement.get("not_called", [])
    if functions and not taken & set(functions):
        return "not_affected", "code_not_reachable", "Neither program imports " + ", ".join(functions) + "."
    if statement.get("first") and older(version, statement["first"]):
        return ("not_affected", "code_not_present",
                f"Version {version} is older than {statement['first']}, the first with it.")
    if statement.get("mended") and not older(version, statement["mended"]):
        return "resolved", None, f"Version {version} has the correction of {statement['mended']}."
    if "state" in statement:
        return statement["state"], statement.get("justification"), ""
    return "in_triage", None, "What the statement rests on does not hold for what is linked now."


def vulnerability(source, number, source_url, description, state, justification, detail, affects, more):
    analysis = {"state": state}
    if justification:
        analysis["justification"] = justification
    if more.get("response"):
        analysis["response"] = more["response"]
    analysis["detail"] = detail
    found = {"bom-ref": f"vulnerability/{source}/{number}", "id": number,
             "source": {"name": "NVD" if number.startswith("CVE-") else "upstream", "url": source_url},
             "description": description}
    if more.get("recommendation"):
        found["recommendation"] = more["recommendation"]
    if more.get("references"):
        found["advisories"] = [{"url": url} for url in more["references"]]
    return {**found, "analysis": analysis, "affects": affects}


def nvd(number):
    return "https://nvd.nist.gov/vuln/detail/" + number


def by_hand(statement, components, affects, taken):
    version = upstream(fact_of(components[0], "source_version"))
    state, justification, basis = judge(statement, version, taken)
    url = nvd(statement["id"]) if statement["id"].startswith("CVE-") else statement["references"][0]
    return vulnerability(statement["source"], statement["id"], url, statement["title"], state, justification,
                         " ".join(filter(None, [basis, statement.get("detail")])), affects, statement)


def by_changelog(number, source, version, affects):
    return vulnerability(source, number, nvd(number), f"Of {source}.", "resolved", None,
                         f"Debian's changelog names it as mended in {version}, which the linked version contains.",
                         affects, {})


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("--sbom", "--statements", "--output"):
        parser.add_argument(name, required=True, type=pathlib.Path)
    parser.add_argument("--root", default="/", type=os.path.realpath)
    parser.add_argument("programs", nargs="+", type=pathlib.Path)
    given = parser.parse_args()
    sbom, kept = json.loads(given.sbom.read_text()), json.loads(given.statements.read_text())
    target, taken = Target(given.root), imported(given.programs)
    link = sbom["serialNumber"].replace("urn:uuid:", "urn:cdx:") + f"/{sbom['version']}#"
    found = []
    for source, components in by_source(sbom).items():
        affects = [{"ref": link + component["bom-ref"]} for component in components]
        statements = [s for s in kept["statements"] if s["source"] == source]
        found += [by_hand(s, components, affects, taken) for s in statements]
        mended = {}
        for component in components:
            mended.update(mended_since(changelog(target, component["name"])))
        for number in sorted(set(mended) - {s["id"] for s in statements}):
            found.append(by_changelog(number, source, mended[number], affects))
    write(given.output, finish({
        "metadata": {"component": sbom["metadata"]["component"],
                     "properties": [{"name": "millwright:reviewed", "value": kept["reviewed"]}]},
        "vulnerabilities": sorted(found, key=lambda v: v["bom-ref"]),
    }))


if __name__ == "__main__":
    main()
