# SPDX-License-Identifier: Apache-2.0
"""A configuration in several files: 500 machines in at most 700 lines, checked within a second; the
order of conf.d; defaults and who is stronger; machines with a device of their own; and errors that
name the right file and line."""
import json
import os
import pathlib
import sys
import tempfile

sys.dont_write_bytecode = True
HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "support")]
import big_plant  # noqa: E402
from broken import SANITIZED, check  # noqa: E402

MAX_LINES, MAX_SECONDS, MAX_RSS_KIB = 700, 1.0, 32 * 1024
MAIN = """version: 1
buses: [{name: a, tcp: {host: 192.0.2.1}}]
machine_types:
  - {name: pump, profile: banner-qm30vt2, channels: [{point: vel_rms_z}]}
"""


def five_hundred(program, folder):
    file, n_lines = big_plant.write(folder)
    status, out, err, seconds, rss = check(program, file, "--json")
    if status != 0:
        return [f"500 machines: {status} {out[:400]} {err[:400]}"]
    summary = json.loads(out)
    counts = (summary["buses"], summary["devices"], summary["machines"])
    print(f"500 machines: {n_lines} lines, check {seconds:.3f} s, {rss} KiB")
    faults = [] if counts == (20, 500, 500) and summary["points"] > 500 else [f"counts {summary}"]
    faults += [f"{n_lines} lines"] if n_lines > MAX_LINES else []
    if not SANITIZED and (seconds > MAX_SECONDS or rss > MAX_RSS_KIB):
        faults.append(f"500 machines: {seconds:.2f} s, {rss} KiB")
    return faults


def one_error_each(program, folder):
    """The same mistake in the last fragment: file, line and column are the fragment's own."""
    file, _ = big_plant.write(folder)
    last = pathlib.Path(folder) / "conf.d" / "hall-20.yaml"
    text = last.read_text().replace("unit: 25}", "unit: 300}")
    last.write_text(text)
    line = 1 + next(i for i, t in enumerate(text.splitlines()) if "unit: 300" in t)
    status, _, err, _, _ = check(program, file)
    wanted = f"{last}:{line}:"
    lines = err.splitlines()
    if status != 78 or len(lines) != 2 or not lines[0].startswith(wanted) or \
            "machines[24].unit: '300' is not a Modbus unit" not in lines[0]:
        return [f"wanted one error at {wanted}, got {err}"]
    return []


# What main, conf.d/a.yaml and conf.d/b.yaml hold, and the errors in their order; {f} is the folder.
CASES = [
    ("appended", MAIN, "machines: [{name: m1, type: pump, bus: a, unit: 1}]\n",
     "machines: [{name: m2, type: pump, bus: a, unit: 2}]\n", []),
    ("a name twice, in two files", MAIN, "machines:\n  - {name: m1, type: pump, bus: a, unit: 1}\n",
     "\nmachines:\n  - {name: m1, type: pump, bus: a, unit: 2}\n",
     ["{f}/conf.d/b.yaml:3:12: machines[0].name: 'm1' is also the name of machines[0] in "
      "{f}/conf.d/a.yaml:2"]),
    ("a bus twice", MAIN, "buses: [{name: a, tcp: {host: 192.0.2.7}}]\n", "",
     ["{f}/conf.d/a.yaml:1:16: buses[0].name: 'a' is also the name of buses[0] in {f}/millwright.yaml:2"]),
    ("a section in two files", MAIN + "mqtt: {uri: \"mqtt://192.0.2.2\", keepalive: 10s}\n",
     "mqtt: {keepalive: 20s, heartbeat: 1min}\n", "",
     ["{f}/conf.d/a.yaml:1:8: mqtt.keepalive: given twice; first in {f}/millwright.yaml:5"]),
    ("an unknown section", MAIN, "machine: []\n", "",
     ["{f}/conf.d/a.yaml:1:1: machine: unknown key; did you mean 'machines'?"]),
    ("no YAML", MAIN, "machines: [\n", "machines: [{name: m2, type: pomp, bus: a, unit: 2}]\n",
     ["{f}/conf.d/a.yaml:2:1: not YAML", "{f}/conf.d/b.yaml:1:29: machines[0].type: there is no "
      "machine type 'pomp'; did you mean 'pump'?"]),
    ("another version", MAIN, "version: 2\n", "version: 1\n",
     ["{f}/conf.d/a.yaml:1:10: version: is another version than that of {f}/millwright.yaml:1"]),
    ("a device of its own and another", MAIN + "devices: [{name: d, bus: a, unit: 7, profile: xy-md02}]\n",
     "machines: [{name: m, bus: a, unit: 1, device: d, channels: [{point: temp}]}]\n", "",
     ["{f}/conf.d/a.yaml:1:47: machines[0].device: names a device, and 'unit'"]),
    ("a device of its own without a unit", MAIN, "machines: [{name: m, type: pump, bus: a}]\n", "",
     ["{f}/conf.d/a.yaml:1:12: machines[0].devices", "{f}/conf.d/a.yaml:1:39: machines[0].bus: is of a device"]),
    ("the wrong profile of a type", MAIN.replace("qm30vt2", "qm31vt2"),
     "machines: [{name: m, type: pump, bus: a, unit: 1}]\n", "",
     ["{f}/millwright.yaml:4:27: machine_types[0].profile: there is no profile"]),
    ("a default of the wrong kind is said once", MAIN +
     "defaults: {machine: {period: 1, trendy: 1}, bus: {timeout: 5}}\n",
     "machines: [{name: m1, type: pump, bus: a, unit: 1}, {name: m2, type: pump, bus: a, unit: 2}]\n", "",
     ["{f}/millwright.yaml:5:30: defaults.machine.period: '1'",
      "{f}/millwright.yaml:5:33: defaults.machine.trendy: unknown key; did you mean 'trend'?",
      "{f}/millwright.yaml:5:60: defaults.bus.timeout: '5'"]),
    ("hidden files and others are passed over", MAIN, "", "", []),
]


def run_case(program, folder, name, main, a, b, wanted):
    folder = pathlib.Path(folder)
    (folder / "conf.d").mkdir()
    (folder / "millwright.yaml").write_text(main)
    for file, text in (("a.yaml", a), ("b.yaml", b)):
        if text:
            (folder / "conf.d" / file).write_text(text)
    (folder / "conf.d" / ".hidden.yaml").write_text("[[[")
    (folder / "conf.d" / "a.yaml.dpkg-old").write_text("[[[")
    status, _, err, _, _ = check(program, folder / "millwright.yaml")
    lines = [line for line in err.splitlines() if ": error" not in line and not line.endswith(" errors")
             and not line.endswith(" error")]
    wanted = [w.format(f=folder) for w in wanted]
    right = status == (78 if wanted else 0) and len(lines) == len(wanted) and all(
        line.startswith(w) for line, w in zip(lines, wanted))
    return [] if right else [f"{name}: {status}\n  " + "\n  ".join(lines) + "\n wanted\n  " + "\n  ".join(wanted)]


def main():
    program = os.path.join(sys.argv[1], "millwright")
    faults = []
    for test in (five_hundred, one_error_each):
        with tempfile.TemporaryDirectory() as folder:
            faults += test(program, folder)
    for case in CASES:
        with tempfile.TemporaryDirectory() as folder:
            faults += run_case(program, folder, *case)
    print("\n".join(faults) or "all is right")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
