# SPDX-License-Identifier: Apache-2.0
"""The security papers, the bill of materials and the VEX hold what they say.

Every test that a paper names is one of this build, every part of one is in its source, and every line of a
table that claims something as met names a test. The bill of materials has whatever the programs name in
DT_NEEDED, is whole, and comes out the same twice; the VEX speaks of nothing else, and what it rests on holds.
Each check is first shown something that it must refuse.

usage: papers.py BIN_DIR
"""
import copy
import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
BIN = pathlib.Path(sys.argv[1]).resolve()
ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "cmake"))
import sbom as maker  # noqa: E402
import vex as judge   # noqa: E402

PAPERS = ["SECURITY.md", "docs/SECURITY-threat-model.md", "docs/SECURITY-62443.md", "docs/SECURITY-CRA.md"]
TEST = re.compile(r"`((?:unit|system|case|power|config|bench|replay|sim|fuzz|golden|packaging|kernels|engine)/"
                  r"[a-z0-9_/-]+)(?:: ?([a-z0-9_]+))?`")
PURL = re.compile(r"pkg:deb/\w+/[\w.%+~-]+@[\w.%+~-]+\?arch=\w+&distro=[\w.-]+")
PROGRAMS = [BIN / "millwrightd", BIN / "millwright"]


def ctest():
    """Every test of this build, the slow ones too."""
    done = subprocess.run(["ctest", "--show-only=json-v1"], cwd=BIN.parent, capture_output=True, text=True, timeout=60,
                          check=True)
    tests = {test["name"]: test for test in json.loads(done.stdout)["tests"]}
    assert len(tests) > 100, len(tests)
    return tests


def source_of(test):
    """Where a test's parts have their names: a case is some functions of a script."""
    name = test["name"]
    for argument in [str(ROOT / "tests" / name) + ending for ending in (".c", ".py", ".sh")] + test.get("command", []):
        path = pathlib.Path(argument)
        if ROOT / "tests" in path.parents and path.is_file():
            return path.read_text()
    return ""


def rows(text):
    """The cells of each row of a paper's tables, and the names of its columns."""
    head = None
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split(" | ")] if line.startswith("|") else None
        if not cells:
            head = None
        elif head is None:
            head = cells
        elif not set("".join(cells)) <= set("-| :"):
            yield head, cells


def faults_of_paper(name, text, tests):
    found = TEST.findall(text)
    if not found:
        yield f"{name}: names no test"
    for test, part in found:
        if test not in tests:
            yield f"{name}: there is no test {test}"
        elif part and not re.search(rf"\b{part}\b", source_of(tests[test])):
            yield f"{name}: {test} has no {part}"
    for head, cells in rows(text):
        if len(cells) != len(head):
            yield f"{name}: a row has {len(cells)} cells for {len(head)} columns: {cells[0]}"
        elif "test" in head and not re.search(r"not tested|integrator|–", cells[head.index("test")]) and \
                not TEST.search(cells[head.index("test")]):
            yield f"{name}: neither a test nor 'not tested': {cells[0]}"
        elif "state" in head and cells[head.index("state")].startswith("met") and not TEST.search(" ".join(cells)):
            yield f"{name}: met, and no test: {cells[0]}"


def papers(tests):
    for name in PAPERS:
        text = (ROOT / name).read_text()
        print(f"{name}: {len(TEST.findall(text))} tests named, {len({t for t, _ in TEST.findall(text)})} different, "
              f"{len(list(rows(text)))} rows")
        yield from faults_of_paper(name, text, tests)
        for link in re.findall(r"\]\(([^)#:]+)\)", text):
            if not (ROOT / name).parent.joinpath(link).exists():
                yield f"{name}: {link} is not there"


def wrong_papers_are_seen(tests):
    wrong = {
        "a test that is not there": "`unit/base/nothing`",
        "a part that is not there": "`unit/base/base: no_such_part`",
        "no test at all": "all is well",
        "met without a test": "`unit/base/base`\n\n| CR | state |\n| --- | --- |\n| 1.1 | met |\n",
        "a row without a word of tests": "`unit/base/base`\n\n| threat | test |\n| --- | --- |\n| flood | yes |\n",
    }
    for what, text in wrong.items():
        assert list(faults_of_paper("trial", text, tests)), what
    right = "`unit/base/base`\n\n| CR | state | test |\n| --- | --- | --- |\n| 1.1 | met | `unit/base/base` |\n"
    assert not list(faults_of_paper("trial", right, tests))


