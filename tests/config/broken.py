# SPDX-License-Identifier: Apache-2.0
"""Every broken configuration is refused with exactly the errors of its .expect file, in their
order, quickly and without much memory. A line of an .expect file is the beginning of an error:
'line:column: path: message', with the file's name in front where it is a profile."""
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
PROFILES = HERE.parent.parent / "fieldbus" / "profiles"
EXIT_CONFIG, EXIT_NO_INPUT = 78, 66
MAX_RSS_KIB = 32 * 1024
MAX_SECONDS = 0.5  # of a loaded machine; 0.1 on a quiet one
SANITIZED = os.environ.get("CK_FORK") == "no" or "MW_EMULATED" in os.environ


def check(program, path, *options):
    """Exit status, output, errors, seconds and peak memory of one run."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        start = time.monotonic()
        child = subprocess.Popen([program, "check", str(path), "--profiles", str(PROFILES), *options],
                                 stdout=out, stderr=err)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.monotonic() - start
        out.seek(0)
        err.seek(0)
        return child.returncode, out.read(), err.read(), seconds, usage.ru_maxrss


def errors_of(text, path):
    """The error lines, relative to the file and without the closing count."""
    lines = []
    for line in text.splitlines()[:-1]:
        for prefix in (f"{path}:", f"{path.parent}/"):
            if line.startswith(prefix):
                line = line[len(prefix):].lstrip()
                break
        lines.append(line)
    return lines


def judge(program, path):
    """What is wrong with the program's verdict on one file."""
    expected = path.with_suffix(".expect").read_text().splitlines()
    status, out, err, seconds, rss = check(program, path)
    actual = errors_of(err, path)
    faults = []
    if status != EXIT_CONFIG:
        faults.append(f"exit status {status}")
    if out:
        faults.append("something on standard output")
    if not expected:
        faults.append("nothing is expected")
    if len(actual) != len(expected):
        faults.append(f"{len(actual)} errors instead of {len(expected)}")
    for a, e in zip(actual, expected):
        if not a.startswith(e):
            faults.append(f"said:     {a}\n    expected: {e}")
    if not SANITIZED and seconds > MAX_SECONDS:
        faults.append(f"{seconds:.2f} s")
    if not SANITIZED and rss > MAX_RSS_KIB:
        faults.append(f"{rss} KiB")
    return faults, seconds, rss


def generated(program):
    """Files that are too large to keep."""
    faults = []
    with tempfile.TemporaryDirectory() as folder:
        large = pathlib.Path(folder) / "large.yaml"
        large.write_text("version: 1\n" + "#" * (256 * 1024))
        status, _, err, _, _ = check(program, large)
        if status != EXIT_CONFIG or "larger than 256 KiB" not in err:
            faults.append(f"large file: {status} {err}")
        errors = pathlib.Path(folder) / "errors.yaml"
        errors.write_text("version: 1\nmachines:\n" + "  - {nmae: x, prriod: 1s}\n" * 500)
        status, _, err, seconds, rss = check(program, errors)
        lines = err.splitlines()
        if status != EXIT_CONFIG or len(lines) != 1002 or "more errors are not shown" not in lines[1000]:
            faults.append(f"many errors: {status}, {len(lines)} lines")
        if not SANITIZED and (seconds > 2 or rss > MAX_RSS_KIB):
            faults.append(f"many errors: {seconds:.2f} s, {rss} KiB")
        values = pathlib.Path(folder) / "values.yaml"
        values.write_text("version: [" + "x," * 70000 + "]\n")
        status, _, err, _, _ = check(program, values)
        if status != EXIT_CONFIG or "more than 65536 values" not in err:
            faults.append(f"many values: {status} {err}")
        status, _, err, _, _ = check(program, pathlib.Path(folder) / "absent.yaml")
        if status != EXIT_NO_INPUT or "no such file" not in err:
            faults.append(f"absent file: {status} {err}")
        if sorted(os.listdir(folder)) != ["errors.yaml", "large.yaml", "values.yaml"]:
            faults.append("a file was written")
    return faults


def as_json(program):
    """The same errors as data."""
    path = HERE / "broken" / "many-errors.yaml"
    status, out, err, _, _ = check(program, path, "--json")
    errors = json.loads(out)["errors"]
    n_expected = len(path.with_suffix(".expect").read_text().splitlines())
    first = {"line": 2, "column": 17, "path": "gateway.name"}
    if status != EXIT_CONFIG or err or len(errors) != n_expected:
        return [f"json: status {status}, {len(errors)} errors"]
    if any(errors[0][key] != value for key, value in first.items()):
        return [f"json: {errors[0]}"]
    return []


def main():
    program = os.path.join(sys.argv[1], "millwright")
    n_failed, slowest, largest = 0, 0.0, 0
    files = sorted((HERE / "broken").glob("*.yaml"))
    for path in files:
        faults, seconds, rss = judge(program, path)
        slowest, largest = max(slowest, seconds), max(largest, rss)
        for fault in faults:
            print(f"{path.name}: {fault}")
        n_failed += bool(faults)
    for fault in generated(program) + as_json(program):
        print(fault)
        n_failed += 1
    print(f"{len(files)} files, {n_failed} failed; slowest {slowest * 1000:.0f} ms, "
          f"largest {largest} KiB")
    return 1 if n_failed or len(files) < 40 else 0


if __name__ == "__main__":
    sys.exit(main())
