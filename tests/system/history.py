# SPDX-License-Identifier: Apache-2.0
"""What is kept of a machine can be read while the daemon runs: raw frames and rollups, as text and as JSON, the same
over a restart; wrong questions get a word and a status. With history off or in memory alone a quiet time writes
nothing, by the daemon's count and by the files."""
import json
import os
import sys
import tempfile
import time

here = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(here, "../../simulator")]
sys.dont_write_bytecode = True
from plant import Plant, wait_until  # noqa: E402

PROFILES = os.path.join(here, "../../fieldbus/profiles")
QUIET_S = 8
CONFIG = """
version: 1
gateway: {{name: gw, site: test, spool: {folder}/spool, socket: {folder}/control}}
buses:
  - {{name: field, tcp: {{host: 127.0.0.1, port: {field}}}, timeout: 1s}}
devices:
  - name: sensor
    bus: field
    unit: 1
    points: [{{name: a, address: 0, type: float32}}, {{name: b, address: 2, type: float32}}]
machines:
  - name: pump
    device: sensor
    period: 20ms
    channels: [{{point: a, stuck: never}}, {{point: b, stuck: never}}]
    trend: {{enabled: false}}
mqtt: {{uri: "mqtt://127.0.0.1:{broker}", client_id: history, keepalive: 5s}}
store: {{path: {folder}/store.db, history: {history}, block: 1s}}
"""


def start(plant, folder, history):
    with open(plant.path("rows.csv"), "w") as f:
        f.write("datetime;a;b\n")
        for row in range(20000):
            f.write(f"2026-01-01 00:00:00;{50 + row % 7};{row % 11 / 4}\n")
    where = plant.simulate("--csv", plant.path("rows.csv"), "--tcp", "0", "--loop", "yes")
    plant.start_broker()
    plant.write_config(CONFIG.format(folder=folder, field=next(iter(where.values())), broker=plant.broker_port,
                                     history=history))
    plant.start_gateway(PROFILES)


def ask(plant, *arguments, status=0):
    done = plant.millwright("history", *arguments, "--socket", plant.socket)
    assert done.returncode == status, (arguments, done)
    return done.stdout if status == 0 else done.stderr


def check_raw(plant):
    lines = ask(plant, "pump", "--step", "raw").splitlines()
    assert lines[0] == "datetime;a;b;score", lines[0]
    for line in lines[1:]:
        at, a, b, score = line.split(";")
        assert at.endswith("Z") and 50 <= float(a) <= 56 and 0 <= float(b) <= 2.5 and score == "", line
    assert [x.split(";")[0] for x in lines[1:]] == sorted(x.split(";")[0] for x in lines[1:])
    row = json.loads(ask(plant, "pump", "--step", "raw", "--json", "--point", "b").splitlines()[0])
    assert set(row) == {"datetime", "b"} and isinstance(row["b"], (int, float)), row
    assert ask(plant, "pump", "--step", "raw", "--point", "a").splitlines()[0] == "datetime;a"
    return len(lines) - 1


def check_rollups(plant, step, span_s):
    lines = ask(plant, "pump", "--step", step).splitlines()
    assert lines[0] == "datetime;span_s;point;n;min;mean;max", lines[0]
    n = {"a": 0, "b": 0}
    for line in lines[1:]:
        _, span, point, count, least, mean, most = line.split(";")
        assert int(span) == span_s and float(least) <= float(mean) <= float(most), line
        assert (50, 56) == (float(least), float(most)) or point == "b", line
        n[point] += int(count)
    assert n["a"] == n["b"] > 0, lines  # no model: the score has no line
    row = json.loads(ask(plant, "pump", "--step", step, "--json", "--point", "a").splitlines()[0])
    assert row["point"] == "a" and row["n"] <= n["a"] and row["span_s"] == span_s, row
    return n["a"]


def check_words(plant):
    assert "no such machine" in ask(plant, "fan", status=66)
    assert "no such point" in ask(plant, "pump", "--point", "c", status=66)
    assert "none of raw, 10min and 1h" in ask(plant, "pump", "--step", "5min", status=64)
    assert "is no time" in ask(plant, "pump", "--from", "2026-02-30", status=64)
    assert "not before" in ask(plant, "pump", "--from", "1h", "--to", "2h", status=64)
    assert "is no name" in ask(plant, "pu;mp", status=64)
    done = plant.millwright("history", "pump", "--from", "2020-01-01", "--to", "2020-01-02", "--socket",
                            plant.socket)
    assert done.returncode == 0 and "nothing is kept" in done.stderr, done


def reading():
    with tempfile.TemporaryDirectory() as folder:
        plant = Plant(sys.argv[1], folder)
        try:
            start(plant, folder, "90d")
            wait_until(lambda: plant.status()["store"]["history_frames"] > 300, 60, "history")
            raw = check_raw(plant)
            assert raw > 250, raw
            assert plant.stop_gateway() == 0
            plant.start_gateway(PROFILES)
            after = check_raw(plant)
            rolled_up = check_rollups(plant, "10min", 600)
            assert after > raw and after >= rolled_up > raw, (raw, after, rolled_up)
            assert check_rollups(plant, "1h", 3600) == rolled_up
            check_words(plant)
        finally:
            plant.close()
    return after


def files(folder):
    """Size and time of the last change of all files of the database."""
    found = {}
    for name in os.listdir(folder):
        if name.startswith("store.db"):
            about = os.stat(os.path.join(folder, name))
            found[name] = (about.st_size, about.st_mtime_ns)
    return found


def quiet(history):
    with tempfile.TemporaryDirectory() as folder:
        plant = Plant(sys.argv[1], folder)
        try:
            start(plant, folder, history)
            wait_until(lambda: plant.status()["broker"]["state"] == "up" and
                       plant.status()["machines"][0]["frames"] > 100, 60, "a connected gateway")
            previous = None

            def is_settled():  # the start's states are stored
                nonlocal previous
                now = plant.status()["store"]["bytes_written"]
                time.sleep(0.5)
                settled, previous = now == previous, now
                return settled
            wait_until(is_settled, 30, "the start's writing")
            before, count = files(folder), plant.status()["store"]
            until = time.monotonic() + QUIET_S
            frames = plant.status()["machines"][0]["frames"]
            wait_until(lambda: time.monotonic() > until, QUIET_S + 5, "a quiet time")
            after = plant.status()
            assert after["machines"][0]["frames"] > frames + 20 * QUIET_S
            assert after["broker"]["state"] == "up"
            assert files(folder) == before, (before, files(folder))
            assert after["store"]["bytes_written"] == count["bytes_written"], (count, after["store"])
            assert after["store"]["syncs"] == count["syncs"], (count, after["store"])
            if history == "ram":
                assert len(ask(plant, "pump", "--step", "raw").splitlines()) > 100
            text = plant.millwright("status", "--socket", plant.socket).stdout
            assert f"history {history} " in text and "written " in text, text
        finally:
            plant.close()


def main():
    n = reading()
    quiet("off")
    quiet("ram")
    print(f"{n} frames read back; nothing written in a quiet time with history off or in RAM")


main()