def references(bom):
    """Every bom-ref: of the components, those within them, and of the whole."""
    found = [bom["metadata"]["component"]["bom-ref"]]
    for component in bom["components"]:
        found += [component["bom-ref"], *(part["bom-ref"] for part in component.get("components", []))]
    return found


def faults_of_bill(bom):
    """What CycloneDX 1.5 asks of a document of this kind."""
    if (bom.get("bomFormat"), bom.get("specVersion"), bom.get("version")) != ("CycloneDX", "1.5", 1):
        yield "not a CycloneDX 1.5 document"
    if not re.fullmatch(r"urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", bom.get("serialNumber", "")):
        yield "no serial number"
    known = references(bom)
    yield from (f"twice: {ref}" for ref in set(known) if known.count(ref) > 1)
    for component in bom["components"]:
        if component.get("type") not in ("application", "library") or not component.get("name"):
            yield f"a component without type or name: {component.get('bom-ref')}"
        if "purl" in component and not PURL.fullmatch(component["purl"]):
            yield f"not a package URL: {component['purl']}"
        yield from faults_of_licences(component)
        for part in component.get("components", []):
            if not re.fullmatch("[0-9a-f]{64}", part["hashes"][0]["content"]) or part["hashes"][0]["alg"] != "SHA-256":
                yield f"no digest: {part['bom-ref']}"
    for needing in bom["dependencies"]:
        yield from (f"needed, but not there: {ref}" for ref in [needing["ref"], *needing["dependsOn"]]
                    if ref not in known)
    listed = [needing["ref"] for needing in bom["dependencies"]]
    tops = {component["bom-ref"] for component in bom["components"]} | {bom["metadata"]["component"]["bom-ref"]}
    if len(listed) != len(set(listed)) or set(listed) != tops:
        yield "the dependencies are not those of each component once"


def faults_of_licences(component):
    for entry in component.get("licenses", []):
        if list(entry) == ["expression"] and len(component["licenses"]) == 1:
            continue
        if list(entry) != ["license"] or len(entry["license"]) != 1 or not set(entry["license"]) <= {"id", "name"}:
            yield f"no licence of CycloneDX: {component['bom-ref']}"
        elif "id" in entry["license"] and entry["license"]["id"] not in maker.SPDX.values():
            yield f"not a name of SPDX: {entry['license']['id']}"


def needed_by(path):
    """As the loader would find them; by the sonames alone, apart from what sbom.py does."""
    text = subprocess.run(["objdump", "-p", path], capture_output=True, text=True, check=True).stdout
    return set(re.findall(r"NEEDED +(\S+)", text))


def faults_of_needs(bom, programs):
    """Each DT_NEEDED of each program: a file of that soname is in a component that the program depends on."""
    depends = {d["ref"]: d["dependsOn"] for d in bom["dependencies"]}
    parts = {c["bom-ref"]: [p["name"] for p in c.get("components", [])] for c in bom["components"]}
    for program in programs:
        ref = "millwright/bin/" + program.name
        # A library's file may have a longer name: its own soname is what counts.
        sonames = {soname for need in depends.get(ref, []) for file in parts[need] for soname in soname_of(file)}
        yield from (f"{program.name} needs {soname}: no entry" for soname in needed_by(program) - sonames)
        if not any(need.startswith("millwright/") for need in depends.get(ref, [])):
            yield f"{program.name}: nothing of our own"


def soname_of(file):
    text = subprocess.run(["objdump", "-p", file], capture_output=True, text=True, check=False).stdout
    return re.findall(r"SONAME +(\S+)", text)


