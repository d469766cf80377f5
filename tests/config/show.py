# SPDX-License-Identifier: Apache-2.0
"""'config show' prints what is in force: read back it is the same configuration, for every example and
for the installed file with every setting in use; each value says where it comes from; no secret is
printed. 'config diff' names every difference and what needs a restart."""
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
from broken import HERE, PROFILES  # noqa: E402

CONFIG = HERE.parent.parent / "config"
PLANT = """version: 1
defaults:
  bus: {retries: 3}
  machine: {period: 2s, alarm: {off_delay: 1min}}
buses:
  - {name: a, tcp: {host: 192.0.2.1}, timeout: 700ms}
devices:
  - {name: d, bus: a, unit: 1, profile: banner-qm30vt2, points: [{name: temp, scale: 0.02}]}
machine_types:
  - name: pump
    profile: xy-md02
    channels: [{point: temp, limits: {high: 70}}]
    trend: {persist: 5}
machines:
  - {name: m, type: pump, device: d, channels: [{point: temp, limits: {low: 3}}]}
  - {name: own, type: pump, bus: a, unit: 7}
mqtt: {uri: "mqtts://broker.example", username: u, password_file: SECRET, ca_file: SECRET}
"""
# path, value, origin, file, and the line it is in
ORIGINS = [
    ("buses.a.timeout", "700ms", "file", "p.yaml", 6),
    ("buses.a.retries", "3", "defaults", "p.yaml", 3),
    ("buses.a.turnaround", "2s", "built-in", None, None),
    ("devices.d.timeout", "700ms", "bus a", "p.yaml", 6),
    ("devices.d.points.temp.scale", "0.02", "file", "p.yaml", 8),
    ("devices.d.points.temp.address", "5203", "profile banner-qm30vt2", "banner-qm30vt2.yaml", None),
    ("devices.own.unit", "7", "file", "p.yaml", 16),
    ("devices.own.points.temp.kind", "input", "profile xy-md02", "xy-md02.yaml", None),
    ("machines.m.period", "2s", "defaults", "p.yaml", 4),
    ("machines.m.alarm.off_delay", "1min", "defaults", "p.yaml", 4),
    ("machines.m.trend.persist", "5", "type pump", "p.yaml", 13),
    ("machines.m.trend.interval", "1h", "built-in", None, None),
    ("machines.m.channels.temp.limits.high", "70", "type pump", "p.yaml", 12),
    ("machines.m.channels.temp.limits.low", "3", "file", "p.yaml", 15),
    ("mqtt.topic_prefix", "millwright/v1", "built-in", None, None),
]


def call(program, *words):
    return subprocess.run([program, "config", *map(str, words), "--profiles", str(PROFILES)],
                          capture_output=True, text=True, timeout=60, check=False)


def every_setting():
    """As tests/config/right.py has it."""
    text = (CONFIG / "millwright.yaml").read_text()
    text = re.sub(r"(?m)^(\w+): (\[\]|\{\})$", r"\1:", text)
    text = re.sub(r"(?m)^#(  +[-\w])", r"\1", text)
    text = re.sub(r"(?m)^  # (\w+:)", r"  \1", text)
    return text.replace('uri: ""', 'uri: "mqtts://broker.example:8883"')


def goes_round(program, folder, name, text):
    """Shown, read back and compared: nothing is different; and shown again it is the same text."""
    first, second = folder / f"{name}.yaml", folder / f"{name}.shown.yaml"
    first.write_text(text)
    shown = call(program, "show", "--all", first)
    if shown.returncode != 0:
        return [f"{name}: {shown.stderr}"]
    second.write_text(shown.stdout)
    diff = call(program, "diff", first, second)
    again = call(program, "show", "--all", second)
    faults = [] if diff.stdout == "nothing is different\n" else [f"{name}: {diff.stdout}{diff.stderr}"]
    return faults if again.stdout == shown.stdout else faults + [f"{name}: shown twice it differs"]


def nothing_is_left_out(program, folder):
    """Each key of the file with every setting in use is among those shown."""
    path = folder / "every.yaml"
    text = every_setting()
    path.write_text(text)
    shown = call(program, "show", "--all", "--origin", path)
    if shown.returncode != 0:
        return [f"every setting: {shown.stderr}"]
    keys = set(re.findall(r"[\s{,]([a-z_]+):", re.sub(r"#.*", "", text)))
    there = set(re.findall(r"[\s{,]([a-z_]+):", re.sub(r"  # .*", "", shown.stdout)))
    # What is worked in: types, profiles, defaults, and how a device is found; range is a point's.
    worked_in = {"machine_types", "type", "profile", "variant", "address_style", "address_offset", "device",
                 "devices", "role", "defaults", "machine", "bus", "unit", "version"}
    return [f"not shown: {k}" for k in sorted(keys - there - worked_in)]


def origins(program, folder):
    path, secret = folder / "p.yaml", folder / "secret"
    secret.write_text("correct-horse\n")
    secret.chmod(0o600)
    path.write_text(PLANT.replace("SECRET", str(secret)))
    shown = call(program, "show", "--json", path)
    if shown.returncode != 0:
        return [f"origins: {shown.stderr}"]
    faults = []
    settings = {s["path"]: s for s in json.loads(shown.stdout)["settings"]}
    for key, value, origin, file, line in ORIGINS:
        s = settings.get(key, {})
        right = (s.get("value"), s.get("origin")) == (value, origin)
        right = right and (s.get("file") is None) == (file is None)
        right = right and (not file or s["file"].endswith(file)) and (not line or s["line"] == line)
        faults += [] if right else [f"{key}: {s}"]
    text = call(program, "show", "--origin", path).stdout
    for line in ("type pump, " + str(path) + ":13", "# built-in", str(path) + ":15"):
        faults += [] if line in text else [f"not among the origins: {line}"]
    if "correct-horse" in shown.stdout + text + shown.stderr:
        faults.append("the secret is printed")
    return faults


def differences(program, folder):
    old, new = folder / "old.yaml", folder / "new.yaml"
    base = PLANT.replace("mqtts://broker.example", "").replace("SECRET", "/nowhere")
    old.write_text(base)
    new.write_text(base.replace("high: 70", "high: 80").replace("unit: 7", "unit: 8")
                   .replace("name: own", "name: new"))
    diff = call(program, "diff", old, new)
    wanted = ["added: device new", "removed: device own", "added: machine new", "removed: machine own",
              "changed: machine m: temp.limits.high: 70 -> 80"]
    faults = [] if diff.returncode == 0 and diff.stdout.splitlines() == wanted else [diff.stdout + diff.stderr]
    new.write_text(base + "store: {history: off}\n")
    diff = call(program, "diff", old, new, "--json")
    found = json.loads(diff.stdout)
    right = diff.returncode == 1 and found["needs_restart"] and len(found["changes"]) == 1
    return faults if right else faults + [f"{diff.returncode} {diff.stdout}{diff.stderr}"]


def main():
    program = os.path.join(sys.argv[1], "millwright")
    faults = []
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        texts = {p.stem: p.read_text() for p in sorted((CONFIG / "examples").glob("*.yaml"))}
        texts["every-setting"] = every_setting()
        texts["installed"] = (CONFIG / "millwright.yaml").read_text()
        for stem, text in texts.items():
            faults += goes_round(program, folder, stem, text)
        faults += nothing_is_left_out(program, folder)
        faults += origins(program, folder)
        faults += differences(program, folder)
    print("\n".join(faults) or f"{len(texts)} files go round; all is right")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
