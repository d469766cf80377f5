# SPDX-License-Identifier: Apache-2.0
"""Each verb has a manual page, with exactly the options, words and exit statuses of its --help;
millwright.yaml(5) names exactly the settings of the installed file. mandoc, where it is installed,
finds no mistake of form.

usage: manual.py BIN_DIR
"""
import pathlib
import re
import shutil
import subprocess
import sys

import spoken

BIN = pathlib.Path(sys.argv[1]).resolve()
PAGES = BIN.parent / "docs"
ROOT = pathlib.Path(__file__).resolve().parents[2]
# Containers: what they hold is named in their stead.
CONTAINERS = {"rtu", "tcp", "serial", "limits", "model", "trend", "alarm"}


def plain(roff):
    text = re.sub(r'(?m)^\.\\".*\n', "", roff)
    text = re.sub(r"\\f.", "", text).replace("\\-", "-").replace("\\(aq", "'")
    return re.sub(r'(?m)^\.(?:[BI]|BI|IB|BR|RB|IR|RI)\s+', "", text).replace('"', "")


def section(text, name):
    found = re.search(rf"(?ms)^\.SH {name}\n(.*?)(?=^\.SH |\Z)", text)
    return found.group(1) if found else ""


def documented(page):
    """The options that the page explains."""
    tags = re.findall(r"(?m)^\.TP\n(.*)$", section(page, "OPTIONS"))
    return {option for tag in tags for option in spoken.OPTION.findall(tag)} - {"--help"}


def compare(page_name, page, text):
    faults = []
    said, explained = spoken.options(text), documented(page)
    synopsis = set(spoken.OPTION.findall(section(page, "SYNOPSIS"))) - {"--help"}
    for option in sorted(said - explained):
        faults.append(f"{page_name}: OPTIONS lacks {option}")
    for option in sorted((explained | synopsis) - said):
        faults.append(f"{page_name}: the program's --help has no {option}")
    for word in sorted(spoken.alternatives(text)):
        if not re.search(rf"(?<![a-z-]){word}(?![a-z-])", page):
            faults.append(f"{page_name}: lacks the word '{word}'")
    for status in sorted(spoken.statuses(text)):
        if not re.search(rf"(?<!\d){status}\b", section(page, "EXIT STATUS")):
            faults.append(f"{page_name}: EXIT STATUS lacks {status}")
    return faults


def verbs():
    faults = []
    overview = plain((PAGES / "millwright.1").read_text())
    summaries = spoken.summaries(BIN / "millwright")
    for verb, summary in summaries.items():
        path = PAGES / f"millwright-{verb}.1"
        if not path.is_file():
            faults.append(f"docs/man/millwright-{verb}.1.in is missing")
            continue
        page = plain(path.read_text())
        faults += compare(path.name, page, spoken.helps(BIN / "millwright", verb))
        if f"millwright-{verb} - {summary}\n" not in page:
            faults.append(f"{path.name}: NAME is not '{summary}'")
        if f"millwright-{verb} (1)\n{summary}\n" not in overview:
            faults.append(f"millwright.1: lacks '{verb}', {summary}")
    for path in PAGES.glob("millwright-*.1"):
        if path.stem.removeprefix("millwright-") not in summaries:
            faults.append(f"{path.name}: there is no such verb")
    return faults if len(summaries) >= 15 else faults + ["too few verbs found"]


def daemon():
    page = plain((PAGES / "millwrightd.8").read_text())
    return compare("millwrightd.8", page, spoken.helps(BIN / "millwrightd"))


def settings():
    installed = (ROOT / "config" / "millwright.yaml").read_text()
    keys = set(re.findall(r"(?m)^[ #]*(?:- )?([a-z_]+):(?= |$)", installed)) - {"default", "docs", "files", "off"}
    page = plain((PAGES / "millwright.yaml.5").read_text())
    page = section(page, "SETTINGS")
    heads = re.findall(r"(?m)^\.SS (.*)$", page) + re.findall(r"(?m)^\.TP\n(.*)$", page)
    explained = {part for head in heads for name in re.split(r", ", head) for part in re.split(r"\.|\[\]", name)}
    faults = [f"millwright.yaml.5: lacks {key}" for key in sorted(keys - explained)]
    faults += [f"millwright.yaml.5: config/millwright.yaml has no {key}"
               for key in sorted(explained - keys - CONTAINERS - {"", "channels"})]
    return faults if len(keys) > 60 else faults + ["too few settings found"]


def form():
    mandoc = shutil.which("mandoc")
    if not mandoc:
        print("mandoc is not installed: the pages' form is not looked at")
        return []
    pages = [path for path in PAGES.iterdir() if re.fullmatch(r"[\w.-]+\.[158]", path.name)]
    done = subprocess.run([mandoc, "-T", "lint", "-W", "warning", *pages], capture_output=True, text=True,
                          timeout=60, check=False)
    return [line for line in done.stdout.splitlines() if "missing date" not in line]


if __name__ == "__main__":
    wrong = verbs() + daemon() + settings() + form()
    print(*wrong, sep="\n")
    sys.exit(1 if wrong else 0)
