# SPDX-License-Identifier: Apache-2.0
"""The demonstration: a simulated hall, or a recorded CSV, through every real part of Millwright.

Called by ./demo with the folder of the programs. Exit status 0 only if every planted fault was
reported and no healthy machine was.
"""
import argparse
import bisect
import csv
import json
import os
import re
import shutil
import signal
import sys
import tempfile
import threading
import time

sys.dont_write_bytecode = True
here = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, here)
from plant import Plant, wait_until  # noqa: E402

PROFILES = os.path.join(here, "../fieldbus/profiles")
FAULTS_S = 72   # the scenario's faults, in real seconds
CUT_AT_S, CUT_FOR_S = 26, 14
MACHINE_FAULTS = ("imbalance", "bearing_wear", "misalignment", "blocked_cooling", "loose_mounting")


def say(text=""):
    print(text, flush=True)


def word(alert, started):
    clock = f"{time.time() - started:6.1f} s"
    where = alert.get("point") or alert.get("machine") or alert.get("device", "")
    late = "  (delivered late)" if alert["replayed"] else ""
    return (f"{clock}  {alert['event']:<11} {alert['class']:<8} {alert['severity']:<9} "
            f"{alert['message']}  [{where}]{late}")


def printer(started):
    def show(message):
        if message[1].endswith("/alert"):
            say(word(message[3], started))
    return show


# ---- the hall ----

def prepare_hall(plant, speed):
    """Scenario and configuration with this plant's own ports and paths."""
    with open(os.path.join(here, "scenarios/hall.yaml")) as f:
        scenario = re.sub(r"tcp: \d+", "tcp: 0", f.read())
    with open(plant.path("hall.yaml"), "w") as f:
        f.write(scenario)
    where = plant.simulate(plant.path("hall.yaml"), "--speed", str(speed), "--faults-on-signal",
                           "--events", plant.path("events"))
    with open(os.path.join(here, "scenarios/hall-millwright.yaml")) as f:
        config = f.read()
    config = re.sub(r"(host: 127\.0\.0\.1, port: )\d+", rf"\g<1>{where['plc']}", config)
    config = re.sub(r"(device: )\S*field\.rtu", rf"\g<1>{plant.path('field.rtu')}", config)
    config = re.sub(r"(uri: \"?mqtt://)[^\"\s,}]+", rf"\g<1>127.0.0.1:{plant.cable.port}", config)
    config = re.sub(r"(spool: )[^\s,}]+", rf"\g<1>{plant.spool}", config)
    config = re.sub(r"(socket: )[^\s,}]+", rf"\g<1>{plant.socket}", config)
    config = re.sub(r"(path: )[^\s,}]+\.db", rf"\g<1>{plant.path('store.db')}", config)
    plant.write_config(config)


