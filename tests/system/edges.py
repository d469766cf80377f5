# SPDX-License-Identifier: Apache-2.0
"""A recorded CSV served over Modbus TCP and over RTU gives the same alarm edges, row by row, as
'millwright replay' gives for the file."""
import bisect
import csv
import glob
import json
import os
import random
import subprocess
import sys
import tempfile
import threading

here = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(here, "../../simulator")]
sys.dont_write_bytecode = True
from plant import Plant, wait_until  # noqa: E402

TRAIN = 400
WINDOW = 16
CONFIG = """
version: 1
gateway: {{name: gw, site: test, spool: {folder}/spool, socket: {folder}/control}}
buses:
  - {{name: field, {wire}, timeout: 2s, turnaround: 100ms}}
devices:
  - name: sensor
    bus: field
    unit: 1
    points:
{points}
machines:
  - name: machine
    device: sensor
    period: 40ms
    channels:
{channels}
    model: {{file: {folder}/model.tflite}}
    trend: {{enabled: false}}
mqtt: {{uri: "mqtt://127.0.0.1:{broker}", client_id: edges-{name}}}
store: {{path: {folder}/store.db}}
"""


def synthetic(path):
    """Six noisy channels that follow a common load, and two faults after the training rows."""
    rng = random.Random(3)
    load = 0.0
    with open(path, "w") as f:
        f.write("datetime;" + ";".join(f"c{i}" for i in range(6)) + "\n")
        for row in range(800):
            load = 0.95 * load + rng.gauss(0, 0.3)
            values = [0.6 * load + rng.gauss(0, 0.5) for _ in range(6)]
            if 470 <= row < 560:
                values[2] += 5.0
            if 640 <= row < 700:
                values[4] -= 7.0
            f.write("2026-01-01 00:00:00;" + ";".join(f"{v:.5f}" for v in values) + "\n")


def without_labels(source, path):
    with open(source) as f, open(path, "w", newline="") as out:
        rows = list(csv.reader(f, delimiter=";"))
        keep = [i for i, name in enumerate(rows[0]) if name not in ("anomaly", "changepoint")]
        csv.writer(out, delimiter=";").writerows([[row[i] for i in keep] for row in rows])


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, f"{command}: {done.stderr}"


def replay_edges(program, folder, context):
    data, model = f"{folder}/data.csv", f"{folder}/model.tflite"
    run(program, "train", "--csv", data, "--rows", f"0:{TRAIN}", *context, "--out", model)
    run(program, "replay", "--model", model, "--csv", data, "--reanchor", "never",
        "--out", f"{folder}/verdicts.csv")
    with open(f"{folder}/verdicts.csv") as f:
        states = [int(row["prediction"]) for row in csv.DictReader(f, delimiter=";")]
    return [(row, "raised" if states[row] else "cleared")
            for row in range(1, len(states)) if states[row] != states[row - 1]]


def name_of(column):
    return column.replace(" ", "_")


def config(plant, columns, context, wire, name):
    points = "\n".join(f"      - {{name: {name_of(c)}, address: {2 * i}, type: float32}}"
                       for i, c in enumerate(columns))
    channels = "\n".join(
        f"      - {{point: {name_of(c)}, stuck: never, no_data: 1h, "
        f"role: {'context' if c in context else 'score'}}}" for c in columns)
    return CONFIG.format(folder=plant.folder, wire=wire, points=points, channels=channels,
                         broker=plant.cable.port, name=name)


def live_edges(programs, source, context, kind, name):
    with tempfile.TemporaryDirectory() as folder:
        plant = Plant(programs, folder)
        try:
            with open(source) as f, open(plant.path("data.csv"), "w") as out:
                head = f.readline()
                # Names of points have no spaces; the model is matched by name.
                out.write(head.replace(" ", "_") + f.read())
            columns = head.strip().split(";")[1:]
            program = os.path.join(programs, "millwright")
            flags = ["--context", ",".join(context)] if context else []
            expected = replay_edges(program, folder, flags)
            first = TRAIN - WINDOW + 1
            n_rows = sum(1 for _ in open(source)) - 1 - first
            target = ["--tcp", "0"] if kind == "tcp" else ["--rtu", plant.path("line")]
            where = plant.simulate("--csv", plant.path("data.csv"), "--rows", f"{first}:", *target,
                                   "--log", plant.path("rows.log"))
            wire = (f"tcp: {{host: 127.0.0.1, port: {next(iter(where.values()))}}}"
                    if kind == "tcp" else f"rtu: {{device: {plant.path('line')}, baud: 115200}}")
            plant.start_broker()
            messages = plant.subscribe()
            plant.write_config(config(plant, columns, context, wire, name))
            plant.start_gateway(os.path.join(here, "../../fieldbus/profiles"))
            wait_until(lambda: sum(1 for _ in open(plant.path("rows.log"))) >= n_rows, 120,
                       f"{name} {kind}: all {n_rows} rows served")
            machine = plant.status()["machines"][0]
            wait_until(lambda: sum(a["class"] == "machine" and a["event"] in ("raised", "cleared")
                           for a in messages.alerts()) >= len(expected), 10, f"{name} {kind}: {len(expected)} alerts, "
                       f"got {json.dumps(messages.alerts())[:600]} {machine}")
            served = [tuple(map(int, line.split(";"))) for line in open(plant.path("rows.log"))]
            times = [at for _, at in served]
            edges = []
            for alert in messages.alerts():
                if alert["class"] == "machine" and alert["event"] in ("raised", "cleared"):
                    # A value wears the time of its request: after the row before had left, before
                    # its own did.
                    at = bisect.bisect_left(times, alert["ts_ms"] * 1000)
                    edges.append((served[at][0], alert["event"]))
                    assert alert["detector"] == "model", alert
            return expected, edges
        finally:
            plant.close()


def compare(programs, source, context, kind, name, failures):
    try:
        expected, edges = live_edges(programs, source, context, kind, name)
        # Rows are numbered as in the file, whatever part of it was served.
        print(f"{name} over {kind}: {len(edges)} edges, "
              f"{'equal' if edges == expected else 'DIFFERENT'}", flush=True)
        if edges != expected:
            failures.append(f"{name} {kind}: replay {expected}, live {edges}")
    except Exception as error:  # every thread's failure is reported
        failures.append(f"{name} {kind}: {error!r}")


def main():
    failures = []
    with tempfile.TemporaryDirectory() as folder:
        synthetic(f"{folder}/synthetic.csv")
        jobs = [(f"{folder}/synthetic.csv", [], "synthetic")]
        shared = os.path.join(os.environ.get("MW_SHARED", "/nonexistent"), "data/skab")
        if os.path.isdir(shared):
            without_labels(glob.glob(f"{shared}/valve1/0.csv")[0], f"{folder}/valve1_0.csv")
            jobs.append((f"{folder}/valve1_0.csv", ["Temperature", "Thermocouple"], "valve1_0"))
        else:
            print("no recorded data here: the synthetic file alone")
        threads = [threading.Thread(target=compare, args=(sys.argv[1], *job[:2], kind, job[2], failures))
                   for job in jobs for kind in ("tcp", "rtu")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    for failure in failures:
        print("FAILED", failure)
    sys.exit(1 if failures else 0)


main()