def wrong_bills_are_seen(bom):
    def changed(change):
        trial = copy.deepcopy(bom)
        change(trial)
        return list(faults_of_bill(trial)) + list(faults_of_needs(trial, PROGRAMS))

    def without(trial, word):
        gone = next(c["bom-ref"] for c in trial["components"] if word in c["bom-ref"])
        trial["components"] = [c for c in trial["components"] if c["bom-ref"] != gone]
        trial["dependencies"] = [{"ref": d["ref"], "dependsOn": [n for n in d["dependsOn"] if n != gone]}
                                 for d in trial["dependencies"] if d["ref"] != gone]

    assert not changed(lambda t: None)
    assert any("libmodbus.so" in fault for fault in changed(lambda t: without(t, "libmodbus")))
    assert changed(lambda t: t["components"].append(t["components"][0]))
    assert changed(lambda t: t["dependencies"][0]["dependsOn"].append("nobody"))
    assert changed(lambda t: t.pop("serialNumber"))
    assert changed(lambda t: t["components"][0]["licenses"].append({"license": {"id": "Nobody-1.0"}}))


def make(folder):
    """Both documents, made by the scripts as the build does."""
    bill, vex = pathlib.Path(folder, "sbom.cdx.json"), pathlib.Path(folder, "vex.cdx.json")
    environment = {**os.environ, "SOURCE_DATE_EPOCH": "1790000000", "TZ": "Pacific/Kiritimati", "LC_ALL": "C"}
    for command in (["sbom.py", "--version", "1.2.3", "--output", bill],
                    ["vex.py", "--sbom", bill, "--statements", ROOT / "docs/vulnerabilities.json", "--output", vex]):
        subprocess.run([sys.executable, ROOT / "cmake" / command[0], *command[1:], *PROGRAMS], env=environment,
                       check=True, timeout=120)
    return bill.read_bytes(), vex.read_bytes()


def twice():
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        first, second = make(one), make(other)
    assert "2026-09-21T14:13:20Z" in first[0].decode(), "the time is that of the sources"
    for a, b in zip(first, second):
        print("two runs:", hashlib.sha256(a).hexdigest())
        if a != b:
            yield "two runs differ"


def faults_of_vex(vex, bom):
    link = bom["serialNumber"].replace("urn:uuid:", "urn:cdx:") + "/1#"
    refs = {component["bom-ref"] for component in bom["components"]}
    seen = [v["bom-ref"] for v in vex["vulnerabilities"]]
    if len(seen) != len(set(seen)):
        yield "a vulnerability twice"
    for found in vex["vulnerabilities"]:
        for affected in found["affects"] or [{"ref": ""}]:
            if not affected["ref"].startswith(link) or affected["ref"][len(link):] not in refs:
                yield f"{found['id']}: not of this bill of materials: {affected['ref']}"
        state, justification = found["analysis"]["state"], found["analysis"].get("justification")
        if (state == "not_affected") != bool(justification) or not found["analysis"]["detail"]:
            yield f"{found['id']}: {state}, {justification}"
        if not re.fullmatch(judge.CVE, found["id"]) and not found.get("advisories"):
            yield f"{found['id']}: neither a CVE number nor a source"


def statements(tests):
    """The list that is kept by hand: each names a source, and tests that it names are there."""
    kept = json.loads((ROOT / "docs/vulnerabilities.json").read_text())
    for statement in kept["statements"]:
        if not statement.get("references") or not statement.get("title"):
            yield f"{statement['id']}: without a source or a title"
        if not set(statement) & {"rejected", "not_called", "first", "mended", "state"}:
            yield f"{statement['id']}: rests on nothing"
        for test in re.findall(r"\b(?:unit|system|case|fuzz|packaging)/[a-z0-9_/]+", statement.get("detail", "")):
            if test not in tests:
                yield f"{statement['id']}: there is no test {test}"