def learn_all(plant, names):
    failures = []

    def learn(name):
        answer = plant.millwright("learn", name, "--socket", plant.socket, timeout=150)
        if answer.returncode != 0:
            failures.append(f"{name}: {answer.stderr.strip()}")

    threads = [threading.Thread(target=learn, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    shown = 0
    while any(thread.is_alive() for thread in threads):
        time.sleep(0.5)
        learning = [m["learn"] for m in plant.status()["machines"]]
        share = sum({"collecting": 0.9 * p["percent"], "training": 90 + 0.1 * p["percent"],
                     "installing": 100, "done": 100}.get(p["phase"], 0) for p in learning) / len(learning)
        if share >= shown + 20:
            shown = int(share // 20 * 20)
            say(f"  learning, {shown} %")
    if failures:
        raise RuntimeError("learning failed: " + "; ".join(failures))


def run_faults(plant):
    plant.field.send_signal(signal.SIGUSR1)
    begin = time.monotonic()
    cut = mended = False
    while (now := time.monotonic() - begin) < FAULTS_S:
        if not cut and now >= CUT_AT_S:
            say(f"         -- the broker is cut off for {CUT_FOR_S} s: polling and detection go on --")
            plant.cable.cut()
            cut = True
        if cut and not mended and now >= CUT_AT_S + CUT_FOR_S:
            say("         -- the broker is back --")
            plant.cable.mend()
            mended = True
        time.sleep(0.1)
    wait_until(lambda: plant.status()["store"]["outbox_waiting"] == 0, 70, "the outbox to drain")


def judge(events, alerts):
    """Words for each planted fault, and what went wrong."""
    rows, problems, excused = [], [], set()
    for event in (e for e in events if e["event"] == "begin"):
        kind, machine, points = event["kind"], event.get("machine"), event.get("points", [])
        since = event["at_us"] / 1000 - 1000
        if kind in MACHINE_FAULTS:
            excused.add(machine)
            found = [a for a in alerts if a["class"] == "machine" and a.get("machine") == machine]
            subject = machine
        elif kind == "dead_slave":
            subject = event.get("device") or points[0].split(".")[0]
            found = [a for a in alerts if a["class"] == "device" and subject in
                     (a.get("device"), a.get("machine"))]
        else:
            subject = points[0] if points else machine
            found = [a for a in alerts if a["class"] == "sensor" and a.get("point") == subject]
            if kind == "drifting_sensor":
                excused.add(machine)
        raised = [a for a in found if a["event"] == "raised" and a["ts_ms"] >= since]
        cleared = [a for a in found if a["event"] == "cleared" and a["ts_ms"] >= since]
        if raised:
            first = raised[0]
            rows.append(f"  {kind:<16} on {subject:<26} raised after "
                        f"{(first['ts_ms'] - event['at_us'] / 1000) / 1000:5.1f} s by {first['detector']:<7}"
                        f" blaming {first.get('point') or '-'}"
                        + (", cleared" if cleared else ", still active"))
        else:
            rows.append(f"  {kind:<16} on {subject:<26} NOT REPORTED")
            problems.append(f"{kind} on {subject} was not reported")
    for alert in alerts:
        if alert["class"] == "machine" and alert["event"] == "raised" and alert["machine"] not in excused:
            problems.append(f"{alert['machine']} is healthy but was reported: {alert['message']}")
    return rows, problems


def read_events(path):
    with open(path) as f:
        return [json.loads(line) for line in f]


def summary(plant, alerts, rows, problems, first_fault_ms):
    status = plant.status()
    broker, before = status["broker"], [a for a in alerts if a["ts_ms"] < first_fault_ms]
    late = [a for a in alerts if a["replayed"]]
    say()
    say("Summary")
    say(f"  {status['polls']} polls answered, {status['windows']} windows judged on "
        f"{len(status['machines'])} machines with {len(status['devices'])} devices.")
    say(f"  {status['bytes_polled']} bytes were read from the field, {broker['bytes_published']} bytes "
        f"published: {broker['bytes_published'] / max(status['bytes_polled'], 1) * 100:.1f} %.")
    say(f"  {len(alerts)} alerts received, {len(late)} of them delivered late after the outage, "
        f"{status['store']['outbox_waiting']} waiting, {status['store']['outbox_dropped']} lost.")
    if before:
        say(f"  {len(before)} alerts came before any fault was planted.")
    say("Planted faults")
    for row in rows:
        say(row)
    names = [m["name"] for m in status["machines"]]
    quiet = [n for n in names if not any(a.get("machine") == n for a in alerts)]
    say(f"  quiet throughout: {', '.join(quiet) or 'none'}")
    if not late:
        problems.append("no alert was delivered late: the outage proved nothing")
    if len({a["id"] for a in alerts}) != broker["delivered"] and status["store"]["outbox_dropped"]:
        problems.append("alerts were lost")


def hall(plant, speed):
    started = time.time()
    plant.start_broker()
    plant.subscribe(printer(started))
    prepare_hall(plant, speed)
    plant.start_trainer()
    plant.start_gateway(PROFILES)
    names = [m["name"] for m in plant.status()["machines"]]
    say(f"{len(names)} machines are polled; learning how each behaves when it is well.")
    learn_all(plant, names)
    say(f"Every model is at work after {time.time() - started:.0f} s. Faults are planted now; "
        "what follows is what an MQTT subscriber receives.")
    run_faults(plant)
    events = read_events(plant.path("events"))
    begins = [e["at_us"] / 1000 for e in events if e["event"] == "begin"]
    alerts = list({a["id"]: a for a in plant.messages.alerts()}.values())
    rows, problems = judge(events, alerts)
    summary(plant, alerts, rows, problems, min(begins, default=0))
    return problems


# ---- a recorded CSV ----

def read_csv(path):
    with open(path, newline="") as f:
        head = f.readline()
        f.seek(0)
        rows = [row for row in csv.reader(f, delimiter=";" if ";" in head else ",") if any(row)]
    if len(rows) < 101 or any(len(row) != len(rows[0]) for row in rows):
        raise RuntimeError(f"{path}: not a table of at least 100 rows with equally many columns")
    return rows


def csv_config(plant, columns, port):
    is_context = re.compile(r"temp|thermo", re.I)
    points = "".join(f"      - {{name: {c}, address: {2 * i}, type: float32}}\n"
                     for i, c in enumerate(columns))
    channels = "".join(f"      - {{point: {c}, stuck: never, no_data: 1h, role: "
                       f"{'context' if is_context.search(c) else 'score'}}}\n" for c in columns)
    plant.write_config(
        f"version: 1\ngateway: {{name: demo, spool: {plant.spool}, socket: {plant.socket}}}\n"
        f"buses:\n  - {{name: field, tcp: {{host: 127.0.0.1, port: {port}}}, timeout: 1s}}\n"
        f"devices:\n  - name: recorded\n    bus: field\n    unit: 1\n    points:\n{points}"
        f"machines:\n  - name: recorded\n    device: recorded\n    period: 20ms\n    channels:\n{channels}"
        f"    model: {{file: {plant.path('model.tflite')}}}\n    trend: {{enabled: false}}\n"
        f"mqtt: {{uri: \"mqtt://127.0.0.1:{plant.cable.port}\"}}\n"
        f"store: {{path: {plant.path('store.db')}}}\n")
    return [c for c in columns if is_context.search(c)]


def replay_csv(plant, path):
    table = read_csv(path)
    labels = [i for i, name in enumerate(table[0]) if name in ("anomaly", "changepoint")]
    keep = [i for i in range(len(table[0])) if i not in labels]
    columns = [re.sub(r"[^A-Za-z0-9_-]", "_", table[0][i])[:32] for i in keep[1:]]
    rows = [[row[i] for i in keep] for row in table[1:]]
    train = min(400, len(rows) // 2)
    with open(plant.path("data.csv"), "w", newline="") as f:
        csv.writer(f, delimiter=";").writerows([["datetime", *columns], *rows])

    started = time.time()
    plant.start_broker()
    plant.subscribe(printer(started))
    first = max(train - 15, 0)
    where = plant.simulate("--csv", plant.path("data.csv"), "--rows", f"{first}:", "--tcp", "0",
                           "--log", plant.path("rows"))
    context = csv_config(plant, columns, next(iter(where.values())))
    flags = ["--context", ",".join(context)] if context else []
    answer = plant.millwright("train", "--csv", plant.path("data.csv"), "--rows", f"0:{train}", *flags,
                              "--out", plant.path("model.tflite"))
    if answer.returncode != 0:
        raise RuntimeError(answer.stderr.strip())
    say(f"Learned from rows 0 to {train - 1}; the rest is served over Modbus TCP, a row every 20 ms.")
    plant.start_gateway(PROFILES)
    wait_until(lambda: sum(1 for _ in open(plant.path("rows"))) >= len(rows) - first,
               60 + len(rows) * 0.05, "the last row")
    wait_until(lambda: plant.status()["store"]["outbox_waiting"] == 0, 30, "the outbox to drain")
    served = [tuple(map(int, line.split(";"))) for line in open(plant.path("rows"))]
    times, status = [at for _, at in served], plant.status()
    say()
    say("Summary")
    say(f"  {status['polls']} polls, {status['windows']} windows judged; {status['bytes_polled']} bytes read, "
        f"{status['broker']['bytes_published']} published.")
    for alert in plant.messages.alerts():
        if alert["class"] == "machine":
            row = served[bisect.bisect_right(times, alert["ts_ms"] * 1000 + 5000) - 1][0]
            say(f"  row {row:>6} ({table[1 + row][0]}): {alert['event']}, {alert['message']}")
    if labels and table[0][labels[0]] == "anomaly":
        marks = [float(row[labels[0]] or 0) for row in table[1:]]
        edges = [i for i in range(1, len(marks)) if marks[i] != marks[i - 1] and i >= train]
        say(f"  The file itself marks changes at rows {', '.join(map(str, edges)) or 'none'}.")
    return []


def main():
    parser = argparse.ArgumentParser(prog="demo", usage="./demo [--csv FILE] [--keep]", description=__doc__.split("\n")[0])
    parser.add_argument("programs", help=argparse.SUPPRESS)
    parser.add_argument("--csv", metavar="FILE")
    parser.add_argument("--speed", type=float, default=60.0)
    parser.add_argument("--keep", action="store_true", help="keep the folder with logs and database")
    options = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="millwright-demo-")
    plant = Plant(options.programs, folder)
    try:
        problems = (replay_csv(plant, os.path.abspath(options.csv)) if options.csv
                    else hall(plant, options.speed))
    except (RuntimeError, TimeoutError, OSError, UnicodeDecodeError, csv.Error) as error:
        problems = [str(error)]
    finally:
        plant.close()
    for problem in problems:
        say(f"PROBLEM: {problem}")
    if problems or options.keep:
        say(f"Logs and database are in {folder}")
    else:
        shutil.rmtree(folder)
        say("Done: every planted fault was reported and no healthy machine was." if not options.csv else "Done.")
    sys.exit(1 if problems else 0)


main()
