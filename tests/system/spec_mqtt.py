# SPDX-License-Identifier: Apache-2.0
"""docs/SPEC-mqtt.md and docs/CASES.md name a test for what they say; each is there, under that name. What
docs/OPERATING.md quotes of the programs in its table of faults, they do say."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
CASES = {}
for cmake in ROOT.glob("tests/**/CMakeLists.txt"):
    for name, script in re.findall(r"mw_case\((\w+)\s+(\S+)", cmake.read_text()):
        CASES["case/" + name] = script
TEST = r"(?:unit|system|case|power|config|bench|replay|sim)/[a-z0-9_/]+"


def source_of(test):
    path = CASES.get(test, test)
    for ending in (".c", ".py", ".sh"):
        if (ROOT / "tests" / (path + ending)).exists():
            return (ROOT / "tests" / (path + ending)).read_text()
    return None


def faults(page):
    text = re.sub(r"\s+", " ", page.read_text())
    found = re.findall(rf"({TEST})(?:: ?([a-z0-9_]+))?", text)
    print(f"{page.name}: {len(found)} tests named, {len(set(found))} different")
    assert found
    for test, part in found:
        source = source_of(test)
        if source is None:
            yield f"{page.name}: there is no test {test}"
        elif part and not re.search(rf"\b{part}\b", source):
            yield f"{page.name}: {test} has no {part}"


def quotations():
    page = (ROOT / "docs/OPERATING.md").read_text()
    section = "".join(part for part in page.split("\n## ") if part.startswith(("Every fault", "When something is wrong")))
    folders = ("config", "daemon", "uplink", "storage", "base", "fieldbus", "cli")
    said = "\n".join(path.read_text() for folder in folders for path in (ROOT / folder).glob("*.c"))
    said = re.sub(r"\s+", " ", re.sub(r'"\s*\n\s*"', "", said))
    quoted = re.findall("“([^”]*)”", section)
    print(f"OPERATING.md: {len(quoted)} quotations")
    assert quoted
    # A value may stand between the words of a quotation.
    return [f"docs/OPERATING.md: nobody says “{words}”" for words in quoted if words != "Journal" and
            not re.search(r"(?:%\S+ )?".join(re.escape(word) + " ?" for word in words.split()), said)]


def main():
    wrong = [fault for page in ("SPEC-mqtt.md", "CASES.md") for fault in faults(ROOT / "docs" / page)]
    spoken_of = (ROOT / "docs/CASES.md").read_text()
    wrong += [f"docs/CASES.md: {case} is not spoken of" for case in CASES if case not in spoken_of]
    wrong += quotations()
    for fault in wrong:
        print("FAILED", fault)
    sys.exit(1 if wrong else 0)


main()
