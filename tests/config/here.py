# SPDX-License-Identifier: Apache-2.0
"""The files a configuration names on this computer: warnings of millwright check, errors with --here
and of millwrightd; nothing is written. And what millwrightd says where there is no configuration."""
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile

EXIT_NO_INPUT, EXIT_IO, EXIT_CONFIG = 66, 74, 78
CONFIG = """version: 1
buses: [{{name: b, tcp: {{host: 192.0.2.1}}}}]
devices:
  - {{name: d, bus: b, unit: 1, points: [{{name: a, address: 0}}, {{name: b, address: 1}}]}}
machine_types:
  - name: pump
    channels: [{{point: a}}, {{point: {second}}}]
    model:
      file: {model}
machines:
  - {{name: m, device: d, type: pump}}
  - name: n
    device: d
    type: pump
    model: {{file: {own}}}
mqtt:
  uri: mqtts://broker.example
  username: u
  ca_file: {ca}
  password_file: {password}
"""


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout, done.stderr


def train(program, folder):
    rng = random.Random(1)
    rows = [f"2026-01-01 00:00:00;{rng.gauss(0, 1):.5f};{rng.gauss(0, 1):.5f}" for _ in range(400)]
    (folder / "data.csv").write_text("datetime;a;b\n" + "\n".join(rows) + "\n")
    status, _, err = run(program, "train", "--csv", folder / "data.csv", "--rows", "0:400", "--no-ae",
                         "--out", folder / "m.tflite")
    assert status == 0, err


def prepare(program, folder):
    """Files right and wrong; root reads everything, so a missing right is not tried."""
    train(program, folder)
    (folder / "ca").write_text("x")
    (folder / "text").write_text("no model")
    (folder / "empty").write_text("")
    for name, mode in (("password", 0o600), ("open", 0o644), ("lines", 0o600)):
        (folder / name).write_text("one\ntwo\n" if name == "lines" else "secret\n")
        (folder / name).chmod(mode)
    os.mkfifo(folder / "fifo", 0o600)


CASES = [  # what is changed; line:column and the words of each complaint
    ({}, []),
    ({"password": "absent"}, [("20:18: mqtt.password_file: ", "absent' does not exist")]),
    ({"password": "fifo"}, [("20:18: mqtt.password_file: ", "fifo' is no regular file")]),
    ({"password": "open"}, [("20:18: mqtt.password_file: ", "can be read by others")]),
    ({"password": "lines"}, [("20:18: mqtt.password_file: ", "must hold one line")]),
    ({"password": "empty"}, [("20:18: mqtt.password_file: ", "")]),
    ({"ca": "absent"}, [("19:12: mqtt.ca_file: ", "absent' does not exist")]),
    ({"ca": "."}, [("19:12: mqtt.ca_file: ", "is no regular file")]),
    ({"model": "absent"}, [("9:13: machine_types[0].model.file: ", "absent' does not exist")]),
    ({"own": "text"}, [("15:19: machines[1].model.file: ", "is no model for machine 'n'")]),
    ({"own": "empty", "ca": "absent"}, [("15:19: machines[1].model.file: ", ""),
                                        ("19:12: mqtt.ca_file: ", "")]),
    ({"second": "b, name: c"}, [("9:13: machine_types[0].model.file: ", "channel 1 b is none of the machine's"),
                                ("15:19: machines[1].model.file: ", "channel 1 b is none of the machine's")]),
]


def judge(programs, folder, changes, expected):
    names = {"model": "m.tflite", "own": "m.tflite", "ca": "ca", "password": "password", **changes}
    second = names.pop("second", "b")
    path = folder / "millwright.yaml"
    path.write_text(CONFIG.format(second=second, **{k: folder / v for k, v in names.items()}))
    check, daemon = programs / "millwright", programs / "millwrightd"
    wrong = EXIT_CONFIG if expected else 0
    before = sorted(os.listdir(folder))
    for command, status_wanted, sort in (((check, "check", path), 0, "warning: "),
                                         ((check, "check", path, "--here"), wrong, ""),
                                         ((daemon, "--check", path), wrong, ""),
                                         ((daemon, "--config", path), wrong, "")):
        # A start goes on without a model, and a right configuration would start.
        if command[1] == "--config" and (not expected or any("model" in e[0] for e in expected)):
            continue
        status, out, err = run(*command)
        lines = [line for line in err.splitlines() if line.startswith(f"{path}:") and
                 not line.endswith((" error", " errors"))]
        assert status == status_wanted, (command, status, out, err)
        assert len(lines) == len(expected), (command, err)
        for line, (place, words) in zip(lines, expected):
            assert line.startswith(f"{path}:{place}{sort}'") and words in line, (line, place, words)
    status, out, _ = run(check, "check", path, "--json")
    told = json.loads(out)
    assert (status, len(told["errors"]), len(told["warnings"])) == (0, 0, len(expected)), out
    assert told["machines"] == 2, out
    status, out, _ = run(check, "check", path, "--json", "--here")
    told = json.loads(out)
    assert (status, len(told["errors"]), len(told["warnings"])) == (wrong, len(expected), 0), out
    assert sorted(os.listdir(folder)) == before, "a file was written"


def no_configuration(daemon, folder):
    for option in ("--config", "--check"):
        status, _, err = run(daemon, option, folder / "nosuch")
        assert (status, err) == (EXIT_NO_INPUT, f"{folder}/nosuch: there is no such file\n"), err
        status, _, err = run(daemon, option, folder)
        assert status == EXIT_IO and err.startswith(f"{folder}: cannot be read"), err


def main():
    programs = pathlib.Path(sys.argv[1])
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        prepare(programs / "millwright", folder)
        for changes, expected in CASES:
            judge(programs, folder, changes, expected)
        no_configuration(programs / "millwrightd", folder)
    print(f"{len(CASES)} cases are judged alike")
    return 0


if __name__ == "__main__":
    sys.exit(main())