def wrong_statements_are_seen(vex, bom):
    taken = judge.imported(PROGRAMS)
    assert {"modbus_send_raw_request", "sqlite3_step"} <= taken and "modbus_reply" not in taken
    assert judge.judge({"not_called": ["modbus_reply"]}, "3.1.6", taken)[:2] == ("not_affected", "code_not_reachable")
    assert judge.judge({"not_called": ["modbus_connect"]}, "3.1.6", taken)[0] == "in_triage"
    assert judge.judge({"first": "3.44.0"}, "3.40.1", taken)[1] == "code_not_present"
    assert judge.judge({"first": "3.44.0"}, "3.46.1", taken)[0] == "in_triage"
    assert judge.judge({"mended": "1.3.13", "state": "exploitable"}, "1.3.12", taken)[0] == "exploitable"
    assert judge.judge({"mended": "1.3.13", "state": "exploitable"}, "1.3.14", taken)[0] == "resolved"
    entry = "x ({}) stable; urgency=low\n\n  * {}CVE-2024-1234 here.\n\n -- A <a@b.example>  {}\n\n"
    new, old = "Mon, 17 Nov 2025 10:03:02 +0100", "Sat, 15 Oct 2022 13:51:42 +0300"
    assert judge.mended_since(entry.format("2-1", "", new)) == {"CVE-2024-1234": "2-1"}
    assert not judge.mended_since(entry.format("2-1", "", old))
    assert not judge.mended_since(entry.format("2-1", "Revert the fix of ", new))
    for package, version in (("1:2.66-4+deb12u2", "2.66"), ("3.1.6-2.1+deb12u1", "3.1.6"),
                             ("1.5.4+dfsg2-5", "1.5.4"), ("3.0.22-1~deb12u2", "3.0.22")):
        assert judge.upstream(package) == version, package
    trial = copy.deepcopy(vex)
    trial["vulnerabilities"][0]["affects"][0]["ref"] += "x"
    assert list(faults_of_vex(trial, bom))


def what_the_programs_never_call():
    """By what they import: no write to a device, no server, no subscription, no other program, no plug-in."""
    never = re.compile(r"modbus_(write|mask_write|reply|receive|mapping|listen).*|MQTTAsync_subscribe.*|"
                       r"system|popen|exec[lv].*|posix_spawn.*|v?fork|dlopen|set[ug]id|"
                       r"sqlite3_(load|enable_load)_extension|gets|strcpy|strcat|v?sprintf")
    assert never.fullmatch("modbus_write_register") and never.fullmatch("execve") and not never.fullmatch("snprintf")
    for name in sorted(judge.imported(PROGRAMS)):
        if never.fullmatch(name):
            yield f"a program imports {name}"


def what_no_statement_uses():
    """Parts of SQLite that statements of the VEX say are not reached: in no source of the folder that has all SQL."""
    never = re.compile(r"(?i)\bfts[345]|\bmatch\b|concat_ws|zipfile|lookaside|load_extension|virtual table")
    assert never.search("SELECT a FROM b WHERE c MATCH ?") and never.search("SQLITE_DBCONFIG_LOOKASIDE")
    for source in sorted((ROOT / "storage").glob("*.[ch]")):
        code = re.sub(r"(?s)/\*.*?\*/", "", source.read_text())
        yield from (f"{source.name}: {found.group(0)}" for found in never.finditer(code))


def main():
    tests = ctest()
    wrong_papers_are_seen(tests)
    wrong = list(papers(tests)) + list(statements(tests))
    bom, vex = (json.loads((BIN.parent / name).read_text()) for name in ("sbom.cdx.json", "vex.cdx.json"))
    wrong += list(faults_of_bill(bom)) + list(faults_of_needs(bom, PROGRAMS)) + list(faults_of_vex(vex, bom))
    if not wrong:
        wrong_bills_are_seen(bom)
        wrong_statements_are_seen(vex, bom)
    wrong += list(twice()) + list(what_the_programs_never_call()) + list(what_no_statement_uses())
    states = [v["analysis"]["state"] for v in vex["vulnerabilities"]]
    print(f"{len(bom['components'])} components; " + ", ".join(f"{states.count(s)} {s}" for s in sorted(set(states))))
    for found in vex["vulnerabilities"]:
        if found["analysis"]["state"] in ("in_triage", "exploitable"):
            print(f"  {found['id']}: {found['analysis']['state']}")
    for fault in wrong:
        print("FAILED", fault)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
