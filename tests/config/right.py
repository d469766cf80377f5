# SPDX-License-Identifier: Apache-2.0
"""What is right loads: the examples, the installed file as it is and with every setting in use, the
profiles, and 500 machines in one file within a second. Checking writes nothing."""
import json
import os
import pathlib
import re
import sys
import tempfile

from broken import HERE, MAX_RSS_KIB, PROFILES, SANITIZED, check

CONFIG = HERE.parent.parent / "config"
MAX_SECONDS = 1.0


def loads(program, path):
    status, out, err, _, _ = check(program, path, "--json")
    if status != 0 or err:
        return None, [f"{path.name}: exit status {status}\n{out}{err}"]
    return json.loads(out), []


def examples(program):
    faults, n = [], 0
    for path in sorted((CONFIG / "examples").glob("*.yaml")):
        summary, wrong = loads(program, path)
        faults += wrong
        n += 1
        if summary and (not summary["machines"] or not summary["polled"]):
            faults.append(f"{path.name}: watches nothing: {summary}")
    return faults if n >= 6 else faults + ["too few examples"]


def installed(program):
    """As installed nothing is polled; uncommented, every setting is known and in its range."""
    summary, faults = loads(program, CONFIG / "millwright.yaml")
    if summary and (summary["buses"] or summary["machines"]):
        faults.append("the installed file polls something")
    text = (CONFIG / "millwright.yaml").read_text()
    text = re.sub(r"(?m)^(\w+): (\[\]|\{\})$", r"\1:", text)
    text = re.sub(r"(?m)^#(  +[-\w])", r"\1", text)
    text = re.sub(r"(?m)^  # (\w+:)", r"  \1", text)
    text = text.replace('uri: ""', 'uri: "mqtts://broker.example:8883"')
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "every-setting.yaml"
        path.write_text(text)
        summary, wrong = loads(program, path)
        faults += wrong
        if summary and (summary["buses"], summary["devices"], summary["machines"]) != (2, 2, 3):
            faults.append(f"not every setting is in use: {summary}")
    return faults


def profiles(program):
    faults = []
    with tempfile.TemporaryDirectory() as folder:
        for profile in sorted(PROFILES.glob("*.yaml")):
            path = pathlib.Path(folder) / "one.yaml"
            path.write_text("version: 1\nbuses:\n  - {name: b, tcp: {host: 192.0.2.1}}\ndevices:\n"
                            f"  - {{name: d, bus: b, unit: 1, profile: {profile.stem}}}\n")
            summary, wrong = loads(program, path)
            faults += [f"{profile.name}: {w}" for w in wrong]
            if summary and not summary["points"]:
                faults.append(f"{profile.name} has no points")
    return faults


def five_hundred(program):
    """As many machines as there may be, each with a sensor of 17 points."""
    text = ["version: 1", "buses:"]
    text += [f"  - {{name: b{i}, rtu: {{device: /dev/ttyS{i}, parity: none}}}}" for i in range(50)]
    text += ["devices:"]
    text += [f"  - {{name: d{i}, bus: b{i // 10}, unit: {i % 10 + 1}, profile: banner-qm30vt2}}"
             for i in range(500)]
    text += ["machine_types:", "  - name: pump", "    period: 1s", "    channels:"]
    text += [f"      - {{point: {p}, limits: {{high: 4.5, high_high: 7.1}}}}"
             for p in ("vel_rms_z", "vel_rms_x", "acc_rms_z", "acc_rms_x", "temp")]
    text += ["machines:"]
    text += [f"  - {{name: m{i}, type: pump, device: d{i}}}" for i in range(500)]
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "plant.yaml"
        path.write_text("\n".join(text) + "\n")
        status, out, err, seconds, rss = check(program, path, "--json")
        if status != 0:
            return [f"500 machines: {status} {out[:300]} {err[:300]}"]
        summary = json.loads(out)
        if (summary["machines"], summary["points"], summary["polled"]) != (500, 8500, 2500):
            return [f"500 machines: {out[:300]}"]
        print(f"500 machines: {seconds:.3f} s, {rss} KiB, {path.stat().st_size} bytes")
        if not SANITIZED and (seconds > MAX_SECONDS or rss > MAX_RSS_KIB):
            return [f"500 machines: {seconds:.2f} s, {rss} KiB"]
        if os.listdir(folder) != ["plant.yaml"]:
            return ["a file was written"]
    return []


def busy_line(program):
    """A warning above 80 % of a line, an error above all of it."""
    faults = []
    for period, status_wanted, word in (("45ms", 0, "warning"), ("20ms", 78, "more than it can"),
                                        ("1s", 0, "predicted load 4 %")):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "busy.yaml"
            path.write_text("version: 1\nbuses: [{name: b, rtu: {device: /dev/ttyS1}}]\ndevices:\n"
                            "  - {name: d, bus: b, unit: 1, profile: banner-qm30vt2}\nmachines:\n"
                            f"  - {{name: m, device: d, period: {period}, channels: [{{point: "
                            "vel_rms_z}, {point: acc_hf_rms_x}, {point: freq_z}, {point: "
                            "crest_z}]}\n")
            status, out, err, _, _ = check(program, path)
            if status != status_wanted or word not in out + err:
                faults.append(f"busy line at {period}: {status} {out}{err}")
    return faults


def main():
    program = os.path.join(sys.argv[1], "millwright")
    faults = (examples(program) + installed(program) + profiles(program) + five_hundred(program)
              + busy_line(program))
    print("\n".join(faults) or "all is right")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
