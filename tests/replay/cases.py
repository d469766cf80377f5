# SPDX-License-Identifier: Apache-2.0
"""Recordings of buses as regression tests: each folder here with a trace.txt is polled again on
virtual time, with its millwright.yaml, and must give the samples of its expected.csv. Times are not
compared, since a poller may well ask earlier; slots, qualities and values are.

usage: cases.py BIN_DIR [--accept]     --accept: what comes out now is what is expected from now on
"""
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
PROFILES = HERE.parent.parent / "fieldbus" / "profiles"
MILLWRIGHT = pathlib.Path(sys.argv[1]) / "millwright"
ACCEPT = "--accept" in sys.argv[2:]
SHOWN = 10


def replay(case, trace, out):
    done = subprocess.run([MILLWRIGHT, "replay", "--trace", trace, "--config",
                           case / "millwright.yaml", "--profiles", PROFILES, "--out", out],
                          capture_output=True, text=True, timeout=120, check=False)
    if done.returncode != 0:
        sys.exit(f"{case.name}: exit status {done.returncode}: {done.stderr}")
    return done.stderr


def samples(path):
    """{(point, slot): (quality, value)}; a retry of a slot is one sample, so there are no two."""
    table = {}
    for line in path.read_text().splitlines()[1:]:
        _, point, slot, quality, value = line.split(";")
        assert (point, slot) not in table, line
        table[point, slot] = quality, value
    return table


def compare(case, expected, found):
    differences = [f"  {point} slot {slot}: {found.get((point, slot), 'none')}, "
                   f"expected {expected.get((point, slot), 'none')}"
                   for point, slot in sorted(expected.keys() | found.keys())
                   if expected.get((point, slot)) != found.get((point, slot))]
    if differences:
        sys.exit("\n".join([f"{case.name}: {len(differences)} samples differ"]
                           + differences[:SHOWN]))
    good = sum(quality == "good" for quality, _ in found.values())
    print(f"{case.name}: {len(found)} samples, {good} good, as expected")


def can_fail(case, folder):
    """One bit of one answer's data, its checksum made right again, must not go unnoticed."""
    lines = (case / "trace.txt").read_text().splitlines()
    at = next(i for i, line in enumerate(lines) if " < ok " in line and " 1 < " in line)
    head, frame = lines[at].rsplit(" ", 1)
    lines[at] = f"{head} {frame[:-1]}{int(frame[-1], 16) ^ 8:x}"
    changed = folder / "changed.txt"
    changed.write_text("\n".join(lines) + "\n")
    replay(case, changed, folder / "changed.csv")
    if samples(folder / "changed.csv") == samples(case / "expected.csv"):
        sys.exit(f"{case.name}: a changed value was not noticed")


def main():
    cases = sorted(path.parent for path in HERE.glob("*/trace.txt"))
    if not cases:
        sys.exit("there is no case")
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for case in cases:
            out = case / "expected.csv" if ACCEPT else folder / "found.csv"
            print(replay(case, case / "trace.txt", out), end="")
            if not ACCEPT:
                compare(case, samples(case / "expected.csv"), samples(out))
        can_fail(HERE / "healthy", folder)


main()
